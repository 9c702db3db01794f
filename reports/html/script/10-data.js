/* The data block and what can be asked of it. Everything is put into the page as text: nothing is parsed as markup. */
const byId = (id) => document.getElementById(id);

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

const button = (text, action, attributes = {}) => {
  const node = make("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", action);
  return node;
};

const [LABEL, ANCHOR, KIND, HOST, PROVIDER, PRODUCT, OUTCOME, VERDICT, SENTENCE, RUNS, NESTS, PROFILE, MACHINE, EMULATED,
  CHANGE, WAY, PEERS] = Array(17).keys();
const [CELLS, WORDS, BROKEN] = Array(3).keys();
const [STATUS, SUMMARY, CHECK, EVIDENCE, REMEDIES, FOLLOWS] = Array(6).keys();
const [CPU, KERNEL, SYSTEM, UNDER, CPUS, MEMORY, LOOKED, FLAGS, EXIT, INNER] = Array(10).keys();
const OUTCOME_CLASSES = ["works", "degraded", "broken", "unknown"];
const counted = (number) => (number < 10000 ? String(number) : number.toLocaleString("en").replaceAll(",", "\u2009"));

let data = null;
let places = null;
let lowered = null;

const unpack = async (text) => {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const take = async (id) => {
  const node = byId(id), text = node.textContent, plain = node.type === "application/json";
  node.remove(); // what it says is in memory from here on
  return plain ? JSON.parse(text) : unpack(text);
};
const load = async () => { data = await take("data"); };

/* What is behind the table: read when it is first asked for. */
let details = null;
let reading = null;
const loadDetails = () => {
  reading ??= take("details").then((found) => { details = found; });
  return reading;
};

const anchorOf = (row) => row[ANCHOR] || `${row[KIND] ? "vm" : "host"}/${row[LABEL]}`;
const rowAt = (anchor) => {
  places ??= new Map(data.rows.map((row) => [anchorOf(row), row]));
  return places.get(anchor);
};
const profileOf = (row) => data.profiles[row[PROFILE]];
const saidOf = (row, link) => data.said[profileOf(row)[CELLS][link]];
const wordOf = (row, link) => data.strings[profileOf(row)[WORDS][link]];
const brokenOf = (row) => profileOf(row)[BROKEN];
const sentenceOf = (row) => data.strings[row[SENTENCE]].replaceAll("\u0001", row[LABEL]);
const findingsOf = (row) => {
  const [base, ...differing] = details.others[data.rows.indexOf(row)], numbers = [...details.bases[base]];
  for (let at = 0; at < differing.length; at += 2) numbers[differing[at]] = differing[at + 1];
  return numbers.map((number) => {
    const [status, headline, check, follows, evidence, remedies] = details.findings[number];
    return [status, details.texts[headline], details.texts[check], evidence, remedies, details.texts[follows]];
  });
};
const settingsOf = (row) => details.asked[details.asks[data.rows.indexOf(row)]].map((number) => {
  const [path, asked, found, source, differs] = details.settings[number];
  return [...[path, asked, found, source].map((text) => details.texts[text]), differs];
});
const evidenceOf = (number) => [details.texts[details.evidence[number][0]], details.evidence[number][1]];
const verdictOf = (answer) => answer[0].replaceAll("_", " ");
const textOf = (row, field) => data.strings[row[field]];
const machineText = (row, field) => (row[MACHINE] ? data.strings[row[MACHINE][field]] : "");
const vmsOf = (row) => {
  const host = data.strings.indexOf(row[LABEL]);
  return data.rows.filter((other) => other[KIND] && other[HOST] === host);
};

const microseconds = (nanoseconds) => {
  const value = nanoseconds / 1000;
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} µs`;
};
const moment = (seconds) =>
  seconds > 0 && seconds < 253402300800 ? `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` : "";
const mark = (status, word) =>
  [make("span", { class: "i", "aria-hidden": "true" }, data.symbols[status]), ` ${word}`];

/* Searching: what a word is found in, by the numbers of the texts, so that each text is looked through once. */
const lower = () => {
  lowered ??= {
    names: data.rows.map((row) => row[LABEL].toLowerCase()),
    strings: data.strings.map((text) => text.toLowerCase()),
    said: data.said.map((said) => `${said[SUMMARY]} ${said[CHECK]}`.toLowerCase()),
    labels: data.labels.map((label) => label.toLowerCase()),
  };
  return lowered;
};

const finder = (word) => {
  const { names, strings, said, labels } = lower();
  const [text, cause, link] = [strings, said, labels].map((each) => each.map((one) => one.includes(word)));
  const causeOf = (profile) => {
    const broken = profile[BROKEN];
    return broken >= 0 && (link[broken] || cause[profile[CELLS][broken]]);
  };
  const machineOf = (machine) => machine && (text[machine[CPU]] || text[machine[KERNEL]] || text[machine[SYSTEM]]);
  return (row, at) => names[at].includes(word) || text[row[HOST]] || text[row[PROVIDER]] || text[row[PRODUCT]] ||
    text[row[VERDICT]] || causeOf(data.profiles[row[PROFILE]]) || machineOf(row[MACHINE]);
};
