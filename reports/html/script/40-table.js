/* The matrix: a page of the selected rows, walked by keyboard with one tab stop. */
const table = byId("table");
const MOST_PRINTED = 2000;
let chosen = [];
let tabStop = null;

const nameCell = (row) => {
  const parts = row[LABEL].split(/(?<=[./])/).flatMap((part, at) => (at ? [make("wbr"), part] : [part])); // where a phone breaks it
  const cell = make("th", { scope: "row" }, make("a", { href: `#${anchorOf(row)}`, "aria-label": row[LABEL] }, make("bdi", {}, ...parts)));
  if (!row[KIND]) cell.append(make("small", {}, "host"));
  if (row[EMULATED]) cell.append(make("small", { class: "emulated" }, "emulated CPU"));
  if (changeOf(row) && row[CHANGE] < 2) cell.append(make("small", { class: `change c${row[CHANGE]}` }, changeOf(row)));
  return cell;
};

const bodyRow = (at, groups) => {
  const row = data.rows[at], line = make("tr", { class: row[KIND] ? "vm" : "host" }, nameCell(row));
  for (const group of groups) {
    group.columns.forEach((column, number) => {
      const cell = column.cell(row);
      if (!number) cell.classList.add("g");
      line.append(cell);
    });
  }
  return line;
};

const inTwo = (label) => (label.length < 10 ? label.replaceAll(" ", "\u00a0") // short lines, but not many
  : label.split(" ").length > 2 ? label.replaceAll(/(\S+) (\S+)/g, "$1\u00a0$2") : label);
const heading = (id, title, attributes = {}) => {
  const sort = state.sort === id ? (state.down ? "descending" : "ascending") : null;
  const act = button(inTwo(title), () => {
    if (state.sort === id && state.down) [state.sort, state.down] = ["", false];
    else [state.sort, state.down] = [id, state.sort === id];
    state.page = 0;
    drawTable();
    [...table.tHead.querySelectorAll("button")].find((other) => other.textContent === act.textContent)?.focus();
  }, { class: "sort", title: "Sort" });
  return make("th", { scope: "col", "aria-sort": sort, ...attributes }, act);
};

let drawn = "";
const drawHead = (groups) => {
  const asked = `${state.sort} ${state.down} ${groups.map((group) => group.columns.map((column) => column.id))}`;
  if (asked === drawn) return;
  drawn = asked;
  const over = make("tr", {}, heading("name", "Machine", { class: "corner", rowspan: 2 }));
  const under = make("tr");
  for (const group of groups) {
    over.append(make("th", { scope: "colgroup", colspan: group.columns.length, class: "g" }, group.title));
    group.columns.forEach((column, number) => under.append(heading(column.id, column.title, { class: number ? null : "g" })));
  }
  table.tHead.replaceChildren(over, under);
};

const drawPager = (pages) => {
  const turn = (to) => () => { state.page = to; drawTable(); byId("scroll").scrollTop = 0; };
  const sizes = make("select", { "aria-label": "Machines on a page" },
    ...[50, 100, 500, 1000].map((size) => {
      const option = make("option", { value: size }, `${size} a page`);
      option.selected = size === state.size;
      return option;
    }));
  sizes.addEventListener("change", () => { [state.size, state.page] = [Number(sizes.value), 0]; drawTable(); });
  const before = button("‹", turn(state.page - 1), { "aria-label": "Page before" });
  const after = button("›", turn(state.page + 1), { "aria-label": "Next page" });
  before.disabled = state.page === 0;
  after.disabled = state.page >= pages - 1;
  byId("pager").replaceChildren(...(data.rows.length > 50
    ? [before, make("span", {}, `page ${counted(state.page + 1)} of ${counted(pages)}`), after, sizes] : []));
};

const drawTable = (most = 0) => {
  chosen = selected();
  const size = most || state.size, pages = Math.max(1, Math.ceil(chosen.length / size));
  state.page = Math.min(state.page, pages - 1);
  const groups = shownGroups(), start = most ? 0 : state.page * size;
  drawHead(groups);
  const body = document.createDocumentFragment();
  for (const at of chosen.slice(start, start + size)) body.append(bodyRow(at, groups));
  if (!chosen.length) {
    const clear = button("Show all machines", clearFilters);
    const none = make("td", { colspan: 40, class: "nothing" }, "No machine fits all of the filters above. ", clear);
    body.append(make("tr", {}, none));
  }
  table.tBodies[0].replaceChildren(body);
  for (const link of table.tBodies[0].querySelectorAll("a")) link.tabIndex = -1;
  const first = table.tBodies[0].querySelector("a");
  tabStop = null;
  if (first) stop(first);
  drawPager(pages);
  drawShown(most);
  markCurrent(false);
  writeHash();
};

const stop = (link) => {
  if (tabStop) tabStop.tabIndex = -1;
  tabStop = link;
  tabStop.tabIndex = 0;
};

const linksOf = (row) => [...row.querySelectorAll("a")];

const move = (link, key) => {
  const rows = [...table.tBodies[0].rows], row = link.closest("tr"), line = linksOf(row);
  const x = line.indexOf(link), y = rows.indexOf(row);
  const at = (r, c) => rows[r] && linksOf(rows[r])[c];
  return {
    ArrowRight: () => line[x + 1], ArrowLeft: () => line[x - 1], Home: () => line[0], End: () => line[line.length - 1],
    ArrowDown: () => at(y + 1, x), ArrowUp: () => at(y - 1, x),
    PageDown: () => at(Math.min(y + 20, rows.length - 1), x), PageUp: () => at(Math.max(y - 20, 0), x),
  }[key]?.();
};

const onTableKey = (event) => {
  const link = event.target.closest("tbody a");
  if (!link || event.altKey || event.ctrlKey || event.metaKey) return;
  const next = move(link, event.key);
  if (!next) return;
  event.preventDefault();
  stop(next);
  next.focus();
  if (panel.open) open(next.getAttribute("href").slice(1), false);
};

const markCurrent = (scroll) => {
  if (!table) return null;
  for (const old of table.querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
  if (!state.at) return null;
  const link = [...table.tBodies[0].querySelectorAll("a")].find((each) => each.getAttribute("href") === `#${state.at}`);
  if (!link) return null;
  link.setAttribute("aria-current", "true");
  stop(link);
  if (scroll) link.scrollIntoView({ block: "nearest", inline: "nearest" });
  return link;
};

/* Turn to the page of a machine, if the filters let it through. */
const turnTo = (anchor) => {
  const row = rowAt(anchor.split(":")[0]);
  const place = chosen.indexOf(data.rows.indexOf(row));
  if (place < 0 || Math.floor(place / state.size) === state.page) return;
  state.page = Math.floor(place / state.size);
  drawTable();
};
