/* The columns of the matrix: what a cell shows, and by what it is sorted. */
const verdictCell = (field, name) => (row) => {
  const answer = data.answers[row[field]];
  const status = [0, 1, 2, 4][answer[1]];
  const link = make("a", { href: `#${anchorOf(row)}`, "aria-label": `${row[LABEL]}, ${name}: ${verdictOf(answer)}` },
    ...mark(status, verdictOf(answer)));
  return make("td", { class: `v ${OUTCOME_CLASSES[answer[1]]}` }, link);
};

const QUIET = ["pass", "unknown", "skip"]; // the symbol says it; words are for what has to be seen
const patterns = new Map();
const linkCell = (number) => (row) => {
  const profile = profileOf(row), said = profile[CELLS][number], word = profile[WORDS][number];
  const broken = profile[BROKEN] === number, key = `${said} ${word} ${broken}`;
  let pattern = patterns.get(key);
  if (!pattern) {
    const status = data.said[said][STATUS];
    const shown = QUIET.includes(data.statuses[status]) ? [mark(status, "")[0]] : mark(status, data.strings[word]);
    const link = make("a", { title: status ? `${data.strings[word]}: ${data.said[said][SUMMARY]}` : null }, ...shown);
    pattern = make("td", { class: data.statuses[status] + (broken ? " cause" : "") }, link);
    patterns.set(key, pattern);
  }
  const cell = pattern.cloneNode(true), link = cell.firstChild;
  link.setAttribute("href", `#${anchorOf(row)}:${data.links[number]}`);
  link.setAttribute("aria-label", `${row[LABEL]}, ${data.labels[number]}: ${data.strings[word]}`);
  return cell;
};

const linkValue = (number) => (row) => (brokenOf(row) === number ? "broken" : data.statuses[saidOf(row, number)[STATUS]]);
const textCell = (text) => (row) => make("td", { class: "text" }, make("bdi", {}, text(row) || "–"));
const timingCell = (field) => (row) => {
  const timing = row[MACHINE] && row[MACHINE][field];
  return make("td", { class: "text n" }, timing ? microseconds(timing[0]) : "–");
};
const timingValue = (field) => (row) => (row[MACHINE] && row[MACHINE][field] ? row[MACHINE][field][0] : null);
const timingKey = (field) => (row) => (row[MACHINE] && row[MACHINE][field] ? row[MACHINE][field][0] : Infinity);
const changeOf = (row) => (row[CHANGE] < 0 ? "" : data.changes[row[CHANGE]]);

const columnsOf = () => {
  const badness = (row, number) => [3, 1, 0, 4, 2][saidOf(row, number)[STATUS]] - (brokenOf(row) === number ? 1 : 0);
  const links = data.links.map((id, number) => ({
    id, title: data.labels[number], cell: linkCell(number), key: (row) => badness(row, number), value: linkValue(number),
  }));
  let from = 0;
  const groups = data.groups.map(([title, count]) => ({ title, columns: links.slice(from, (from += count)) }));
  const verdictRank = (field) => (row) => [3, 2, 0, 1][data.answers[row[field]][1]];
  const text = (id, title, get, as) => ({ id, as, title, cell: textCell(get), text: get, value: get });
  const more = [
    text("summary", "In one sentence", sentenceOf),
    text("host", "Host", (row) => textOf(row, HOST)),
    text("provider", "Provider", (row) => textOf(row, PROVIDER)),
    text("product", "Product", (row) => textOf(row, PRODUCT)),
    text("cpu-name", "CPU model", (row) => machineText(row, CPU), "cpu_model"),
    text("kernel", "Kernel", (row) => machineText(row, KERNEL)),
    text("system", "System", (row) => machineText(row, SYSTEM)),
    { id: "looked", title: "Looked at", cell: textCell((row) => (row[MACHINE] ? moment(row[MACHINE][LOOKED]) : "")),
      key: (row) => (row[MACHINE] ? row[MACHINE][LOOKED] : 0), value: (row) => (row[MACHINE] ? moment(row[MACHINE][LOOKED]) : "") },
    { id: "exit", title: "Exit", cell: timingCell(EXIT), key: timingKey(EXIT), as: "exit_ns", value: timingValue(EXIT) },
    { id: "inner", title: "Nested exit", cell: timingCell(INNER), key: timingKey(INNER), as: "inner_exit_ns", value: timingValue(INNER) },
  ];
  if (data.rows.some((row) => row[CHANGE] >= 0)) more.push(text("change", "Change", changeOf));
  return [
    { title: "Answers", columns: [
      { id: "runs", title: "Runs guests", cell: verdictCell(RUNS, "runs guests"), key: verdictRank(RUNS), as: "runs_guests",
        value: (row) => data.answers[row[RUNS]][0] },
      { id: "nests", title: "Guests nest", cell: verdictCell(NESTS, "guests nest"), key: verdictRank(NESTS), as: "guests_nest",
        value: (row) => data.answers[row[NESTS]][0] },
    ] },
    ...groups,
    { title: "Machine", columns: more },
  ];
};

/* Rows with the same key keep their order. */
const byKey = (found, sign, key) => {
  const keys = new Float64Array(data.rows.length);
  for (const at of found) keys[at] = key(data.rows[at]);
  return found.sort((a, b) => (keys[a] === keys[b] ? a - b : sign * (keys[a] < keys[b] ? -1 : 1)));
};

let allGroups = null;
const shownGroups = () => {
  allGroups ??= columnsOf();
  return allGroups
    .map((group) => ({ ...group, columns: group.columns.filter((column) => !state.hidden.has(column.id)) }))
    .filter((group) => group.columns.length);
};

const sorted = (found) => {
  if (!state.sort) return found;
  const column = shownGroups().flatMap((group) => group.columns).find((each) => each.id === state.sort);
  const text = state.sort === "name" ? (row) => row[LABEL] : column && column.text;
  if (!column && !text) return found;
  const sign = state.down ? -1 : 1;
  if (text) {
    const collator = new Intl.Collator("en", { numeric: true });
    const values = [...new Set(found.map((at) => text(data.rows[at])))];
    values.sort(values.length > 5000 ? undefined : collator.compare);
    const rank = new Map(values.map((value, number) => [value, value ? number : values.length]));
    return byKey(found, sign, (row) => rank.get(text(row)));
  }
  return byKey(found, sign, column.key);
};
