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
  CHANGE] = Array(15).keys();
const [CELLS, WORDS, BROKEN, OTHERS] = Array(4).keys();
const [STATUS, SUMMARY, CHECK, EVIDENCE, REMEDIES, FOLLOWS] = Array(6).keys();
const [CPU, KERNEL, SYSTEM, UNDER, CPUS, MEMORY, LOOKED, FLAGS, EXIT, INNER] = Array(10).keys();
const OUTCOME_CLASSES = ["works", "degraded", "broken", "unknown"];
const counted = (number) => (number < 10000 ? String(number) : number.toLocaleString("en").replaceAll(",", "\u2009"));

let data = null;
let places = null;
let haystacks = null;

const unpack = async (text) => {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const load = async () => {
  const node = byId("data");
  data = node.type === "application/json" ? JSON.parse(node.textContent) : await unpack(node.textContent);
  node.remove(); // what it said is in memory now
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
const findingsOf = (row) => profileOf(row)[OTHERS].map((number) => data.findings[number]);
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

/* What is searched: made once, when it is first needed or when the page has time. */
const haystack = () => {
  const lower = data.strings.map((text) => text.toLowerCase());
  const causes = data.profiles.map((profile) => {
    if (profile[BROKEN] < 0) return "";
    const said = data.said[profile[CELLS][profile[BROKEN]]];
    return `${data.labels[profile[BROKEN]]} ${said[SUMMARY]} ${said[CHECK]}`.toLowerCase();
  });
  haystacks ??= data.rows.map((row) => {
    const machine = row[MACHINE];
    const own = machine ? `${lower[machine[CPU]]} ${lower[machine[KERNEL]]} ${lower[machine[SYSTEM]]}` : "";
    return `${row[LABEL].toLowerCase()} ${lower[row[HOST]]} ${lower[row[PROVIDER]]} ${lower[row[PRODUCT]]} ` +
      `${lower[row[VERDICT]]} ${causes[row[PROFILE]]} ${own}`;
  });
  return haystacks;
};
