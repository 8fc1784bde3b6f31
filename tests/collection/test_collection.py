"""What a collection promises: incremental, atomic per file, checked, healed, one writer and many readers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import bowerbird as bb
from bowerbird.collection import Collection
from bowerbird.collection.workers import Settings
from bowerbird.errors import CollectionError, EncoderMismatch, FilterError, LockedError
from bowerbird.index import kernels
from bowerbird.index.fde import FDE
from bowerbird.index.fde_export import config_of
from bowerbird.storage.lock import holder, writer_lock
from tests.readers.pdf_writer import Page, write

FIELDS = {"text": "e5"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "birds.md").write_text("# Birds\n\nBowerbirds collect blue things.\n\n# Fish\n\nSalmon swim upstream.\n")
    (folder / "numbers.csv").write_text("city,people\nOslo,709000\nBergen,291000\n")
    (folder / "notes.txt").write_text("Die Brücke wurde 1358 vollendet.")
    return folder


@pytest.fixture
def library(tmp_path: Path, files: Path) -> bb.Library:
    opened = bb.open(tmp_path / "library", fields=FIELDS)
    opened.add(files)
    return opened


def sources(library: bb.Library) -> list[str]:
    return [Path(file.source).name for file in library.collection.files()]


def flip(path: Path, at: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 0x40
    path.write_bytes(content)


def test_add_is_incremental(library: bb.Library, files: Path) -> None:
    assert sources(library) == ["birds.md", "notes.txt", "numbers.csv"]
    ids = set(library.collection.snapshot().ids)
    again = library.add(files)
    assert (again.added, again.replaced, again.unchanged) == ((), (), 3)
    (files / "notes.txt").write_text("Die Brücke wurde 1784 erneuert.")
    (files / "new.txt").write_text("A new file.")
    (files / "numbers.csv").unlink()
    report = library.add(files, prune=True)
    assert [Path(name).name for name in report.added] == ["new.txt"]
    assert [Path(name).name for name in report.replaced] == ["notes.txt"]
    assert [Path(name).name for name in report.removed] == ["numbers.csv"]
    assert sources(library) == ["birds.md", "new.txt", "notes.txt"]
    assert (
        library.search("Wann wurde die Brücke erneuert?").hits[0].evidence.snippet == "Die Brücke wurde 1784 erneuert."
    )
    kept = [row for row in library.collection.snapshot().ids if row in ids]
    assert len(kept) == 3  # birds.md: a document and two passages, unchanged


def test_hits_say_where_they_are_from(library: bb.Library, files: Path) -> None:
    hit = library.search("Which city has 291000 people?").hits[0]
    assert hit.to_json()["modality"] == "table"
    assert hit.to_json()["locator"] == {"rows": [1, 2]}
    hit = library.search("fish that swim against the current").hits[0]
    text = (files / "birds.md").read_text()
    start, end = hit.place["chars"]
    assert text[start:end].startswith("# Fish")
    assert "Salmon swim upstream." in hit.evidence.snippet


def test_what_has_no_words_is_found_by_its_name(library: bb.Library, files: Path) -> None:
    Image.new("RGB", (64, 48), "blue").save(files / "harvest festival.png")
    library.add(files)
    best = library.search("harvest festival").hits[0]
    assert Path(best.source).name == "harvest festival.png"
    assert set(best.matched) == {"lexical"}


def test_filters_and_modalities(library: bb.Library) -> None:
    assert {Path(h.source).name for h in library.search("things", where="source ~ '*.md'").hits} == {"birds.md"}
    assert {hit.modality for hit in library.search("people", modalities=["table"]).hits} == {"table"}
    with pytest.raises(FilterError, match="unknown field 'colour'"):
        library.search("x", where="colour = 'red'")


def test_answers_are_quoted_or_refused(library: bb.Library) -> None:
    answer = library.ask("What do bowerbirds collect?")
    assert answer.supported
    assert "Bowerbirds collect blue things. [1]" in answer.text
    assert answer.citations[0].hit.source.endswith("birds.md")
    assert answer.to_json()["model"] is None
    refused = library.ask("Who won the chess tournament in Reykjavik?")
    assert not refused.supported


def test_remove_by_source_and_by_item(library: bb.Library, files: Path) -> None:
    item = library.search("salmon").hits[0].item
    assert library.collection.remove([item.id]) == 1
    assert library.collection.remove([str(files / "notes.txt")]) == 1
    assert sources(library) == ["numbers.csv"]
    assert library.collection.remove(["nothing like this"]) == 0


def test_items_that_a_program_makes(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields=FIELDS)
    items = [
        bb.Item(f"id-{n}", "passage", (bb.Text(f"about {w}"),), bb.Locator(w)) for n, w in enumerate(("cats", "dogs"))
    ]
    library.add_items(items)
    library.add_items([bb.Item("id-9", "passage", (bb.Text("about big dogs"),), bb.Locator("dogs"))])
    assert sorted(library.collection.snapshot().ids) == ["id-0", "id-9"]
    assert library.search("dogs").hits[0].item.id == "id-9"


def test_other_encoders_are_refused(library: bb.Library, tmp_path: Path) -> None:
    with pytest.raises(EncoderMismatch, match="not comparable"):
        Collection.open(tmp_path / "library", fields={"text": "lite"})
    with pytest.raises(CollectionError, match="no library in"):
        Collection.open(tmp_path / "absent", create=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    with pytest.raises(CollectionError, match=r"holds other files \(thesis\.doc\)"):
        Collection.open(tmp_path / "full", fields=FIELDS)


def test_a_flipped_bit_in_a_pack_is_named_and_repaired(library: bb.Library, tmp_path: Path) -> None:
    packs = list((tmp_path / "library" / "packs").iterdir())
    for pack in packs:
        flip(pack)
    report = library.collection.verify()
    assert len(report.problems) == len(packs)
    assert "damaged" in report.problems[0]
    assert len(report.paths) == 3
    repaired = library.collection.verify(repair=True)
    assert len(repaired.repaired) == 3
    assert not library.collection.verify().problems
    assert library.search("salmon").hits[0].source.endswith("birds.md")


def test_a_flipped_bit_in_the_table_is_named_and_repaired(library: bb.Library, tmp_path: Path) -> None:
    data = sorted((tmp_path / "library" / "items.lance" / "data").glob("*.lance"))[0]
    flip(data, 0.2)
    report = library.collection.verify()
    assert any(data.name in problem for problem in report.problems)
    repaired = library.collection.verify(repair=True)
    assert any(data.name in name for name in repaired.repaired)
    assert not repaired.lost
    assert not library.collection.verify().problems
    assert len(sources(library)) == 3


def test_a_text_with_a_wrong_letter_is_never_shown(library: bb.Library, tmp_path: Path) -> None:
    library.search("salmon")  # the index is made, and does not notice
    data = tmp_path / "library" / "items.lance" / "data"
    for path in data.glob("*.lance"):
        path.write_bytes(path.read_bytes().replace(b"Salmon swim", b"Salmon swam"))
    with pytest.raises(CollectionError, match=r"data/.*\.lance is damaged.*birds\.md.*--repair"):
        bb.open(tmp_path / "library").search("salmon")
    assert bb.open(tmp_path / "library").search("Brücke", 1).hits


def test_a_damaged_index_is_rebuilt(library: bb.Library, tmp_path: Path) -> None:
    first = library.search("salmon").hits[0].item.id
    for path in (tmp_path / "library" / "index").iterdir():
        flip(path)
    again = bb.open(tmp_path / "library")
    assert again.search("salmon").hits[0].item.id == first


def test_damaged_tokens_are_never_used(library: bb.Library, tmp_path: Path) -> None:
    library.search("salmon")  # the index is made; tokens are read from the pack at every search
    for pack in (tmp_path / "library" / "packs").iterdir():
        header_end = 32 + int.from_bytes(pack.read_bytes()[8:16], "little")
        sections = json.loads(pack.read_bytes()[32:header_end])
        start = -(-header_end // 64) * 64 + sections["text.tokens"]["offset"]
        content = bytearray(pack.read_bytes())
        for at in range(start, start + 384 * 3, 100):
            content[at] ^= 1
        pack.write_bytes(content)
    with pytest.raises(CollectionError, match=r"damaged part 'text\.tokens'"):
        bb.open(tmp_path / "library").search("bowerbirds salmon Brücke Oslo")


@pytest.mark.parametrize("damage", [b"", b"garbage" * 50])
def test_a_damaged_newest_manifest_is_healed(library: bb.Library, tmp_path: Path, damage: bytes) -> None:
    before = sources(library)
    versions = tmp_path / "library" / "items.lance" / "_versions"
    newest = min(versions.glob("*.manifest"), key=lambda path: path.name)
    newest.write_bytes(damage)
    again = bb.open(tmp_path / "library")
    assert sources(again) == before
    assert (tmp_path / "library" / "damaged" / newest.name).exists()
    assert again.search("salmon").hits


def test_a_torn_commit_log_is_read(library: bb.Library, tmp_path: Path) -> None:
    log = tmp_path / "library" / "commits.jsonl"
    log.write_text(log.read_text() + '{"version": 99, "fi')
    assert not bb.open(tmp_path / "library").collection.verify().problems


def test_a_second_writer_is_told_who_writes(library: bb.Library, tmp_path: Path, files: Path) -> None:
    folder = tmp_path / "library"
    with writer_lock(folder):
        assert str(os.getpid()) in holder(folder)
        with pytest.raises(LockedError, match=f"process {os.getpid()}"), writer_lock(folder, wait=0.2):
            pass
    assert holder(folder) == ""
    code = """
