"""Pictures with words to learn from, all freely licensed:

openclipart    Debian openclipart-svg and -png: 8,121 drawings, titles and keywords; public domain
emoji          Debian fonts-noto-color-emoji (Apache-2.0, OFL) with the names and keywords of unicode-cldr-core
classes        the 1,000 classes of the image model with WordNet's words and glosses (Debian wordnet-base)
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Image.MAX_IMAGE_PIXELS = None  # sizes are checked before decoding, in `_on_white`
CLIPART = Path("/usr/share/openclipart")
CLDR = Path("/usr/share/unicode/cldr/common/annotations")
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
WORDNET = Path("/usr/share/wordnet/data.noun")
LANGUAGES = "en de fr es it pt ru zh ja ko ar hi tr vi id pl uk nl sv cs el he".split()
DC, RDF = "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


@dataclass(frozen=True)
class Pair:
    """A picture and its texts: the first is its name."""

    name: str
    picture: Image.Image
    texts: tuple[str, ...]


def clipart() -> Iterator[Pair]:
    """Drawings with a title or keywords."""
    for drawing in sorted((CLIPART / "svg").rglob("*.svg")):
        picture = CLIPART / "png" / drawing.relative_to(CLIPART / "svg").with_suffix(".png")
        title, keywords = _described(drawing)
        texts = tuple(text for text in (title, ", ".join(keywords)) if len(text) > 2)
        if texts and picture.exists():
            decoded = _on_white(picture)
            if decoded is not None:
                yield Pair(str(drawing), decoded, texts)


def _described(drawing: Path) -> tuple[str, list[str]]:
    try:
        tree = ET.parse(drawing)
    except ET.ParseError:
        return "", []
    titles = [element.text or "" for element in tree.iter(f"{DC}title")]
    keywords = [entry.text or "" for subject in tree.iter(f"{DC}subject") for entry in subject.iter(f"{RDF}li")]
    title = next((clean for text in titles if len(clean := _clean(text)) > 2), "")
    return title, [clean for text in keywords if len(clean := _clean(text)) > 2][:8]


def _clean(text: str) -> str:
    """Words of a title: no file name's underscores, numbers at the end or camel case."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[_\-]+", " ", text))
    return re.sub(r"\s*\d*$", "", text).strip()


def _on_white(path: Path) -> Image.Image | None:
    with Image.open(path) as picture:
        if picture.width * picture.height > 2e7 or min(picture.size) < 24:
            return None
        picture.thumbnail((512, 512))
        rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def emoji() -> Iterator[Pair]:
    """Every emoji that the font draws; texts are '<language>\\t<name>' and English keywords."""
    names: dict[str, dict[str, str]] = {}
    keywords: dict[str, str] = {}
    for language in LANGUAGES:
        for element in ET.parse(CLDR / f"{language}.xml").iter("annotation"):
            char, text = element.get("cp", ""), element.text or ""
            if element.get("type") == "tts":
                names.setdefault(char, {})[language] = text
            elif language == "en":
                keywords[char] = text.replace(" | ", ", ")
    font = ImageFont.truetype(str(FONT), 109)
    for char, known in names.items():
        if "en" not in known or ord(char[0]) < 0x2300:
            continue
        picture = Image.new("RGB", (136, 128), "white")
        ImageDraw.Draw(picture).text((0, 0), char, font=font, embedded_color=True)
        if any(high - low > 40 for low, high in picture.getextrema()):
            texts = (known["en"], keywords.get(char, known["en"]), *(known.get(lang, "") for lang in LANGUAGES[1:]))
            yield Pair(char, picture, texts)


@dataclass(frozen=True)
class ClassText:
    """A class of the image model in words."""

    names: tuple[str, ...]
    kind: str
    gloss: str


def class_texts(synsets: Path) -> list[ClassText]:
    """Words for the classes, in the model's order; synsets: a file with one WordNet 3.0 id per line."""
    entries: dict[str, tuple[tuple[str, ...], str, str]] = {}
    for line in WORDNET.read_text("utf8").splitlines():
        if line.startswith(" "):
            continue
        data, gloss = line.split("|", 1)
        fields = data.split()
        count = int(fields[3], 16)
        names = tuple(fields[4 + 2 * number].replace("_", " ") for number in range(count))
        above = next((fields[at + 1] for at in range(4 + 2 * count, len(fields)) if fields[at] == "@"), "")
        entries[f"n{fields[0]}"] = names, f"n{above}", gloss.strip().split('; "')[0]
    found = []
    for line in synsets.read_text().split():
        names, above, gloss = entries[line]
        found.append(ClassText(names, entries[above][0][0] if above in entries else "", gloss))
    return found
