/* A page that is served live asks again, with the address as it is by then, while nobody acts on it. */
const keptLive = history.state?.live;
const stayLive = () => {
  const every = Number(document.documentElement.dataset.every) * 1000;
  if (!every) return;
  const scroll = byId("scroll");
  if (keptLive) {
    scroll?.scrollTo(keptLive[0], keptLive[1]);
    panelBody.scrollTop = keptLive[2];
    scrollTo(0, keptLive[3]);
  }
  let acted = -Infinity;
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
    addEventListener(kind, () => { acted = performance.now(); }, { passive: true });
  }
  const again = () => {
    const rest = acted + every - performance.now();
    if (rest > 0) {
      setTimeout(again, rest);
      return;
    }
    history.replaceState({ live: [scroll?.scrollLeft, scroll?.scrollTop, panelBody.scrollTop, scrollY] }, "");
    location.reload();
  };
  setTimeout(again, every);
};
