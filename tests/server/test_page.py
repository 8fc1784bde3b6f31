"""The web page in a real browser: search, results, preview, ask, add, and what it says when things go wrong."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from PIL import Image

import bowerbird
from bowerbird.collection.workers import Settings
from tests.readers.pdf_writer import Page as Sheet
from tests.readers.pdf_writer import write
from tests.server.browser import PATIENCE, Visit, chromium, serious_findings
from tests.server.serving import ROOT, Server, serving
from tests.servers.scripted import answering

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

api = pytest.importorskip("playwright.sync_api", reason="tests of the web page need playwright")
expect = api.expect
expect.set_options(timeout=PATIENCE)

PHOTO = ROOT / "examples" / "photos" / "photo-01.jpg"
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

KINDS = {".jpg": "image/jpeg"}
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
    (more / "dawn.mka").write_bytes(bell("Temple bell at dawn"))
    portrait = Path(PHOTO).read_bytes()
    with Image.open(PHOTO) as opened:
        second = Sheet().text(50, 60, "The tabby", 20, "bold").picture(portrait, opened.size, (150, 300, 450, 600))
    (more / "cats.pdf").write_bytes(write([Sheet().text(50, 80, "Of cats and their breeds", 20, "bold"), second]))
    (more / "attack.md").write_text(f"# {ATTACK}\n\nThe zebra says {ATTACK} to everyone.\n")
    (more / "attack.csv").write_text(f'zebra,"{ATTACK.replace(chr(34), chr(34) * 2)}"\nstripes,{ATTACK[:9]}\n')
    copied = shutil.copytree(library, folder / "library")
    bowerbird.open(copied).collection.add([more], settings=Settings(ocr=False, speech=False))
    with answering(said) as chat, serving(Path(copied), "--chat", chat, "--model", "scribe") as server:
        yield server


def said(question: str) -> list[str]:
    """The words of a language model that is sure of one thing."""
    if "valves" in question.partition("Question:")[2]:
        return ["They open ", "and close ", "with every beat [", "1].", "\n\n", "<b>So it is.</b> [2]"]
    return ["I cannot say."]


def bell(title: str) -> bytes:
    """Two seconds of a tone that fades, as one chapter of a recording."""
    out = io.BytesIO()
    time = np.arange(32_000) / 16_000
    tone = (np.sin(2 * np.pi * 440 * time) * np.exp(-2 * time) * 30_000).astype(np.int16)
    chapter = {"id": 1, "start": 0, "end": 2, "time_base": Fraction(1), "metadata": {"title": title}}
    with av.open(out, "w", "matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        container.set_chapters([chapter])
        frame = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return out.getvalue()


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
    page.goto("/?q=anatomy of the heart and its circulation&in=page&source=heart.pdf")
    assert results(page) == ["heart.pdf", "heart.pdf"]
    with page.expect_response("**/v1/search"):
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
    page.goto("/")
    page.wait_for_selector(".tile")
    page.get_by_role("button", name="Tables").click()  # the shelf shows what holds tables
    expect(page.locator(".tile .name")).to_have_text(["attack.csv", "rain.csv"])
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


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector(".tile")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("blood in the veins")
    with page.expect_response("**/v1/search"):
        page.keyboard.press("Enter")
    results(page)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.card .open')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".pane .where")).to_have_text("page 2")
    assert page.evaluate("document.activeElement.id") == "pane-title"
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".pane .where")).to_have_text("page 1")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.card .open')")


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desk", "light")])
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


def test_a_photo_and_words_lead_to_the_place_on_the_page_of_a_pdf(browser: Browser, shelf: Server) -> None:
    """What a new user does, on a phone."""
    visit = Visit(browser, shelf.url, "phone", has_touch=True)
    page = visit.page
    page.goto("/")
    page.wait_for_selector(".tile")
    with page.expect_response("**/v1/search"):
        drop(page, PHOTO)
    assert results(page)[0] == "photo-01.jpg"
    ask_for(page, "the tabby in a book of cats")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Pages").click()
    assert results(page)[0] == "cats.pdf"
    page.locator(".card .open").first.click()
    expect(page.locator(".pane .where")).to_have_text("page 2")
    expect(page.locator(".page-sheet .large")).to_have_js_property("naturalHeight", 1600)
    outline, sheet = page.locator(".page-sheet .region").last.bounding_box(), page.locator(".page-sheet").bounding_box()
    assert outline
    assert sheet
    place = ((outline["x"] - sheet["x"]) / sheet["width"], (outline["y"] - sheet["y"]) / sheet["height"])
    assert place == pytest.approx((150 / 595, 300 / 842), abs=0.03)
    assert serious_findings(page) == []
    visit.end()


def drop(page: Page, *paths: Path) -> None:
    """Drop files on the page, as from another window."""
    page.evaluate("() => { window.dropped = new DataTransfer(); }")
    page.evaluate(
        "files => files.forEach(([name, type, data]) => window.dropped.items.add("
        "new File([Uint8Array.from(data)], name, {type})))",
        [[path.name, KINDS.get(path.suffix, ""), list(path.read_bytes())] for path in paths],
    )
    moved = page.evaluate_handle("() => window.dropped")
    for step in ("dragenter", "dragover", "drop"):
        page.dispatch_event("body", step, {"dataTransfer": moved})


def test_a_sound_is_drawn_and_played(page: Page) -> None:
    page.goto("/?q=temple at dawn&in=audio")
    assert results(page) == ["dawn.mka"]
    page.wait_for_selector(".wave path.inside", state="attached")
    assert (page.locator(".wave path.inside").get_attribute("d") or "").count("M") > 200
    page.locator(".face.audio .play").click()
    expect(page.locator(".face.audio audio")).to_have_js_property("paused", False)
    page.locator(".card .open").first.click()
    page.wait_for_selector(".stage.recording .wave path", state="attached")
    assert page.locator(".moments button").count() == 1


def test_an_answer_comes_with_citations_that_lead_to_their_place(page: Page) -> None:
    page.goto("/?mode=ask")
    page.wait_for_selector(".tile")
    page.fill("#words", "What do the valves of the heart do?")
    page.press("#words", "Enter")
    page.wait_for_selector("#found .card .number")
    assert page.locator("#answer .said").inner_text().startswith("They open and close with every beat 1")
    assert "<b>So it is.</b>" in page.locator("#answer .said").inner_text()
    assert "scribe" in page.locator("#answer .by").inner_text()
    assert page.locator("#status").inner_text() == "Answered from 2 sources"
    assert serious_findings(page) == []
    page.locator("a.cite").first.click()
    expect(page.locator(".pane .where")).to_have_text("page 1")
    assert page.locator(".page-sheet .region").count() == 1


def test_a_question_without_an_answer_says_so(page: Page) -> None:
    page.goto("/?mode=ask&q=Who won the cup?")
    page.wait_for_selector("#found .card")
    assert page.locator("#status").inner_text() == "No answer in this collection"
    assert page.locator(".said.unsupported").count() == 1


def test_files_are_added_with_progress_and_reasons(page: Page, tmp_path: Path) -> None:
    good, bad, empty = tmp_path / "otter.txt", tmp_path / "broken.pdf", tmp_path / "empty.txt"
    good.write_text("Otters hold hands while they sleep on the water.")
    bad.write_bytes(b"%PDF-1.7 nothing more")
    empty.write_bytes(b"")
    page.goto("/?mode=add")
    page.wait_for_selector(".bay")
    page.set_input_files("#add input[type=file]", [good, bad, empty])
    page.wait_for_selector(".uploads li.stored")
    page.wait_for_selector(".uploads li.failed >> text=broken.pdf")
    assert page.locator("li.failed", has_text="empty.txt").locator(".state").inner_text() == "The file is empty."
    assert len(page.locator("li.failed", has_text="broken.pdf").locator(".state").inner_text()) > 10
    assert page.locator(".sum").inner_text() == "1 of 3 files added, 2 could not be added"
    assert serious_findings(page) == []
    page.get_by_role("button", name="Show").click()
    page.wait_for_selector(".piece >> text=Otters hold hands")


def test_a_busy_and_an_absent_server_are_waited_for(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector(".tile")
    problem = '{"title": "Too Many Requests", "status": 429, "detail": "too many", "type": "about:blank"}'
    busy = {"Retry-After": "1", "Content-Type": "application/problem+json"}
    page.route("**/v1/search", lambda route: route.fulfill(status=429, headers=busy, body=problem), times=1)
    ask_for(page, "salmon")
    page.context.set_offline(True)
    page.fill("#words", "veins")
    page.press("#words", "Enter")
    page.wait_for_selector(".notice >> text=The server is away")
    assert serious_findings(page) == []
    page.context.set_offline(False)
    page.wait_for_selector(".card >> text=veins")
    assert page.locator(".notice").count() == 0
    page.goto(f"/?q=veins&open={'0' * 24}")
    page.wait_for_selector(".pane >> text=ids come from a search")


def test_what_is_too_much_is_refused_with_the_reason(browser: Browser, copy: Path, tmp_path: Path) -> None:
    large, odd = tmp_path / "large.txt", tmp_path / "odd.png"
    large.write_bytes(b"x" * 30_000)
    odd.write_bytes(b"no picture")
    limits = "upload=20000,query_body=20000,query_media=1"
    with serving(copy, limits, module="tests.server.limited", before=()) as server:
        visit = Visit(browser, server.url)
        page = visit.page
        page.goto("/?mode=add")
        page.wait_for_selector(".bay")
        page.set_input_files("#add input[type=file]", large)
        page.wait_for_selector(".uploads li.failed >> text=Too big: this server takes 20 kB at once.")
        page.goto("/?q=salmon")
        results(page)
        page.set_input_files("#finder input[type=file]", odd)
        page.wait_for_selector(".notice >> text=no readable picture")
        page.set_input_files("#finder input[type=file]", odd)
        page.wait_for_selector(".notice >> text=Too many files")
        page.goto("/")
        page.wait_for_selector(".tile")
        page.set_input_files("#finder input[type=file]", PHOTO)
        # a browser that is still sending may find the connection closed before it reads the answer
        page.wait_for_selector(".notice >> text=/That is too big|The server is away/")
        page.goto("/?mode=ask&q=Where do salmon spawn?")
        page.wait_for_selector("#answer >> text=Quoted word for word")
        visit.end()
