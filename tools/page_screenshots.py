"""The pictures of the web page in the guides: python -m tools.page_screenshots LIBRARY, a library of examples/."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from tests.server.browser import Visit, chromium
from tests.server.serving import ROOT, Server, serving

PLACE = ROOT / "docs" / "images"
SMALLER = 0.75
QUALITY = 82


def main(library: Path) -> None:
    with chromium() as browser, serving(library) as server:
        results(Visit(browser, server.url, color_scheme="light", device_scale_factor=2), server)
        pane(Visit(browser, server.url, color_scheme="dark", device_scale_factor=2), server)


def results(visit: Visit, server: Server) -> None:
    """A photo with words finds photos, the slide that shows it, a film."""
    visit.page.goto(f"{server.url}/")
    with visit.page.expect_response("**/v1/search"):
        visit.page.set_input_files("input[type=file]", ROOT / "examples" / "photos" / "photo-21.jpg")
    visit.page.fill("#words", "on a slide")
    with visit.page.expect_response("**/v1/search"):
        visit.page.press("#words", "Enter")
    visit.page.wait_for_selector("#found:not([aria-busy]) .card")
    keep(visit, "page-results.webp")


def pane(visit: Visit, server: Server) -> None:
    """The right page of a PDF at the right place."""
    page = visit.page
    page.goto(f"{server.url}/?q=signing a package with a GPG key")
    page.wait_for_selector("#found:not([aria-busy]) .card")
    page.locator(".card .open").first.click()
    page.wait_for_selector(".page-sheet .covered", state="attached")
    keep(visit, "page-pane.webp")


def keep(visit: Visit, name: str) -> None:
    visit.page.wait_for_load_state("networkidle")
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(500)  # transitions
    with Image.open(io.BytesIO(visit.page.screenshot(scale="device"))) as taken:
        picture = taken.convert("RGB")
    picture.thumbnail((round(picture.width * SMALLER), picture.height), Image.Resampling.LANCZOS)
    picture.save(PLACE / name, quality=QUALITY, method=6)
    print(name, f"{(PLACE / name).stat().st_size // 1000} kB")
    visit.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
