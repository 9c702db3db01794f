/* The views besides the matrix under a filter. Without one they are as the page came, and that is put back. */
const FILTERED = ["problems", "matrix", "topology", "performance"];
const nodesOf = (id) => [...(byId(id)?.childNodes || [])];
const problemItems = [...document.querySelectorAll("[data-problem]")];
const whole = {
  who: problemItems.map((item) => [...item.querySelector(".who").childNodes]),
  cells: new Map([...document.querySelectorAll("#performance tr[data-peers]")].map((row) => [row, [...row.cells].map((cell) => [...cell.childNodes])])),
  stages: nodesOf("stages"), what: nodesOf("stages-what"), trees: nodesOf("trees"), hint: nodesOf("trees-hint"),
};

const people = (number) => (number === 1 ? "machine" : "machines");
const listed = (rows, most, node) => {
  const nodes = rows.slice(0, most).flatMap((row, at) => [at ? ", " : "", node(row)]);
  return rows.length > most ? [...nodes, ` and ${counted(rows.length - most)} more`] : nodes;
};
const linkTo = (row, link = "") => make("a", { href: `#${anchorOf(row)}${link && `:${link}`}` }, make("bdi", {}, row[LABEL]));

const showProblem = (number) => {
  if (state.problem < 0) state.problem = number;
  drawControls();
  pressCounters();
  refilter();
  goTo("matrix");
  byId("shown").scrollIntoView({ block: "nearest" });
};

/* Each problem with those of its machines that are selected; the most frequent first, what is not known last. */
const drawProblems = (mask) => {
  const order = data.problems.map(([link, , rows], number) => {
    const found = mask ? rows.filter((at) => mask[at]) : rows, item = problemItems[number], who = item.querySelector(".who");
    const many = item.querySelector(".many"), all = mask && found.length < rows.length ? "these" : "all";
    many.firstElementChild.textContent = counted(found.length);
    many.lastElementChild.textContent = people(found.length);
    who.replaceChildren(...(mask ? listed(found.map((at) => data.rows[at]), 8, (row) => linkTo(row, data.links[link])) : whole.who[number]));
    if (found.length > 1) who.append(" ", button(`Show ${all} ${counted(found.length)} in the matrix`, () => showProblem(number), { class: "quiet" }));
    item.hidden = !found.length;
    return [item.classList.contains("unknown"), found.length, item];
  });
  order.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const list = document.querySelector(".problems");
  if (list) list.replaceChildren(...order.map(([, , item]) => item));
  byId("no-problem")?.remove();
  if (!mask || order.some(([, found]) => found)) return;
  const text = chosen.length ? `None of the ${counted(chosen.length)} selected has a problem. ` : "No machine fits all of the filters above. ";
  byId("problems").append(make("p", { class: "empty", id: "no-problem" }, text,
    chosen.length ? button("Look at them in the matrix", () => goTo("matrix")) : button("Show all machines", clearFilters)));
};

/* The peers stay, pale: a machine is slow beside them, whichever of them are selected. */
const FACTOR = 1.5;
const slowness = (row) => {
  const [exit, inner, enough] = data.peers[row[PEERS]], machine = row[MACHINE];
  const times = (timing, usual) => (timing && usual ? timing[0] / usual : 0);
  return enough ? Math.max(times(machine[EXIT], exit), times(machine[INNER], inner)) : 0;
};

const markOf = (row, number, kind, timing, y) => {
  const [low, high] = byId("strips").dataset.scale.split(" ").map(Number);
  const x = (330 + ((Math.log10(timing[0]) - low) / (high - low)) * 610).toFixed(1), at = y + (((number * 7) % 5) - 2) * 1.6;
  const title = draw("title", {}, `${row[LABEL]}: ${microseconds(timing[0])}`);
  const mark = `mark ${kind}${slowness(row) >= FACTOR ? " slow" : ""}`;
  return kind === "exit" ? draw("circle", { class: mark, cx: x, cy: at, r: 3.5 }, title)
    : draw("rect", { class: mark, x: x - 3, y: at - 3, width: 6, height: 6, transform: `rotate(45 ${x} ${at})` }, title);
};

const drawPerformance = (mask) => {
  const strips = byId("strips");
  if (!strips) return;
  const groups = data.peers.map(() => []);
  let measured = 0;
  for (let at = 0; mask && at < data.rows.length; at++) {
    const row = data.rows[at];
    if (!mask[at] || row[PEERS] < 0) continue;
    groups[row[PEERS]].push(row);
    measured++;
  }
  strips.classList.toggle("faded", Boolean(mask));
  strips.querySelectorAll(".picked").forEach((old) => old.remove());
  for (const [row, cells] of whole.cells) {
    const found = groups[row.dataset.peers];
    row.hidden = Boolean(mask) && !found.length;
    [...row.cells].forEach((cell, number) => cell.replaceChildren(...cells[number]));
    if (!mask) continue;
    const slow = found.map((each) => [each, slowness(each)]).filter(([, factor]) => factor >= FACTOR).sort((a, b) => b[1] - a[1]);
    row.cells[1].textContent = `${counted(found.length)} of ${cells[1][0].textContent}`;
    row.cells[5].replaceChildren(...(slow.length ? listed(slow.map(([each]) => each), 5,
      (each) => make("span", {}, linkTo(each), ` ${slowness(each).toFixed(1)}×`)) : ["none"]));
  }
  strips.querySelectorAll("g[data-peers]").forEach((strip, number) => {
    const shown = groups[number].slice(0, 120);
    strip.after(draw("g", { class: "picked" }, ...shown.flatMap((row, at) => [["exit", EXIT, 15], ["inner", INNER, 31]]
      .filter(([, field]) => row[MACHINE][field])
      .map(([kind, field, y]) => markOf(row, at, kind, row[MACHINE][field], number * 46 + y)))));
  });
  byId("picked").textContent = !mask ? "" : measured
    ? `${counted(measured)} of the ${counted(chosen.length)} selected were measured. The others stay, pale, and medians are those of all peers.`
    : `None of the ${counted(chosen.length)} selected was measured.`;
};

/* Draws what the view that is seen, or each of those that are printed, shows of the selected machines. */
const drawFiltered = (views) => {
  const mask = filtering() ? new Uint8Array(data.rows.length) : null;
  if (mask) for (const at of chosen) mask[at] = 1;
  if (views.includes("problems")) drawProblems(mask);
  if (views.includes("topology")) drawTopology(mask);
  if (views.includes("performance")) drawPerformance(mask);
};
