/* Search, choices, chips, columns, and taking away what is shown. */
const select = (name, label, options) => {
  const node = make("select", { "aria-label": label });
  for (const [value, text] of options) {
    const option = make("option", { value }, text);
    option.selected = state[name] === value;
    node.append(option);
  }
  node.addEventListener("change", () => { state[name] = node.value; refilter(); });
  return node;
};

const refilter = () => {
  state.page = 0;
  drawTable();
  drawFiltered([state.view]);
};

const clearFilters = () => {
  Object.assign(state, { outcomes: new Set(), kind: "", provider: "", change: "", problem: -1, words: "" });
  drawControls();
  pressCounters();
  refilter();
  byId("search")?.focus();
};

const drawControls = () => {
  const search = make("input", { type: "search", id: "search", placeholder: "Search name, host, cause, CPU …",
    "aria-label": "Search machines", autocomplete: "off", spellcheck: "false", maxlength: 200 });
  search.value = state.words;
  search.addEventListener("input", () => { state.words = search.value; refilter(); });
  const providers = [...new Set(data.rows.map((row) => row[PROVIDER]))].map((n) => data.strings[n]).filter(Boolean).sort();
  const kinds = select("kind", "Kind", [["", "Hosts and VMs"], ["host", "Hosts"], ["vm", "VMs"]]);
  const parts = [search, kinds];
  if (providers.length) {
    parts.push(select("provider", "Provider", [["", "Any provider"], ...providers.slice(0, 200).map((p) => [p, p])]));
  }
  if (data.rows.some((row) => row[CHANGE] >= 0)) {
    parts.push(select("change", "Change", [["", "Any change"], ...data.changes.map((c) => [c, c])]));
  }
  byId("controls").replaceChildren(...(data.rows.length > 1 ? parts : []), columnChoice(), takeAway());
};

const menu = (title, kind, ...children) => {
  const box = make("details", { class: `menu ${kind}` }, make("summary", {}, title), make("div", { class: "sheet" }, ...children));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    event.stopPropagation();
    box.open = false;
    box.querySelector("summary").focus();
  });
  box.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !box.contains(event.relatedTarget)) box.open = false;
  });
  return box;
};

const columnChoice = () => {
  shownGroups();
  return menu("Columns", "columns", ...allGroups.map((group) => {
    const boxes = group.columns.map((column) => {
      const box = make("input", { type: "checkbox" });
      box.checked = !state.hidden.has(column.id);
      box.addEventListener("change", () => {
        if (box.checked) state.hidden.delete(column.id);
        else state.hidden.add(column.id);
        drawTable();
      });
      return make("label", {}, box, ` ${column.title}`);
    });
    return make("fieldset", {}, make("legend", {}, group.title), ...boxes);
  }));
};

const chip = (text, drop) => {
  const node = button(`${text} ✕`, () => { drop(); drawControls(); pressCounters(); refilter(); }, { class: "chip" });
  node.setAttribute("aria-label", `Remove filter: ${text}`);
  return node;
};

/* What is seen of the whole, and by which filter; where a view does not follow the filter, that. */
const drawShown = (most = 0) => {
  const all = counted(data.rows.length), here = FILTERED.includes(state.view);
  const part = most && chosen.length > most ? `, the first ${counted(most)} here` : "";
  byId("filter").classList.toggle("in-matrix", state.view === "matrix");
  byId("filter").classList.toggle("idle", !here || (data.rows.length === 1 && state.view !== "matrix"));
  byId("shown").textContent = !filtering() ? (part ? `${all} machines${part}` : "")
    : here || most ? `Showing ${counted(chosen.length)} of ${all}${part}` : `This view is about all ${all} machines: the filter does not act on it.`;
  if (here || most || !filtering()) drawChips();
  else byId("chips").replaceChildren(button("Remove the filter", clearFilters));
};

const drawChips = () => {
  const chips = [...state.outcomes].map((number) => chip(data.outcomes[number], () => state.outcomes.delete(number)));
  if (state.problem >= 0) {
    const [link, cause] = data.problems[state.problem];
    const text = (link >= 0 ? `${data.labels[link]}: ` : "") + cause;
    chips.push(chip(text.length > 70 ? `${text.slice(0, 69)}…` : text, () => { state.problem = -1; }));
  }
  byId("chips").replaceChildren(...chips);
};

/* Export of what is shown: the selected rows in their order, the shown columns. */
const guard = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text); // a spreadsheet would run it
const quoted = (text) => `"${guard(String(text)).replaceAll('"', '""')}"`;

const taken = () => {
  const columns = shownGroups().flatMap((group) => group.columns);
  return chosen.map((at) => {
    const row = data.rows[at];
    return {
      name: row[LABEL], kind: row[KIND] ? "vm" : "host", emulated_cpu: Boolean(row[EMULATED]),
      ...Object.fromEntries(columns.map((column) => [column.as || column.id, column.value(row)])),
    };
  });
};

const asCsv = () => {
  const records = taken(), names = Object.keys(records[0] || { name: "" });
  return [names, ...records.map((each) => names.map((name) => each[name] ?? ""))].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
};
const asJson = () => JSON.stringify(taken(), null, 1) + "\n";

const save = (name, type, text) => {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

const takeAway = () => menu("Export", "export",
  button("CSV of what is shown", () => save("nestproof.csv", "text/csv;charset=utf-8", asCsv())),
  button("JSON of what is shown", () => save("nestproof.json", "application/json", asJson())),
  button("Print or save as PDF", () => print()));
