"""A real Chromium, and what tests of the page ask of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PLACE = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), "")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SERIOUS = ("serious", "critical")
PATIENCE = 20_000
"""Milliseconds until a page should show what it was asked for, on a machine that does much else."""
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desk": (1440, 900)}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is no browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="tests of the web page need playwright")
    if not PLACE:
        pytest.skip("no chromium: 'apt-get install chromium' lets tests of the web page run")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=PLACE, args=list(QUIET))
        yield browser
        browser.close()


class Visit:
    """A page in a window of its own, and everything that it complained of or asked elsewhere."""

    def __init__(self, browser: Browser, url: str, size: str = "desk", **options: Any) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(base_url=url, viewport={"width": width, "height": height}, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if "Policy" in said.text else None)
        self.page.on("request", lambda asked: self._note(asked.url, url))

    def _note(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "blob:", "data:")):
            self.elsewhere.append(asked)

    def end(self) -> None:
        self.context.close()
        assert self.errors == []
        assert self.elsewhere == []


def serious_findings(page: Page) -> list[str]:
    """What axe-core holds to be a serious or critical barrier on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS]
