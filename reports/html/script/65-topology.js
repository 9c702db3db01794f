/* The topology of the selected machines: drawn as the page's own is, which is put back when no filter is on. */
const draw = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const TRUNK = 250, STEP = 112, MOST_HOSTS = 40, MOST_VMS = 24;
const OUTCOME_STATUS = ["pass", "warn", "fail", "unknown"];
const short = (text) => ([...text].length <= 30 ? text : `${[...text].slice(0, 29).join("")}…`);
const svgText = (attributes, text, title) => draw("text", attributes, text, ...(title ? [draw("title", {}, title)] : []));
const levelAt = (level) => TRUNK + level * STEP;

const stageNodes = (subjects) => {
  let left = subjects.length;
  const whole = Math.max(left, 1);
  return data.levels.flatMap(([level, words], number) => {
    const here = subjects.filter((row) => row[WAY] === number), lost = here.filter((row) => row[OUTCOME] === 2).length;
    const dark = here.length - lost, through = left - here.length, y = number * 34, nodes = [];
    let x = 250;
    for (const [kind, count] of [["reached", through], ["lost", lost], ["dark", dark]]) {
      if (!count) continue;
      const width = Math.max((count / whole) * 560, 3);
      nodes.push(draw("rect", { class: `part ${kind}`, x: x.toFixed(1), y: y + 6, width: width.toFixed(1), height: 20 }));
      x += width;
    }
    const said = svgText({ x: 822, y: y + 20 }, counted(through));
    if (lost) said.append(draw("tspan", { class: "bad" }, ` ✖ ${counted(lost)}`));
    if (dark) said.append(draw("tspan", { class: "dim" }, ` ? ${counted(dark)}`));
    left = through;
    return [svgText({ class: "strong", x: 8, y: y + 20 }, level), svgText({ x: 38, y: y + 20 }, words), ...nodes, said];
  });
};

const dotNode = (row, level, y) => {
  const x = levelAt(level), kind = level < row[WAY] ? "reached" : level > row[WAY] ? "ahead" : row[OUTCOME] === 2 ? "lost" : "dark";
  if (kind === "lost") return draw("path", { class: "cross", d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10` });
  if (kind === "dark") return svgText({ class: "query", x, y: y + 5, "text-anchor": "middle" }, "?");
  return draw("circle", { class: `dot ${kind}`, cx: x, cy: y, r: kind === "reached" ? 4 : 2 });
};

const trackNodes = (row, y) => {
  const end = levelAt(Math.min(row[WAY], 3)), broken = brokenOf(row), verdict = textOf(row, VERDICT).replaceAll("_", " ");
  return [
    draw("path", { class: "ahead", d: `M${end} ${y}H586` }), draw("path", { class: "trunk", d: `M250 ${y}H${end}` }),
    draw("a", { href: `#${anchorOf(row)}` }, svgText({ x: 24, y: y + 4 }, short(row[LABEL]), row[LABEL])),
    ...data.levels.map((_, level) => dotNode(row, level, y)),
    svgText({ class: `says ${OUTCOME_STATUS[row[OUTCOME]]}`, x: 612, y: y + 4 }, broken < 0 ? verdict : `${verdict} · ${data.labels[broken]}`),
  ];
};

const treeNode = ({ name, host, vms }) => {
  const some = vms.length > MOST_VMS ? [...vms].sort((a, b) => (a[WAY] === 4) - (b[WAY] === 4)).slice(0, MOST_VMS) : vms;
  const last = 20 + some.length * 24;
  const tree = draw("svg", { class: "draw tree", width: 980, height: last + 14, viewBox: `0 0 980 ${last + 14}`, role: "group",
    "aria-label": `${name || "no host known"} and its VMs` });
  if (some.length) tree.append(draw("path", { class: "stem", d: `M250 20V${last}` }));
  if (host) {
    tree.append(draw("a", { href: `#${anchorOf(host)}` }, svgText({ class: "strong", x: 8, y: 24 }, short(host[LABEL]), host[LABEL])),
      draw("circle", { class: `dot ${OUTCOME_STATUS[host[OUTCOME]]}`, cx: 250, cy: 20, r: 6 }),
      svgText({ class: "says", x: 612, y: 24 }, `guests nest: ${verdictOf(data.answers[host[NESTS]])}`));
  } else {
    tree.append(svgText({ class: "strong", x: 8, y: 24 }, short(name) || "(no host known)"), draw("circle", { class: "dot dark", cx: 250, cy: 20, r: 6 }),
      svgText({ class: "says", x: 612, y: 24 }, "the host was not looked at"));
  }
  some.forEach((row, number) => tree.append(...trackNodes(row, 20 + (number + 1) * 24)));
  const more = make("p", { class: "hint" }, `and ${counted(vms.length - some.length)} more VMs on `, make("bdi", {}, name));
  return vms.length > some.length ? [tree, more] : [tree];
};

/* Hosts with a selected VM, and selected hosts: in the order of the rows, then hosts that were not looked at. */
const branchesOf = (mask) => {
  const branches = new Map();
  for (const row of data.rows) if (!row[KIND]) branches.set(row[LABEL], { name: row[LABEL], host: row, vms: [], seen: false });
  data.rows.forEach((row, at) => {
    if (!mask[at]) return;
    const name = row[KIND] ? textOf(row, HOST) : row[LABEL];
    if (!branches.has(name)) branches.set(name, { name, host: null, vms: [], seen: false });
    const branch = branches.get(name);
    branch.seen = true;
    if (row[KIND]) branch.vms.push(row);
  });
  return [...branches.values()].filter((branch) => branch.seen);
};

const drawTopology = (mask) => {
  for (const [id, nodes] of [["stages", whole.stages], ["stages-what", whole.what], ["trees", whole.trees], ["trees-hint", whole.hint]]) {
    byId(id)?.replaceChildren(...nodes);
  }
  if (!mask || !byId("trees")) return;
  const rows = data.rows.filter((_, at) => mask[at]), vms = rows.filter((row) => row[KIND]);
  const bars = byId("stages").querySelector("svg").cloneNode(false);
  bars.append(...stageNodes(vms.length ? vms : rows));
  byId("stages").replaceChildren(bars);
  byId("stages-what").textContent = vms.length ? "VMs" : "hosts";
  const found = branchesOf(mask), lostOf = (branch) => branch.vms.filter((row) => row[WAY] < 4).length;
  const shown = found.length > MOST_HOSTS ? found.sort((a, b) => lostOf(b) - lostOf(a)).slice(0, MOST_HOSTS) : found;
  const heads = whole.trees.find((node) => node.nodeType === 1);
  byId("trees").replaceChildren(...(shown.length ? [heads, ...shown.flatMap(treeNode)] : [make("p", { class: "empty" }, "No machine fits all of the filters above.")]));
  byId("trees-hint").textContent = found.length > shown.length
    ? `Only selected VMs are drawn, on the ${shown.length} hosts that lose the most of them; ${counted(found.length - shown.length)} others are not.`
    : "Only selected VMs are drawn, each with its host.";
};
