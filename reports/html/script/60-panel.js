/* The panel: one machine, or one link of its chain, with expected, found, evidence and remedies. */
const panel = byId("panel"), panelTitle = byId("panel-title"), panelBody = byId("panel-body");
const wide = matchMedia("(min-width: 70rem)");
let opener = null;

const copyText = async (node, text, instead) => {
  const label = node.textContent;
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = "Copied";
  } catch {
    const range = document.createRange(); // no clipboard on plain http: leave the text selected
    range.selectNodeContents(instead);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    node.textContent = "Selected";
  }
  setTimeout(() => { node.textContent = label; }, 2000);
};

const addCopyButtons = (root) => {
  for (const command of root.querySelectorAll(".command")) {
    const code = command.querySelector("code");
    const copy = button("Copy", () => copyText(copy, code.textContent, code), { class: "copy", "aria-live": "polite" });
    command.append(copy);
  }
};

/* A sentence of ours, in which `backquotes` hold what is typed. */
const prose = (text) => {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => (at % 2 ? make("code", {}, part) : part)) : [text];
};

const remedyNodes = (number) => {
  const [title, where, commands, then, proved, needs, risk, applies] = details.remedies[number];
  const head = make("p", { class: "remedy" }, make("span", { class: "where" }, where), " ", ...prose(title));
  if (applies) head.append(make("small", {}, ` (${applies})`));
  const blocks = commands.map((text) => make("div", { class: "command" }, make("pre", {}, make("code", {}, text))));
  const nodes = [head, ...(blocks.length > 1 ? [make("ol", { class: "steps" }, ...blocks.map((b) => make("li", {}, b)))] : blocks)];
  const after = [["Then", then], ["Needs", needs === "nothing more" ? "" : needs], ["Risk", risk]].filter(([, text]) => text);
  for (const [name, text] of after) nodes.push(make("p", { class: "then" }, make("b", {}, name), " ", ...prose(text)));
  if (commands.length) {
    const said = proved ? `Proven: run in ${proved}, where it turned the verdict.` : "Not proven: not yet run in a test that turned the verdict.";
    nodes.push(make("p", { class: "proved" }, said));
  }
  return nodes;
};

const remediesNodes = (numbers) => (numbers.length ? [make("ul", { class: "remedies" }, ...numbers.map((number, at) =>
  make("li", {}, ...(at ? [make("p", { class: "or" }, "or instead")] : []), ...remedyNodes(number))))] : []);

const evidenceNodes = (numbers) => (numbers.length ? [make("dl", { class: "evidence" }, ...numbers.flatMap((number) => {
  const [source, text] = evidenceOf(number);
  return [make("dt", {}, make("code", {}, source)), make("dd", {}, make("pre", {}, text))];
}))] : []);

const key = (status, word, cause = false) =>
  make("span", { class: `key ${data.statuses[status]}${cause ? " cause" : ""}` }, ...mark(status, word));

const term = (name, ...value) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value));

const checkNodes = (id) => {
  const known = details.checks[id];
  if (!known) return [];
  return [make("dl", { class: "terms why" }, term("Asks", ...prose(known[0])), term("Why", ...prose(known[1])), term("Judged", ...prose(known[2])))];
};

const linkNodes = (row, link) => {
  const said = saidOf(row, link), cause = brokenOf(row) === link, word = wordOf(row, link);
  return [
    make("p", { class: "state" }, key(said[STATUS], said[STATUS] === 3 ? "n/a" : word, cause), " ", make("code", {}, said[CHECK])),
    make("dl", { class: "terms" }, term("Expected", details.expected[link]), term("Found", said[SUMMARY])),
    ...section("Evidence", evidenceNodes(said[EVIDENCE])),
    ...section("To mend it", remediesNodes(said[REMEDIES])),
    ...section("About this check", checkNodes(said[CHECK])),
  ];
};

const section = (title, nodes) => (nodes.length ? [make("h3", {}, title), ...nodes] : []);

const findingNode = (finding) => make("article", { class: data.statuses[finding[STATUS]] },
  make("h4", {}, key(finding[STATUS], finding[STATUS] === 3 ? "n/a" : data.statuses[finding[STATUS]]), " ", make("code", {}, finding[CHECK])),
  make("p", { class: "claim" }, finding[SUMMARY], ...(finding[FOLLOWS] ? [make("i", {}, ` Follows from ${finding[FOLLOWS]}.`)] : [])),
  ...evidenceNodes(finding[EVIDENCE]), ...remediesNodes(finding[REMEDIES]));

const answerTerm = (name, answer) =>
  term(name, make("b", { class: `v ${OUTCOME_CLASSES[answer[1]]}` }, ...mark([0, 1, 2, 4][answer[1]], verdictOf(answer))), ` ${answer[2]}`);

