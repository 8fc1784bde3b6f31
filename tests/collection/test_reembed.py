"""Changing encoders: everything stored is embedded anew, with the files or without, and switched over in one commit."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.collection import Collection
from bowerbird.encoders import load
from bowerbird.errors import EncoderMismatch
from bowerbird.storage.packs import Pack
from tests.encoders import tiny_models
from tests.servers.process import running

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "birds.md").write_text("# Birds\n\nBowerbirds collect blue things.\n\n# Fish\n\nSalmon swim upstream.\n")
    for number in (1, 2, 3):
        shutil.copy(PHOTOS / f"photo-0{number}.jpg", folder)
    return folder


@pytest.fixture
def library(tmp_path: Path, files: Path) -> bb.Library:
    opened = bb.open(tmp_path / "library")
    opened.add(files)
    return opened


def vectors(library: bb.Library, field: str) -> dict[str, np.ndarray]:
    """The dense vector of every item that a field holds."""
    snapshot = library.collection.snapshot()
    held, embedding = snapshot.stored(field, np.arange(len(snapshot)))
    assert embedding.dense is not None
    return dict(zip(snapshot.ids[held].tolist(), embedding.dense.vectors, strict=True))


def token_bytes(library: bb.Library) -> bytes:
    snapshot = library.collection.snapshot()
    return snapshot.tokens(np.arange(len(snapshot))).vectors.tobytes()


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float32), other.astype(np.float32)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    pytest.importorskip("sentence_transformers", reason="needs pip install 'bowerbird[sentence-transformers]'")
    return f"sentence-transformers:{tiny_models.sentence_transformer(tmp_path / 'tiny')}"


def test_words_need_no_files_and_search_uses_the_new_encoder(library: bb.Library, files: Path, tiny: str) -> None:
    before, pictures = vectors(library, "text"), vectors(library, "image")
    older, version = bb.open(library.collection.folder), library.collection.snapshot().version
    older.search("salmon")
    shutil.rmtree(files)
    seen: list[tuple[int, int]] = []
    report = library.reembed({"text": tiny}, advance=lambda done, total: seen.append((done, total)))
    assert report.items == seen[-1][0] == seen[-1][1] == len(library.collection.snapshot())
    assert (report.thumbnails, report.left_out) == ((), ())
    after = vectors(library, "text")
    assert after.keys() == before.keys()
    assert {len(vector) for vector in after.values()} == {32}
    assert same(vectors(library, "image"), pictures)
    for reader in (library, older, bb.open(library.collection.folder, fields={"text": tiny})):
        snapshot = reader.collection.snapshot()
        assert str(snapshot.encoder("text").id) == report.fields["text"]
        query = load(tiny).encode_queries([(bb.Text("a dog in the garden"),)]).dense
        assert query is not None
        rows, scores = snapshot.dense("text", query, 2)
        expected = [query.vectors[0] @ after[name].astype(np.float32) for name in snapshot.ids[rows[0]]]
        np.testing.assert_allclose(scores[0], expected, rtol=1e-3)
        hits = reader.search("Salmon swim upstream", modalities=["text"]).hits
        assert any("Salmon swim upstream." in hit.evidence.snippet and "text" in hit.matched for hit in hits)
        assert not any("tokens" in hit.matched for hit in hits)  # this encoder gives none
    assert str(library.collection.at(version).encoder("text").id).startswith("e5@")
    assert not library.collection.verify().problems


def test_later_files_are_embedded_by_the_new_encoder(library: bb.Library, tmp_path: Path, tiny: str) -> None:
    waiting = bb.open(library.collection.folder)
    library.reembed({"text": tiny})
    (tmp_path / "later.txt").write_text("A dog barks in the garden.")
    waiting.add(tmp_path / "later.txt")
    assert {len(vector) for vector in vectors(library, "text").values()} == {32}
    assert any(hit.source.endswith("later.txt") and "text" in hit.matched for hit in library.search("a dog").hits)


def test_pictures_come_from_the_file_or_else_from_the_thumbnail(library: bb.Library, files: Path) -> None:
    before, tokens = vectors(library, "image"), token_bytes(library)
    assert library.reembed({"image": "lite"}).thumbnails == ()
    assert same(vectors(library, "image"), before)
    (files / "photo-01.jpg").unlink()
    shutil.copy(files / "photo-02.jpg", files / "photo-03.jpg")
    report = library.reembed({"image": "lite"})
    assert [Path(source).name for source in report.thumbnails] == ["photo-01.jpg", "photo-03.jpg"]
    after = vectors(library, "image")
    assert min(cosine(after[name], before[name]) for name in before) > 0.9
    assert sorted((after[name] == before[name]).all() for name in before) == [False, False, True]
    assert token_bytes(library) == tokens  # the other field is carried over bit by bit


def test_sounds_whose_file_is_gone_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs pip install 'bowerbird[clap]'")
    from tests.encoders.test_torch_models import sound

    clap = f"clap:{tiny_models.clap(tmp_path / 'clap')}"
    (tmp_path / "beep.wav").write_bytes(sound(2.0))
    library = bb.open(tmp_path / "library", fields={"text": "e5", "sound": clap})
    library.add(tmp_path / "beep.wav")
    before = vectors(library, "sound")
    assert library.reembed({"sound": clap}).left_out == ()
    assert same(vectors(library, "sound"), before)
    (tmp_path / "beep.wav").unlink()
    report = library.reembed({"sound": clap})
    assert [Path(source).name for source in report.left_out] == ["beep.wav"]
    assert library.collection.snapshot().stored("sound", np.arange(2))[0] == []


def test_sounds_in_archives_are_stored_without_their_vectors(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs pip install 'bowerbird[clap]'")
    from tests.encoders.test_torch_models import sound

    clap = f"clap:{tiny_models.clap(tmp_path / 'clap')}"
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        archive.writestr("beep.wav", sound(2.0))
    library = bb.open(tmp_path / "library", fields={"text": "e5", "sound": clap})
    report = library.add(tmp_path / "sounds.zip")
    assert report.failed == ()
    assert library.search("beep").hits[0].item.kind == "segment"
    assert library.reembed({"sound": clap}).items == report.items


def test_an_encoder_that_is_gone_can_be_replaced(tmp_path: Path, files: Path, tiny: str) -> None:
    bb.open(tmp_path / "library", fields={"text": tiny}).add(files)
    shutil.rmtree(tmp_path / "tiny")
    load.cache_clear()
    library = bb.open(tmp_path / "library")
    assert len(library.collection.files()) == 4
    library.reembed({"text": "e5"})
    assert "Salmon swim upstream." in library.search("salmon").hits[0].evidence.snippet


def test_a_refused_encoder_says_what_to_do(library: bb.Library) -> None:
    folder = library.collection.folder
    with pytest.raises(EncoderMismatch, match=r"field 'text' .* e5@.* bowerbird reembed --encoder text=SPEC -l"):
        bb.open(folder, fields={"text": "lite"})
    with pytest.raises(EncoderMismatch, match="no field 'sound', it has text, image"):
        library.reembed({"sound": "e5"})
    assert str(library.collection.snapshot().encoder("text").id).startswith("e5@")


def test_an_empty_library_and_one_whose_table_names_no_encoders(tmp_path: Path, library: bb.Library) -> None:
    import lance

    empty = bb.open(tmp_path / "empty", fields={"text": "e5"})
    assert empty.reembed({"text": "e5"}).items == 0
    lance.dataset(str(library.collection.folder / "items.lance")).update_schema_metadata({}, replace=True)
    older = bb.open(library.collection.folder)
    assert older.search("salmon").hits
    assert older.reembed({"image": "lite"}).items == len(older.collection.snapshot())
    assert older.search("salmon").hits


CRASH = """
import os, signal, sys
import lance
from bowerbird.collection import Collection
from bowerbird.collection.store import Store

