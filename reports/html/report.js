/* Shows in a side panel what the page already holds, walks the matrix by keyboard, filters its rows, copies commands.
   Everything is built with textContent, cloneNode and replaceChildren: nothing is ever parsed as markup. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const panel = byId("panel"), title = byId("panel-title"), body = byId("panel-body");
  const table = byId("matrix");
  const wide = matchMedia("(min-width: 70rem)");
  const targetOf = (link) => byId(link.getAttribute("href").slice(1));
  let current = null;

  /* Copying */

  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copy = async (button, code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      select(code); // no clipboard on plain http: leave the text selected
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };

  const addCopyButtons = (root) => {
    for (const command of root.querySelectorAll(".command")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-live", "polite");
      button.addEventListener("click", () => copy(button, command.querySelector("code")));
      command.append(button);
    }
  };

  /* The panel */

  const labelOf = (target) => {
    const name = target.closest("details").dataset.label;
    const heading = target.matches("article") ? target.querySelector("h3").cloneNode(true) : null;
    if (!heading) return name;
    heading.querySelectorAll("span, code").forEach((part) => part.remove());
    return `${name} · ${heading.textContent.trim()}`;
  };

  const contentOf = (target) => {
    const copies = target.matches("article")
      ? [target.cloneNode(true)]
      : [...target.querySelector(".subject").children].map((child) => child.cloneNode(true));
    for (const node of copies) node.removeAttribute("id");
    return copies;
  };

  const neighbour = (target, step) => {
    if (!target.matches("article")) return step > 0 ? target.querySelector("article[id]") : null;
    const next = step > 0 ? target.nextElementSibling : target.previousElementSibling;
    return next && next.matches("article[id]") ? next : null;
  };

  const mark = (target) => {
    for (const old of table.querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
    const link = [...table.querySelectorAll("tbody a")].find((candidate) => targetOf(candidate) === target);
    if (link) {
      link.setAttribute("aria-current", "true");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    return link;
  };

  const open = () => {
    if (!wide.matches) {
      panel.showModal();
      return;
    }
    const before = document.activeElement;
    panel.show(); // beside the table, and takes the focus: the table keeps it unless the keyboard asked
    before.focus({ preventScroll: true });
  };

  const show = (target, focus) => {
    current = target;
    title.textContent = labelOf(target);
    body.replaceChildren(...contentOf(target));
    body.scrollTop = 0;
    addCopyButtons(body);
    byId("before").disabled = !neighbour(target, -1);
    byId("after").disabled = !neighbour(target, 1);
    if (!panel.open) open();
    document.body.classList.add("with-panel");
    history.replaceState(null, "", `#${target.id}`);
    const link = mark(target);
    if (link) stop(link);
    if (focus) title.focus();
  };

  const hide = () => {
    const link = table.querySelector("[aria-current]");
    panel.close();
    current = null;
    document.body.classList.remove("with-panel");
    history.replaceState(null, "", location.pathname + location.search);
    if (link) {
      link.removeAttribute("aria-current");
      link.focus();
    }
  };

  const followHash = () => {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    const details = target && target.closest("#evidence details");
    if (!details) return;
    details.open = false; // the browser opened it to scroll there; the panel shows it beside its cell
    show(target, true);
    table.querySelector("[aria-current]").scrollIntoView({ block: "center", inline: "center" });
  };

  /* The matrix by keyboard: one tab stop, arrows move inside */

  let tabStop = null;
  const stop = (link) => {
    if (tabStop) tabStop.tabIndex = -1;
    tabStop = link;
    tabStop.tabIndex = 0;
  };
  const linksOf = (row) => [...row.querySelectorAll("a")];
  const shownRows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);

  const move = (link, key) => {
    const rows = shownRows(), row = link.closest("tr"), line = linksOf(row);
    const x = line.indexOf(link), y = rows.indexOf(row);
    const at = (r, c) => rows[r] && linksOf(rows[r])[c];
    return {
      ArrowRight: () => line[x + 1], ArrowLeft: () => line[x - 1], Home: () => line[0], End: () => line[line.length - 1],
      ArrowDown: () => at(y + 1, x), ArrowUp: () => at(y - 1, x),
    }[key]?.();
  };

  const onKey = (event) => {
    const link = event.target.closest("tbody a");
    if (!link || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = move(link, event.key);
    if (!next) return;
    event.preventDefault();
    stop(next);
    next.focus();
    if (panel.open) show(targetOf(next), false);
  };

  /* Counters that filter */

  const pressed = new Set();
  const filter = () => {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = pressed.size > 0 && !pressed.has(row.dataset.outcome);
      shown += row.hidden ? 0 : 1;
    }
    byId("shown").textContent = pressed.size ? `Showing ${shown} of ${table.tBodies[0].rows.length}` : "";
    if (tabStop.closest("tr").hidden && shown) stop(linksOf(shownRows()[0])[0]);
  };

  const makeFilter = (item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(...item.childNodes);
    button.addEventListener("click", () => {
      const outcome = item.dataset.outcome;
      if (!pressed.delete(outcome)) pressed.add(outcome);
      button.setAttribute("aria-pressed", String(pressed.has(outcome)));
      filter();
    });
    item.append(button);
  };

  addCopyButtons(document.querySelector("main .problems") || document.createDocumentFragment());
  if (!table) return;

  for (const link of table.querySelectorAll("tbody a")) link.tabIndex = -1;
  table.setAttribute("role", "grid");
  stop(table.querySelector("tbody a"));
  byId("hint").textContent = "Select a cell for its evidence. Arrow keys move, Enter opens, Esc closes.";
  table.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const target = link && targetOf(link);
    if (!target || !target.closest("#evidence details") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(target, event.detail === 0 || !wide.matches); // detail 0: the keyboard pressed it
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panel.open) {
      event.preventDefault();
      hide();
    }
  });
  panel.addEventListener("cancel", (event) => { event.preventDefault(); hide(); });
  byId("close").addEventListener("click", hide);
  byId("before").addEventListener("click", () => show(neighbour(current, -1), false));
  byId("after").addEventListener("click", () => show(neighbour(current, 1), false));
  if (table.tBodies[0].rows.length > 1) document.querySelectorAll(".counts li:not(.none)").forEach(makeFilter);
  addEventListener("hashchange", followHash);
  addEventListener("load", followHash);
})();
