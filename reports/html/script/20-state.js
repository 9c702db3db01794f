/* What is looked at: kept in the address, so that it can be sent to somebody. */
const VIEWS = [...document.querySelectorAll("#views a")].map((link) => link.getAttribute("href").slice(1));
const state = {
  view: VIEWS[0], at: "", outcomes: new Set(), kind: "", provider: "", change: "", problem: -1, words: "",
  sort: "", down: false, page: 0, size: 100, hidden: new Set(), theme: "",
};
const OFF = ["summary", "host", "provider", "product", "cpu-name", "kernel", "system", "looked", "exit", "inner", "change"];
OFF.forEach((column) => state.hidden.add(column));

const readHash = () => {
  const hash = location.hash.slice(1), cut = hash.indexOf("?");
  const head = cut < 0 ? hash : hash.slice(0, cut);
  const known = VIEWS.includes(head);
  state.at = head && !known ? head : "";
  if (known) state.view = head;
  if (cut < 0) return;
  const asked = new URLSearchParams(hash.slice(cut + 1));
  if (VIEWS.includes(asked.get("view"))) state.view = asked.get("view");
  state.outcomes = new Set((asked.get("outcome") || "").split(",").filter(Boolean).map((name) => OUTCOME_CLASSES.indexOf(name)));
  state.kind = ["host", "vm"].includes(asked.get("kind")) ? asked.get("kind") : "";
  state.provider = asked.get("provider") || "";
  state.change = asked.get("change") || "";
  state.problem = data.problems[asked.get("problem")] ? Number(asked.get("problem")) : -1;
  state.words = asked.get("q") || "";
  state.sort = (asked.get("sort") || "").replace(/^-/, "");
  state.down = (asked.get("sort") || "").startsWith("-");
  if (asked.has("hide")) state.hidden = new Set(asked.get("hide").split(",").filter(Boolean));
  if (["light", "dark"].includes(asked.get("theme"))) state.theme = asked.get("theme");
};

const writeHash = () => {
  const asked = new URLSearchParams();
  const put = (name, value) => { if (value) asked.set(name, value); };
  if (state.at && state.view !== VIEWS[0]) put("view", state.view);
  put("outcome", [...state.outcomes].map((number) => OUTCOME_CLASSES[number]).join(","));
  put("kind", state.kind);
  put("provider", state.provider);
  put("change", state.change);
  put("problem", state.problem >= 0 ? String(state.problem) : "");
  put("q", state.words);
  put("sort", state.sort && (state.down ? "-" : "") + state.sort);
  if ([...state.hidden].sort().join() !== [...OFF].sort().join()) asked.set("hide", [...state.hidden].join(","));
  put("theme", state.theme);
  const head = state.at || (state.view === VIEWS[0] && !asked.size ? "" : state.view);
  const hash = head + (asked.size ? `?${asked}` : "");
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
};

const filtering = () => state.outcomes.size > 0 || state.kind || state.provider || state.change || state.problem >= 0 || state.words;

const selected = () => {
  const finders = state.words.toLowerCase().split(/\s+/).filter(Boolean).map(finder);
  const problem = state.problem >= 0 ? new Set(data.problems[state.problem][2]) : null;
  const provider = state.provider ? data.strings.indexOf(state.provider) : -2;
  const change = state.change ? data.changes.indexOf(state.change) : -2;
  const kind = { host: 0, vm: 1 }[state.kind];
  const found = [];
  for (let at = 0; at < data.rows.length; at++) {
    const row = data.rows[at];
    if (state.outcomes.size && !state.outcomes.has(row[OUTCOME])) continue;
    if (kind !== undefined && row[KIND] !== kind) continue;
    if (provider !== -2 && row[PROVIDER] !== provider) continue;
    if (change !== -2 && row[CHANGE] !== change) continue;
    if (problem && !problem.has(at)) continue;
    if (!finders.every((finds) => finds(row, at))) continue;
    found.push(at);
  }
  return sorted(found);
};