const FLAG_NAMES = ["virtual machine", "UEFI", "Secure Boot", "TPM", "IOMMU in use", "EPT or NPT for guests"];
const machineTerms = (row) => {
  const machine = row[MACHINE];
  if (!machine) return [];
  const timing = (t) => `${microseconds(t[0])} (${microseconds(t[1])} to ${microseconds(t[2])})`;
  const said = machine[FLAGS].map((flag, at) => (flag < 0 ? "" : `${flag ? "" : "no "}${FLAG_NAMES[at]}`)).filter(Boolean);
  return [
    ["CPU", machineText(row, CPU) + (machine[CPUS] > 0 ? `, ${counted(machine[CPUS])} CPUs` : "")],
    ["Memory", machine[MEMORY] > 0 ? `${(machine[MEMORY] / 2 ** 30).toFixed(1)} GiB` : ""],
    ["System", [machineText(row, SYSTEM), machineText(row, KERNEL)].filter(Boolean).join(", ")],
    ["Under", machineText(row, UNDER)], ["Has", said.join(", ")],
    ["Exit", machine[EXIT] ? timing(machine[EXIT]) : ""], ["Nested exit", machine[INNER] ? timing(machine[INNER]) : ""],
    ["Looked at", moment(machine[LOOKED])],
  ].filter(([, text]) => text).map(([name, text]) => term(name, text));
};

const machineLink = (row) => make("li", {},
  make("span", { class: `v ${OUTCOME_CLASSES[row[OUTCOME]]}` }, ...mark([0, 1, 2, 4][row[OUTCOME]], textOf(row, VERDICT).replaceAll("_", " "))),
  " ", make("a", { href: `#${anchorOf(row)}` }, make("bdi", {}, row[LABEL])));

/* What a VM's manifest asks for, and what its provider found. */
const settingsNodes = (settings) => {
  if (!settings.length) return [];
  const head = ["Setting", "Asked", "Read back"].map((title) => make("th", { scope: "col" }, title));
  const found = (text, source, differs) => (text
    ? [make("span", { class: "v" }, ...mark(differs ? 1 : 0, text)), ...(source ? [make("small", {}, source)] : [])]
    : [make("span", { class: "v" }, ...mark(4, "not read back"))]);
  const lines = settings.map(([path, asked, read, source, differs]) => make("tr", { class: differs ? "warn" : read ? "pass" : "unknown" },
    make("th", { scope: "row" }, make("code", {}, path)), make("td", {}, asked), make("td", {}, ...found(read, source, differs))));
  const caption = make("caption", {}, "Settings, as asked for and as read back");
  return [make("table", { class: "settings" }, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines))];
};
const settingsTitle = (settings) => {
  const differing = settings.filter((each) => each[4]).length;
  return `Settings (${settings.length}${differing ? `, ${differing} otherwise than asked` : ""})`;
};

const overviewNodes = (row) => {
  const broken = brokenOf(row), others = findingsOf(row), host = rowAt(`host/${textOf(row, HOST)}`);
  const good = others.filter((f) => [0, 3].includes(f[STATUS])), bad = others.filter((f) => ![0, 3].includes(f[STATUS]));
  const vms = row[KIND] ? [] : vmsOf(row), settings = settingsOf(row);
  const place = textOf(row, HOST) ? [term("Host", host ? make("a", { href: `#${anchorOf(host)}` }, make("bdi", {}, host[LABEL])) : make("bdi", {}, textOf(row, HOST)))] : [];
  const provider = [textOf(row, PROVIDER), textOf(row, PRODUCT)].filter(Boolean).join(", ");
  const nodes = [
    make("p", { class: "sentence" }, sentenceOf(row)),
    make("dl", { class: "terms" }, answerTerm("Runs guests", data.answers[row[RUNS]]), answerTerm("Guests nest", data.answers[row[NESTS]]),
      ...place, ...(provider ? [term("Provider", provider)] : []), ...(changeOf(row) ? [term("Since then", changeOf(row))] : [])),
  ];
  if (broken >= 0) nodes.push(make("h3", {}, `Broken: ${data.labels[broken]}`), ...linkNodes(row, broken).slice(1, -2));
  if (row[EMULATED]) nodes.push(make("p", { class: "notice" }, "The CPU is emulated in software: what ran really ran, but its speed says nothing about real hardware."));
  const terms = machineTerms(row);
  nodes.push(...section("Machine", terms.length ? [make("dl", { class: "terms" }, ...terms)] : []));
  nodes.push(...section(settingsTitle(settings), settingsNodes(settings)));
  nodes.push(...section(`VMs on it (${vms.length})`, vms.length ? [make("ul", { class: "machines" }, ...vms.slice(0, 200).map(machineLink))] : []));
  nodes.push(...section("Also looked at", bad.map(findingNode)));
  if (good.length) {
    nodes.push(make("details", { class: "others" }, make("summary", {}, `${good.length} more that hold or do not apply`), ...good.map(findingNode)));
  }
  return nodes;
};

