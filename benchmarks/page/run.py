"""The page of a large fleet in Chromium, beside a plain table of the same machines.

    python benchmarks/page/run.py [--machines 50000] [--rounds 3]

Three pages of the same data, opened from disk: nestproof's; one table with every row and the few lines of script that
most reports filter with; and the same table without any filter. Given are the size of the file, the time from the
navigation until it can be used (nestproof: until its script has unpacked the data and drawn the first page; the table:
until it is parsed and laid out), and until the next frame after a filter, a search and taking it back: medians of the
rounds. Times are Chromium's own, on whatever cores are free.
"""

import argparse
import html
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from chain_factory import PROVENANCE  # noqa: E402 - the fleets of the tests
from fleet_factory import fleet  # noqa: E402

from hostcheck.model import Link  # noqa: E402
from reports.html import render  # noqa: E402
from reports.matrix import Matrix, build  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FRAME = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));"
OURS = {
    "filter: broken": "document.querySelector('.counts li:nth-child(3) button').click()",
    "take it back": "document.querySelector('.counts li:nth-child(3) button').click()",
    "search: first letters": "search('run')",
    "search: a machine": "search('runner-0100-')",
    "search: a cause": "search('nested=0')",
    "take that back": "search('')",
}
PLAIN = {
    "filter: broken": "only('broken')",
    "take it back": "only('')",
    "search: first letters": "only('run')",
    "search: a machine": "only('runner-0100-')",
    "search: a cause": "only('nested=0')",
    "take that back": "only('')",
}
SEARCH = """
window.search = (text) => {
  const field = document.getElementById('search');
  field.value = text;
  field.dispatchEvent(new Event('input'));
};
"""
ONLY = """
window.only = (text) => {
  for (const row of document.querySelectorAll('tbody tr')) row.hidden = !row.textContent.toLowerCase().includes(text);
};
"""


def plain(matrix: Matrix) -> Iterator[str]:
    """Every machine as one row of a table, its links as words: no evidence, no remedy."""
    yield "<!doctype html><html lang=en><meta charset=utf-8><title>plain</title><table><thead><tr><th>machine<th>host"
    yield "<th>outcome<th>runs guests<th>guests nest<th>cause" + "".join(f"<th>{link.label}" for link in Link)
    yield "</thead><tbody>"
    for row in matrix.rows:
        chain = row.chain
        cause = row.broken.link.summary if row.broken else ""
        words = [row.label, chain.host, row.outcome, chain.runs_guests.verdict, chain.guests_nest.verdict, cause]
        words += [cell.link.status for cell in row.cells]
        yield "<tr>" + "".join(f"<td>{html.escape(word)}" for word in words)
    yield "</tbody></table><p id=end>"


def opened(browser: Browser, file: Path, ready: str) -> tuple[Page, float]:
    """The page, and milliseconds from the navigation until it can be used."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(600_000)
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_selector(ready, state="attached")
    took = page.evaluate(f"async () => {{ {FRAME} return performance.now(); }}")
    return page, float(took)


def timed(page: Page, action: str) -> float:
    """Milliseconds from the action until the next frame is drawn."""
    code = f"async () => {{ const begin = performance.now(); {action}; {FRAME} return performance.now() - begin; }}"
    return float(page.evaluate(code))


def measured(browser: Browser, file: Path, ready: str, set_up: str, actions: dict[str, str]) -> dict[str, float]:
    page, took = opened(browser, file, ready)
    page.evaluate(set_up)
    times = {"open": took} | {name: timed(page, action) for name, action in actions.items()}
    times["elements"] = float(page.evaluate("document.getElementsByTagName('*').length"))
    page.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed; it comes with the package chromium")
    matrix = build(fleet(options.machines), PROVENANCE)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        ours, table = Path(directory) / "nestproof.html", Path(directory) / "table.html"
        ours.write_text(render(matrix), encoding="utf-8")
        table.write_text("\n".join(plain(matrix)), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        found: dict[str, list[dict[str, float]]] = {"nestproof": [], "plain table": []}
        for _ in range(options.rounds):
            ready = "html[data-ready]"
            found["nestproof"].append(measured(browser, ours, ready, SEARCH, OURS))
            ready = "#end"
            found["plain table"].append(measured(browser, table, ready, ONLY, PLAIN))
        browser.close()
        sizes = [ours.stat().st_size / 1e6, table.stat().st_size / 1e6]
    print(f"{options.machines} machines, medians of {options.rounds} rounds\n")
    print(f"{'':24}{'nestproof':>14}{'plain table':>14}")
    print(f"{'file, MB':24}{sizes[0]:>14.1f}{sizes[1]:>14.1f}")
    for name in found["nestproof"][0]:
        values = [statistics.median(each[name] for each in rounds) for rounds in found.values()]
        unit = "" if name == "elements" else ", ms"
        print(f"{name + unit:24}{values[0]:>14.0f}{values[1]:>14.0f}")


if __name__ == "__main__":
    main()
