"""The web page in a real browser: search, results, preview, ask, add, and what it says when things go wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bowerbird
from bowerbird.collection.workers import Settings
from tests.server.browser import Visit, chromium, serious_findings
from tests.server.serving import ROOT, Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

api = pytest.importorskip("playwright.sync_api", reason="tests of the web page need playwright")
expect = api.expect

PHOTO = ROOT / "examples" / "photos" / "photo-01.jpg"
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

DARK = """picture => {
  const pen = Object.assign(document.createElement("canvas"), {width: 512, height: 512}).getContext("2d");
  pen.drawImage(picture, 0, 0, 512, 512);
  return pen.getImageData(0, 0, 512, 512).data.filter((value, at) => at % 4 === 0 && value < 99).length;
}"""
"""How many of a picture's pixels are dark."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shelf(browser: Browser, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A library with a film and with hostile files."""
    folder = tmp_path_factory.mktemp("page")
    more = folder / "more"
    more.mkdir()
    shutil.copy(ROOT / "examples" / "video" / "big-buck-bunny.webm", more)
    (more / "attack.md").write_text(f"# {ATTACK}\n\nThe zebra says {ATTACK} to everyone.\n")
    (more / "attack.csv").write_text(f'zebra,"{ATTACK.replace(chr(34), chr(34) * 2)}"\nstripes,{ATTACK[:9]}\n')
    copied = shutil.copytree(library, folder / "library")
    bowerbird.open(copied).collection.add([more], settings=Settings(ocr=False, speech=False))
    with serving(Path(copied)) as server:
        yield server


@pytest.fixture
def page(browser: Browser, shelf: Server) -> Iterator[Page]:
    visit = Visit(browser, shelf.url)
    yield visit.page
    visit.end()


def results(page: Page) -> list[str]:
    """The files of the cards, once the search is over."""
    page.wait_for_selector("#found:not([aria-busy]) .card")
    cards = page.locator("#found .card").all()
    return [(card.get_attribute("data-source") or "").rpartition("/")[2] for card in cards]


def ask_for(page: Page, words: str) -> list[str]:
    page.fill("#words", words)
    with page.expect_response("**/v1/search"):
        page.press("#words", "Enter")
    return results(page)


def test_words_find_a_page_outlined_highlighted_and_explained(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector(".shelf .tile")
    assert ask_for(page, "valves of the heart")[0] == "heart.pdf"
    first = page.locator(".card").first
    outline, print_ = first.locator(".region").bounding_box(), first.locator(".print").bounding_box()
    assert outline
    assert print_
    assert 0.02 < (outline["y"] - print_["y"]) / print_["height"] < 0.3
    assert "valves" in first.locator("mark").all_inner_texts()
    assert first.locator(".from").inner_text().endswith("page 1 · heart.pdf")
    first.locator(".why summary").click()
    assert "words" in first.locator(".why dl").inner_text()
    assert re.search(r"\d\.\d\d", first.locator(".why dl").inner_text())
    assert "q=valves" in page.url
    assert page.locator("#status").inner_text().split(" result")[0].isdigit()


def test_the_pane_shows_the_place_and_turns_pages(page: Page) -> None:
    page.goto("/?q=valves of the heart")
    results(page)
    page.locator(".card .open").first.click()
    page.wait_for_selector(".page-sheet .large")
    assert page.locator(".pane .where").inner_text() == "page 1"
    outline, sheet = (
        page.locator(".page-sheet .region").first.bounding_box(),
        page.locator(".page-sheet").bounding_box(),
    )
    assert outline
    assert sheet
    assert sheet["y"] < outline["y"] < sheet["y"] + sheet["height"] * 0.3
    expect(page.locator(".page-sheet .large")).to_have_js_property("naturalHeight", 1600)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".pane .where")).to_have_text("page 2")
    assert page.locator(".pager input").input_value() == "2"
    page.locator(".page-words summary").click()
    expect(page.locator(".page-words p")).to_contain_text("Blood returns")
    shared = page.url
    page.keyboard.press("Escape")
    page.wait_for_selector("#pane:not([open])", state="attached")
    assert page.evaluate("document.activeElement.classList.contains('open')")  # back on the card
    page.goto(shared)
    page.wait_for_selector(".page-sheet .region")