const drawStrip = (row, link) => {
  let from = 0;
  const all = make("a", { href: `#${anchorOf(row)}`, class: "all", "aria-current": link < 0 ? "true" : null }, "All");
  const groups = data.groups.map(([title, count]) => {
    const cells = Array.from({ length: count }, (_, at) => from + at).map((number) => {
      const said = saidOf(row, number), broken = brokenOf(row) === number;
      return make("a", {
        href: `#${anchorOf(row)}:${data.links[number]}`, class: broken ? "cause" : data.statuses[said[STATUS]],
        title: `${data.labels[number]}: ${wordOf(row, number)}`, "aria-label": `${data.labels[number]}: ${wordOf(row, number)}`,
        "aria-current": link === number ? "true" : null,
      }, data.symbols[said[STATUS]]);
    });
    from += count;
    return make("span", { class: "group" }, make("small", { "aria-hidden": "true" }, title), make("span", {}, ...cells));
  });
  byId("panel-strip").replaceChildren(all, ...groups);
};

const parse = (at) => {
  const [anchor, link = ""] = at.split(":");
  return { row: rowAt(anchor), link: data.links.indexOf(link) };
};

const drawBody = async (row, link) => {
  if (!details) {
    panelBody.replaceChildren(make("p", { class: "hint" }, "Reading the evidence …"));
    const asked = state.at;
    await loadDetails();
    if (state.at !== asked) return; // something else was opened meanwhile, or nothing
  }
  panelBody.replaceChildren(...(link < 0 ? overviewNodes(row) : linkNodes(row, link)));
  panelBody.scrollTop = 0;
  addCopyButtons(panelBody);
};

const open = (at, focus) => {
  const { row, link } = parse(at);
  if (!row) return false;
  if (!panel.open) opener = document.activeElement;
  state.at = link < 0 ? anchorOf(row) : `${anchorOf(row)}:${data.links[link]}`;
  panelTitle.replaceChildren(make("bdi", {}, row[LABEL]), link < 0 ? "" : ` · ${data.labels[link]}`);
  drawStrip(row, link);
  drawBody(row, link);
  byId("before").disabled = link < 0;
  byId("after").disabled = link === data.links.length - 1;
  showPanel();
  writeHash();
  if (table && state.view === "matrix") {
    turnTo(state.at);
    markCurrent(true);
  }
  if (focus) panelTitle.focus();
  return true;
};

const showPanel = () => {
  if (panel.open) return;
  document.body.classList.add("with-panel");
  if (!wide.matches) {
    panel.showModal();
    return;
  }
  const before = document.activeElement;
  panel.show(); // beside the table, and takes the focus: the table keeps it unless the keyboard asked
  before.focus({ preventScroll: true });
};

const hide = () => {
  const link = markCurrent(false) || opener;
  panel.close();
  state.at = "";
  document.body.classList.remove("with-panel");
  markCurrent(false);
  writeHash();
  if (link && link.isConnected) link.focus();
};

const step = (by) => {
  const { row, link } = parse(state.at), next = link + by;
  open(next < 0 ? anchorOf(row) : `${anchorOf(row)}:${data.links[next]}`, false);
};

/* Markdown for a ticket. Backquotes in code would end it. */
const inert = (text) => text.replace(/([\\`*_{}[\]<>#|~!&@])/g, "\\$1");
const asMarkdown = () => {
  const { row, link } = parse(state.at), shown = link < 0 ? brokenOf(row) : link;
  const lines = [`**${inert(sentenceOf(row))}**`];
  if (shown >= 0) {
    const said = saidOf(row, shown);
    lines.push(`${inert(data.labels[shown])} (${inert(said[CHECK])}): ${data.statuses[said[STATUS]]}`, `Expected: ${inert(details.expected[shown])}`, `Found: ${inert(said[SUMMARY])}`);
    for (const number of said[EVIDENCE]) {
      const [source, text] = evidenceOf(number);
      lines.push(`${inert(source)}:`, text.split("\n").map((line) => `    ${line}`).join("\n"));
    }
    said[REMEDIES].forEach((number, at) => {
      const [title, where, commands, then] = details.remedies[number];
      lines.push(`${at ? "Or instead" : "To mend it"} (${where}): ${inert(title)}`);
      if (commands.length) lines.push(commands.join("\n").split("\n").map((line) => `    ${line}`).join("\n"));
      if (then) lines.push(`Then: ${inert(then)}`);
    });
  }
  return lines.join("\n\n") + "\n";
};
