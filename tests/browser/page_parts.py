"""Parts of the page that tests of several topics take hold of."""

import re
from typing import Any

from playwright.sync_api import Page

HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>\u202e主机'


def cell(page: Page, name: str) -> Any:
    return page.locator("#table").get_by_role("link", name=name, exact=True)


def view(page: Page, name: str) -> None:
    page.locator("#views a").filter(has_text=re.compile(f"^{name}")).click()