def test_a_picture_a_drawing_and_both_with_words(page: Page) -> None:
    page.goto("/")
    with page.expect_response("**/v1/search"):
        page.set_input_files("input[type=file]", PHOTO)
    assert results(page)[0] == "photo-01.jpg"
    assert page.locator(".chip").all_inner_texts() == ["photo-01.jpg"]
    assert "photo" not in page.url
    page.locator("[aria-label^=Draw]").click()
    canvas = page.locator("#sketch canvas").bounding_box()
    assert canvas
    page.mouse.move(canvas["x"] + 60, canvas["y"] + 60)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 200, canvas["y"] + 180, steps=5)
    page.mouse.up()
    for key in ("ArrowDown", " ", "ArrowRight", "ArrowDown", " "):  # and with the keyboard
        page.locator("#sketch canvas").press(key)
    with page.expect_response("**/v1/search") as reply:
        page.get_by_role("button", name="Use this drawing").click()
    assert reply.value.status == 200
    assert results(page)
    assert page.locator(".chip img").last.evaluate(DARK) > 500
    ask_for(page, "in a meadow")
    assert page.locator(".chip").all_inner_texts() == ["photo-01.jpg", "drawing"]
    assert "q=in+a+meadow" in page.url
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove drawing").click()
    assert page.locator(".chip").count() == 1


def test_film_sound_table_and_text_look_like_what_they_are(page: Page) -> None:
    page.goto("/?q=rabbit&in=video")
    assert results(page) == ["big-buck-bunny.webm"]
    page.wait_for_selector(".card .moment")
    assert page.locator(".card .moment").count() > 2
    page.locator(".screen .play").click()
    expect(page.locator(".screen video")).to_have_js_property("paused", False)
    assert page.locator(".screen video").evaluate("film => film.currentTime") > 1
    page.goto("/?q=rain in Lisbon")
    results(page)
    rows = page.locator(".card.is-table", has_text="Lisbon").locator("table").first
    assert rows.locator("th").all_inner_texts()[1:3] == ["city", "rain in mm"]
    assert "Lisbon" in rows.locator("mark").all_inner_texts()
    assert ask_for(page, "salmon spawn")[0] == "salmon.txt"
    page.locator(".card .open").first.click()
    assert page.locator(".piece.target mark").first.inner_text().lower().startswith("salmon")


def test_more_like_this_filters_and_groups(page: Page) -> None:
    page.goto("/?q=anatomy of the heart and its circulation&in=page")
    assert results(page) == ["heart.pdf", "heart.pdf"]
    page.get_by_role("button", name="By document").click()
    assert results(page) == ["heart.pdf"]
    assert page.locator(".places a").count() == 1
    page.goto("/?q=cat&in=image")
    results(page)
    with page.expect_response("**/v1/search"):
        page.locator(".card footer button").first.click()
    assert re.search(r"like=[0-9a-f]{24}", page.url)
    assert page.locator(".chip").count() == 1
    page.goto("/?q=heart&source=salmon.txt")
    assert set(results(page)) == {"salmon.txt"}
    page.goto("/?q=heart&from=2999-01-01")
    page.wait_for_selector(".notice >> text=Nothing was found")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Search without filters").click()
    assert results(page)[0] == "heart.pdf"


def test_hostile_content_stays_text(page: Page) -> None:
    page.goto("/?q=zebra")
    assert {"attack.md", "attack.csv"} <= set(results(page))
    for number in range(page.locator(".card").count()):
        page.locator(".card .open").nth(number).click()
        page.wait_for_selector(".pane:not([aria-busy]) .stage")
    assert "<script>" in page.inner_text("main")
    assert page.title() == "zebra · bowerbird"
    assert page.locator("main script, #pane script, main [onerror], #pane [onerror]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_nothing_bars_people_who_use_aids(browser: Browser, shelf: Server, scheme: str, size: str) -> None:
    visit = Visit(browser, shelf.url, size, color_scheme=scheme)
    page = visit.page
    page.goto("/")
    page.wait_for_selector(".tile")
    assert serious_findings(page) == []
    page.goto("/?q=heart valves and rain in Lisbon")
    results(page)
    page.locator(".why summary").first.click()
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".card .open").first.click()
    page.wait_for_selector(".pane:not([aria-busy]) .stage")
    assert serious_findings(page) == []
    visit.end()
