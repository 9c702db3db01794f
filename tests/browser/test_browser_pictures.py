"""The pictures of the documentation, drawn by the test run: `pytest tests/browser/test_browser_pictures.py --pictures`.

Without the option the same views are opened and have to show what the pictures are there for; nothing is written.
"""

from pathlib import Path
from typing import Any

import fleet_factory
import pytest
from chain_factory import PROVENANCE
from playwright.sync_api import expect

from reports.html import render
from reports.matrix import build

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[2] / "docs/images"
DESK, PHONE = (1280, 800), (390, 780)
PICTURES = {
    "problems": (500, "", DESK, "light", "#problems .problems"),
    "matrix": (500, "#matrix?outcome=broken", DESK, "light", "#table td.cause"),
    "evidence": (500, "#host/kvm0017.ams2.example.org:nested-parameter?view=matrix", DESK, "dark", "#panel .remedies"),
    "support": (500, "#support", DESK, "light", "#support .proven td.pass"),
    "topology": (500, "#topology", DESK, "light", "#topology svg.tree"),
    "performance": (500, "#performance", DESK, "dark", "#performance .mark.slow"),
    "one-machine": (1, "", DESK, "light", "#problems .chain"),
    "phone": (12, "", PHONE, "light", "#problems .problems"),
}
"""Name -> machines, address, size, theme, and what has to be seen."""
MOST_BYTES = 220_000


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_shows_what_it_is_for(
    name: str, open_file: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    size, at, (width, height), theme, seen = PICTURES[name]
    chains = fleet_factory.fleet(size) if size > 1 else [fleet_factory.one_host("amd-nested-off")]
    before = build(fleet_factory.worse(chains), PROVENANCE) if size == 500 else None
    file = tmp_path / f"{name}.html"
    file.write_text(render(build(chains, PROVENANCE, before)), encoding="utf-8")
    page = open_file(file, at, color_scheme=theme, viewport={"width": width, "height": height})
    expect(page.locator(seen).first).to_be_visible()
    picture = page.screenshot(animations="disabled")
    assert len(picture) < MOST_BYTES
    if request.config.getoption("--pictures"):
        IMAGES.mkdir(exist_ok=True)
        (IMAGES / f"{name}.png").write_bytes(picture)