def die(*given, **more):
    os.kill(os.getpid(), signal.SIGKILL)

exec(sys.argv[3])
library = Collection.open(sys.argv[1])
while True:
    for spec in (sys.argv[2], "e5"):
        library.reembed({"text": spec})
        print(spec, flush=True)
"""
NOTES = 40


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    notes = [
        bb.Item(f"id-{number}", "passage", (bb.Text(f"note {number} about thing{number}"),), bb.Locator(str(number)))
        for number in range(NOTES)
    ]
    bb.open(tmp_path / "notes", fields={"text": "e5"}).add_items(notes)
    return tmp_path / "notes"


def crash(folder: Path, spec: str, fault: str, seconds: float) -> None:
    """Re-embed to and fro in another process, which dies by a fault or is killed after some seconds."""
    child = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(folder), spec, fault], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    _, complaint = child.communicate()
    assert child.returncode == -signal.SIGKILL, complaint.decode()


def check_whole(folder: Path) -> str:
    """What the library says its encoder is, and that every vector is of that encoder."""
    collection = Collection.open(folder)
    identity = collection.stats().fields["text"]
    packs = {pack for (pack,) in collection.snapshot().columns("pack")}
    # the embedded encoder gives tokens, the server's does not
    assert {"text.tokens" in Pack(folder / "packs" / pack) for pack in packs} == {identity.startswith("e5@")}
    held, embedding = collection.snapshot().stored("text", np.arange(NOTES))
    assert len(held) == len(embedding) == len(collection.snapshot()) == NOTES
    assert not collection.verify().problems
    assert bb.Library(collection).search("thing7").hits[0].item.id == "id-7"
    return identity


def test_kill_at_random_moments_leaves_the_old_or_the_new_library(noted: Path) -> None:
    chance = random.Random(0)
    with running("embeddings") as url:
        for _ in range(5):
            crash(noted, f"http:{url}#e5", "", chance.uniform(0.0, 1.0))
            check_whole(noted)
        report = bb.open(noted).reembed({"text": "e5"})
        assert report.items == NOTES
        assert check_whole(noted).startswith("e5@")


@pytest.mark.parametrize(
    ("fault", "new"), [("lance.LanceDataset.commit = die", False), ("Store._acknowledge = die", True)]
)
def test_kill_right_before_and_right_after_the_commit(noted: Path, fault: str, new: bool) -> None:
    with running("embeddings") as url:
        crash(noted, f"http:{url}#e5", fault, 0.0)
        assert check_whole(noted).startswith("http:") == new