import sys, bowerbird as bb
while True:
    try:
        bb.open(sys.argv[1]).add(sys.argv[2])
        break
    except bb.BowerbirdError as error:  # on a busy machine the other may write for longer than a writer waits
        assert "is being written by" in str(error)
"""
    (files / "a.txt").write_text("from one process")
    both = [subprocess.Popen([sys.executable, "-c", code, str(folder), str(files)]) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert sources(library) == ["a.txt", "birds.md", "notes.txt", "numbers.csv"]


def test_readers_see_whole_versions_while_a_writer_works(library: bb.Library, tmp_path: Path, files: Path) -> None:
    seen: set[int] = set()
    stop = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        reader = bb.open(tmp_path / "library")
        while not stop.is_set():
            snapshot = reader.collection.snapshot()
            seen.add(snapshot.version)
            if len(snapshot.items(np.arange(len(snapshot)))) != len(snapshot.ids):
                wrong.append(f"version {snapshot.version}")

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(5):
        (files / f"more-{number}.txt").write_text(f"text number {number}")
        library.add(files)
    stop.set()
    thread.join()
    assert not wrong
    assert len(seen) > 1


def test_older_versions_can_be_looked_at(library: bb.Library, files: Path) -> None:
    version = library.collection.snapshot().version
    (files / "later.txt").write_text("Later.")
    library.add(files)
    assert len(library.collection.at(version)) < len(library.collection.snapshot())
    assert version in [entry["version"] for entry in library.collection.versions()]


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, files: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        library = bb.open(mount / "library", fields=FIELDS)
        library.add(files / "notes.txt")
        words = " ".join(f"word{number}" for number in range(60_000))
        (files / "large.txt").write_text(words)
        with pytest.raises((OSError, CollectionError)):
            library.add(files / "large.txt")
        again = bb.open(mount / "library")
        assert sources(again) == ["notes.txt"]
        assert again.search("Brücke").hits
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


def test_a_read_only_folder_can_be_searched(library: bb.Library, tmp_path: Path, files: Path) -> None:
    folder = tmp_path / "library"
    steps = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    for step in steps:
        if subprocess.run([str(word) for word in step], capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount read-only")
    try:
        reader = bb.open(folder)
        assert reader.search("salmon").hits
        with pytest.raises(CollectionError, match="read-only"):
            reader.add(files)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_export(library: bb.Library, tmp_path: Path) -> None:
    count = library.collection.export(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text("utf8").splitlines()]
    assert len(lines) == count == len(library.collection.snapshot())
    assert {line["kind"] for line in lines} == {"document", "passage", "table"}


def test_vectors_are_exported_for_other_engines(library: bb.Library, tmp_path: Path) -> None:
    plain, encoded = library.collection.export_vectors(tmp_path / "out")
    assert (plain.name, encoded.name) == ("text.parquet", "text.fde.parquet")
    view, encoder = library.collection.snapshot(), library.collection.snapshot().encoder("text")
    asked = encoder.encode_queries([(bb.Text("how many people live in the town?"),)])
    assert asked.dense is not None
    assert asked.tokens is not None
    vectors, best = read_vectors(plain)
    assert best(asked.dense.vectors[0]) == view.ids_of(view.dense("text", asked.dense, 1)[0][0])[0]
    ids = list(vectors)
    rows = view.rows_of(ids)
    np.testing.assert_array_equal(
        np.array(list(vectors.values()), np.float16), view.stored("text", rows)[1].dense.vectors
    )
    fde = FDE(config_of(encoded))
    together, best = read_vectors(encoded)
    np.testing.assert_allclose(
        list(together.values()), fde.encode_documents(view.tokens(view.rows_of(list(together)))).vectors
    )
    late = view.ids_of(view.late("text", kernels.Query.of(asked.tokens[0]), 1)[0])[0]
    assert best(fde.encode_queries(asked.tokens).vectors[0]) == late


def read_vectors(path: Path) -> tuple[dict[str, np.ndarray], Callable[[np.ndarray], str]]:
    """Vectors by id, and what finds the nearest."""
    table = pq.read_table(path)
    vectors = {name: np.array(vector) for name, vector in zip(*table.to_pydict().values(), strict=True)}
    return vectors, lambda query: max(vectors, key=lambda name: float(vectors[name] @ query))


def test_ids_that_could_be_paths_are_exported_below_the_folder(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields=FIELDS)
    picture = bb.Image.from_pil(Image.new("RGB", (9, 9)))
    ids = ["../../escape", "a/b", "plain-1"]
    library.add_items(bb.Item(name, "image", (picture,), bb.Locator(name)) for name in ids)
    library.collection.export(tmp_path / "out" / "here")
    lines = [json.loads(line) for line in (tmp_path / "out" / "here" / "items.jsonl").read_text("utf8").splitlines()]
    files = {line["id"]: tmp_path / "out" / "here" / line["picture"] for line in lines}
    assert files["plain-1"].name == "plain-1.webp"
    assert all(path.is_file() and ".." not in path.parts for path in files.values())
    assert sorted(files.values()) == sorted(tmp_path.rglob("*.webp"))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (1, "older bowerbird .format 1, not 2.; index its files again"),
        (99, "newer bowerbird .format 99, not 2.; upgrade"),
        ("?", "cannot be read"),
    ],
)
def test_a_library_of_another_format_is_refused(tmp_path: Path, made: int | str, message: str) -> None:
    bb.open(tmp_path / "library", fields=FIELDS)
    path = tmp_path / "library" / "library.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf8")) | {"format": made}))
    with pytest.raises(CollectionError, match=message):
        bb.open(tmp_path / "library")


def test_scans_are_read_again_once_there_is_text_recognition(library: bb.Library, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "white").save(picture, "JPEG")
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(write([Page().picture(picture.getvalue(), (60, 40), (0, 0, 600, 800))]))
    without = Settings(ocr=False)
    assert len(library.collection.add([scan], settings=without).added) == 1
    assert library.collection.add([scan], settings=without).unchanged == 1
    assert len(library.add(scan).replaced) == 1
    assert library.add(scan).unchanged == 1
