/* Views, theme, and who listens to what. */
const showView = () => {
  for (const id of VIEWS) byId(id)?.classList.toggle("off", id !== state.view);
  for (const link of document.querySelectorAll("#views a")) {
    if (link.getAttribute("href") === `#${state.view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const bar = byId("views"), current = bar.querySelector("[aria-current]");
  if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = current.offsetLeft - 40; // a phone shows some of them at a time
};

const goTo = (view) => {
  state.view = view;
  showView();
  if (table) {
    drawShown();
    drawFiltered([view]);
  }
  writeHash();
  const bar = byId("views"), top = bar.parentElement.querySelector("header").offsetHeight;
  if (scrollY > top) scrollTo(0, top); // the bar sticks: begin below it, not in the middle of the other view
};

const pressCounters = () => {
  for (const counter of document.querySelectorAll(".counts button")) {
    counter.setAttribute("aria-pressed", String(state.outcomes.has(Number(counter.parentElement.dataset.outcome))));
  }
};

const makeCounter = (item) => {
  const outcome = Number(item.dataset.outcome);
  const counter = button("", () => {
    if (!state.outcomes.delete(outcome)) state.outcomes.add(outcome);
    pressCounters();
    refilter();
    if (!FILTERED.includes(state.view)) goTo("matrix");
  }, { "aria-pressed": "false" });
  counter.replaceChildren(...item.childNodes);
  item.append(counter);
};

const THEMES = { "": "Auto", light: "Light", dark: "Dark" };
const paint = () => {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
  else delete document.documentElement.dataset.theme;
};

const makeTools = () => {
  const theme = button(`Theme: ${THEMES[state.theme]}`, () => {
    state.theme = { "": "dark", dark: "light", light: "" }[state.theme];
    theme.textContent = `Theme: ${THEMES[state.theme]}`;
    paint();
    writeHash();
  });
  byId("tools").append(theme);
};

const follow = () => {
  readHash();
  paint();
  showView();
  if (table) {
    drawControls();
    pressCounters();
    drawTable();
    drawFiltered([state.view]);
  }
  if (state.at && !open(state.at, true)) state.at = "";
  else if (!state.at && panel.open) hide();
};

const onClick = (event) => {
  const link = event.target.closest && event.target.closest("a");
  const href = link && link.getAttribute("href");
  if (!href || !href.startsWith("#") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (VIEWS.includes(href.slice(1))) {
    event.preventDefault();
    goTo(href.slice(1));
    return;
  }
  if (!parse(href.slice(1)).row) return;
  event.preventDefault();
  const inside = panel.contains(link);
  open(href.slice(1), inside || event.detail === 0 || !wide.matches); // detail 0: the keyboard pressed it
};

const onKey = (event) => {
  if (event.key === "Escape" && panel.open) {
    event.preventDefault();
    hide();
  } else if (event.key === "/" && table && !event.target.closest("input, select, textarea") && byId("search")) {
    event.preventDefault();
    if (!FILTERED.includes(state.view)) goTo("matrix");
    byId("search").focus();
  }
};

const listen = () => {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  panel.addEventListener("cancel", (event) => { event.preventDefault(); hide(); });
  byId("close").addEventListener("click", hide);
  byId("before").addEventListener("click", () => step(-1));
  byId("after").addEventListener("click", () => step(1));
  byId("markdown").addEventListener("click", (event) => details && copyText(event.currentTarget, asMarkdown(), panelBody));
  addEventListener("hashchange", follow);
  if (!table) return;
  table.addEventListener("keydown", onTableKey);
  addEventListener("beforeprint", () => { drawTable(MOST_PRINTED); drawFiltered(FILTERED); });
  addEventListener("afterprint", () => drawTable());
};

const begin = async () => {
  await load();
  if (byId("details").type === "application/json") await loadDetails(); // small enough to be read at once
  if (data.rows.length > 2000) state.size = 50; // a page is drawn anew for every letter that is typed
  addCopyButtons(byId("problems"));
  makeTools();
  if (table) {
    table.setAttribute("role", "grid");
    byId("hint").textContent = `Select a cell for its evidence. Arrow keys move, Enter opens, Esc closes${data.rows.length > 1 ? ", / searches" : ""}.`;
    if (data.rows.length > 1) document.querySelectorAll(".counts li:not(.none)").forEach(makeCounter);
  }
  document.documentElement.classList.add("live");
  follow();
  const upwards = () => { if (!state.at && !keptLive) scrollTo(0, 0); }; // the browser goes to where the view was while all of them were shown
  upwards();
  if (document.readyState !== "complete") addEventListener("load", () => requestAnimationFrame(upwards));
  listen();
  document.documentElement.dataset.ready = "true";
  stayLive();
  setTimeout(lower, 0); // while nobody types yet
};

begin();
