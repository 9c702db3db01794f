"""A page in Debian's Chromium, and the rule for each of them: nothing is said on the console, nothing is fetched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import fleet_factory
import pytest
from chain_factory import PROVENANCE
from playwright.sync_api import Browser, Page, sync_playwright

from hostcheck.model import Chain
from reports.html import render
from reports.matrix import Matrix, build

FLAGS = [
    "--no-sandbox",  # Chromium's own sandbox refuses root; the page is a local file that the test wrote
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Opened:
    """A page and everything that it did."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(needs: Any) -> Iterator[Browser]:
    """Not for the whole session: Playwright's event loop runs as long, and no later test could run one of its own."""
    chromium = needs("chromium", package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def fleet_of() -> Callable[[int], list[Chain]]:
    return cache(fleet_factory.fleet)


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The file of a fleet's page; each is made once."""

    @cache
    def page_of(size: int) -> Path:
        file = tmp_path_factory.mktemp("pages") / f"{size}.html"
        file.write_text(render(build(fleet_factory.fleet(size), PROVENANCE)), encoding="utf-8")
        return file

    return page_of


@pytest.fixture
def open_file(browser: Browser) -> Iterator[Any]:
    """Opens a file; at the end of the test nothing may have been said or fetched."""
    visits: list[Opened] = []

    def open_file(file: Path, at: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(60_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened = Opened(context.new_page())
        visits.append(opened)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(file.as_uri() + at)
        if options.get("java_script_enabled", True):
            opened.page.wait_for_selector("html[data-ready]", state="attached")
        return opened.page

    yield open_file
    for opened in visits:
        requests = [url for url in opened.requests if not url.startswith(("data:", "blob:"))]
        opened.page.context.close()
        assert opened.console == []
        assert len(requests) == 1, requests


@pytest.fixture
def visit(open_file: Any, tmp_path: Path) -> Any:
    """Opens the page of some chains, compared with those of `before` where there are any."""

    def visit(*chains: Chain, at: str = "", before: Matrix | None = None, **options: Any) -> Page:
        file = tmp_path / "matrix.html"
        file.write_text(render(build(chains, PROVENANCE, before)), encoding="utf-8")
        return open_file(file, at, **options)

    return visit
