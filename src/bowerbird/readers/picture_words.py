"""What a picture file and the files beside it say: titles, captions, alt texts, keywords, date, place, camera."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.items import Role, Text

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_SIDECAR = 100_000
"""Bytes; a larger neighbour is a document of its own, not a caption."""
MAX_WORDS = 20_000
"""Characters kept of one description."""
MAX_KEYWORDS = 200

_BY_MACHINE = re.compile(
    r"\W*(olympus digital camera|digital camera|samsung|sony dsc|applemark|dcim\S*|default|untitled|screenshot|jpeg|"
    r"created with .*|charset=ascii|\W*)\W*",
    re.IGNORECASE,
)
_KEYS: dict[str, Role] = {"title": "heading", "caption": "caption", "description": "caption", "alt": "alt"}
_NS = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}


@dataclass
class Words:
    """Texts in order of authority, each once, and facts."""

    title: str = ""
    texts: dict[str, Role] = field(default_factory=dict)
    keywords: dict[str, None] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def say(self, value: object, role: Role = "caption") -> None:
        """Add a text; what cameras write by themselves is not one."""
        text = " ".join(str(value).replace("\x00", " ").split())[:MAX_WORDS] if value else ""
        if len(text) < 2 or (len(text) < 60 and _BY_MACHINE.fullmatch(text)):
            return
        if role == "heading":
            self.title = self.title or text
        self.texts.setdefault(text, "caption" if role == "heading" else role)

    def tag(self, values: object) -> None:
        """Add keywords: a list, or a text of them with commas or semicolons."""
        listed = values if isinstance(values, list | tuple) else re.split(r"[;,]", str(values or ""))
        for value in listed:
            word = " ".join(str(value).replace("\x00", " ").split())
            if word and len(self.keywords) < MAX_KEYWORDS:
                self.keywords.setdefault(word[:200])

    def parts(self) -> list[Text]:
        texts = [Text(text, role) for text, role in self.texts.items()]
        fresh = [word for word in self.keywords if not any(word == text.text for text in texts)]
        return [*texts, Text(", ".join(fresh), "alt")] if fresh else texts


def sidecar_words(path: str, words: Words) -> None:
    """From NAME.txt, NAME.caption, NAME.json and NAME.xmp, where NAME is the file's name with or without its suffix."""
    picture = Path(path)
    for name in (picture.name, picture.stem):
        for suffix in (".caption", ".txt", ".json", ".xmp"):
            data = _small_file(picture.with_name(name + suffix))
            if data is None or name + suffix == picture.name:
                continue
            if suffix == ".json":
                _json_words(data, words)
            elif suffix == ".xmp":
                xmp_words(data, words)
            else:
                words.say(data.decode("utf-8-sig", "replace"))


def _small_file(path: Path) -> bytes | None:
    """Bytes of a regular file; links could lead out of the folder and are not followed."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_SIDECAR:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _json_words(data: bytes, words: Words) -> None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(record, dict):
        return
    for key, role in _KEYS.items():
        for value in _strings(record.get(key)):
            words.say(value, role)
    for key in ("keywords", "tags"):
        if isinstance(record.get(key), str | list):
            words.tag(record[key])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, str))


def xmp_words(data: bytes, words: Words) -> None:
    """Dublin Core title, description and subject, headline, alt text."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(data.strip(b"\x00 \r\n\t"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return
    if root is None:
        return
    for path, role in (
        (".//dc:title", "heading"),
        (".//photoshop:Headline", "heading"),
        (".//dc:description", "caption"),
        (".//Iptc4xmpCore:AltTextAccessibility", "alt"),
    ):
        for element in root.iterfind(path, _NS):
            for text in _list_or_text(element):
                words.say(text, role)  # type: ignore[arg-type]
    for element in root.iterfind(".//dc:subject", _NS):
        words.tag(_list_or_text(element))


def _list_or_text(element: Any) -> list[str]:
    entries = [entry.text for entry in element.iterfind(".//rdf:li", _NS) if entry.text]
    return entries or ([element.text] if element.text and element.text.strip() else [])


def embedded_words(picture: PILImage, words: Words) -> None:
    """From EXIF, IPTC, XMP and PNG text of an opened picture. Damaged blocks are passed over."""
    exif = picture.getexif()
    details, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    for key in ("xmp", "XML:com.adobe.xmp"):
        if isinstance(data := picture.info.get(key), bytes | str):
            xmp_words(data.encode() if isinstance(data, str) else data, words)
    _iptc(picture, words)
    words.say(_windows_text(exif.get(0x9C9B)), "heading")
    words.say(_tag_text(exif.get(0x010E)))
    words.say(_user_comment(details.get(0x9286)))
    words.say(_windows_text(exif.get(0x9C9C)))
    words.tag(_windows_text(exif.get(0x9C9E)))
    for key, role in (("Title", "heading"), ("Description", "caption"), ("Comment", "caption"), ("comment", "caption")):
        words.say(_tag_text(picture.info.get(key)), role)  # type: ignore[arg-type]
    if date := _date(details.get(0x9003) or details.get(0x9004) or exif.get(0x0132)):
        words.metadata["date"] = date
    camera = " ".join(text for tag in (0x010F, 0x0110) if (text := _tag_text(exif.get(tag))))
    if camera:
        words.metadata["camera"] = camera
    if author := _tag_text(exif.get(0x013B)):
        words.metadata["author"] = author
    if position := _position(place):
        words.metadata["gps"] = position


def _iptc(picture: PILImage, words: Words) -> None:
    from PIL.IptcImagePlugin import getiptcinfo

    try:
        info: dict[Any, Any] = getiptcinfo(picture) or {}  # type: ignore[arg-type]
    except (SyntaxError, ValueError, KeyError, IndexError):
        return
    for key, role in (((2, 5), "heading"), ((2, 105), "heading"), ((2, 120), "caption")):
        words.say(_tag_text(info.get(key)), role)  # type: ignore[arg-type]
    keywords = info.get((2, 25), [])
    words.tag([_tag_text(word) for word in (keywords if isinstance(keywords, list) else [keywords])])


def _tag_text(value: object) -> str:
    """Tags say text or bytes; bytes are UTF-8 or else Latin-1."""
    if isinstance(value, bytes):
        return _tag_text(_decoded(value))
    return value.strip("\x00 \n") if isinstance(value, str) else ""


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _windows_text(value: object) -> str:
    return value.decode("utf-16-le", "replace").strip("\x00 ") if isinstance(value, bytes) else _tag_text(value)


def _user_comment(value: object) -> str:
    """EXIF's comment carries an 8-byte name of its encoding."""
    if not isinstance(value, bytes):
        return _tag_text(value)
    code, body = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        little = body[1:2] == b"\x00" or body[:2] == b"\xff\xfe"
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\ufeff\x00 ")
    return _tag_text(body if code.strip(b"\x00") in (b"ASCII", b"") else value)


def _date(value: object) -> str:
    """2024:01:31 12:30:00 → 2024-01-31T12:30:00; empty if it is none."""
    match = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[ T](\d\d:\d\d:\d\d))?", _tag_text(value))
    if match is None or not 1 <= int(match[2]) <= 12 or not 1 <= int(match[3]) <= 31:
        return ""
    return f"{match[1]}-{match[2]}-{match[3]}" + (f"T{match[4]}" if match[4] else "")


def _position(place: dict[int, Any]) -> dict[str, float] | None:
    """GPS degrees, minutes and seconds → {lat, lon} in degrees, north and east positive."""
    try:
        lat = _degrees(place[2]) * (-1 if place.get(1) == "S" else 1)
        lon = _degrees(place[4]) * (-1 if place.get(3) == "W" else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180):
        return None
    return {"lat": round(lat, 6), "lon": round(lon, 6)}


def _degrees(value: Any) -> float:
    degrees, minutes, seconds = (float(part) for part in (*value, 0, 0)[:3])
    return degrees + minutes / 60 + seconds / 3600
