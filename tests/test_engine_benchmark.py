"""The benchmark of indexes, on a small made-up set: our own adapters, what is measured, and the report."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.engine import report, roster, sets, targets, threads
from benchmarks.engine.arrays import offsets_of, unit
from benchmarks.engine.build import Failed, ensure_built, index_folder
from benchmarks.engine.measure import Measured, Row, measure
from benchmarks.engine.synthetic import grown
from benchmarks.engine.targets import exponent
from benchmarks.engine.truth import make_truth

DOCUMENTS, DIM = 400, 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of 5 to 20 tokens, vectors, and queries that are noisy documents."""
    place, random = tmp_path_factory.mktemp("bench"), np.random.default_rng(0)
    offsets = offsets_of(random.integers(5, 20, DOCUMENTS))
    tokens = unit(random.standard_normal((offsets[-1], DIM)).astype(np.float32))
    asked = unit(tokens[: offsets[20]] + 0.1 * random.standard_normal((offsets[20], DIM)).astype(np.float32))
    dense = unit(np.add.reduceat(tokens, offsets[:-1]))
    arrays = {"text_vec": tokens, "text_off": offsets, "q_vec": asked, "q_off": offsets[:21]}
    for name, array in {**arrays, "dense1m": dense, "dense_q": dense[:20]}.items():
        np.save(place / name, array if array.dtype == np.int64 else array.astype(np.float16))
    for base in ("text", "dense1m"):
        make_truth(place, base)
    return place


@pytest.mark.parametrize("base", ["text", "dense1m"])
def test_our_indexes_are_measured_and_reported(folder: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLES[0], "1")
    kind = "tokens" if base == "text" else "dense"
    entries = [entry for entry in roster.ENTRIES if entry.ours and entry.kind == kind]
    found = measure(entries, sets.load(base, folder), folder, queries=10, throughput=True, minutes=1, say=print)
    assert [absent.reason for absent in found.absent] == []
    assert max(row.recall_at_10 for row in found.rows) > 0.95
    assert all(row.touched_mb and row.queries_per_s for row in found.rows)
    text = report.markdown(report.Results({base: found}, [], {}, {}, {}))
    assert "**bowerbird" in text
    assert text.count("400 items") == 1


def test_a_build_that_took_too_long_is_not_waited_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = ensure_built("text", "bowerbird 2 bit", folder / "slow", minutes=0.0001)
    assert isinstance(once, Failed)
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "no python")
        assert ensure_built("text", "bowerbird 2 bit", folder / "slow", minutes=0.0001) == once
        less = ensure_built("text", "bowerbird 2 bit", folder / "slow", minutes=0.00005)
        assert less == once, "the minutes that were tried are named, not those that were asked for"
    more = ensure_built("text", "bowerbird 2 bit", folder / "slow", minutes=1)
    assert isinstance(more, Failed)
    assert more.reason.startswith("not built"), "it was tried again, and found no vectors"


def test_what_cannot_be_deleted_does_not_hide_that_a_build_took_too_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder("text", "bowerbird 2 bit", folder / "kept").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    found = ensure_built("text", "bowerbird 2 bit", folder / "kept", minutes=0.0001)
    assert found == Failed("text was not built in 0.0001 minutes")


def row(peer: str, recall: float, milliseconds: float, *, build_s: float = 10, disk_mb: float = 1) -> Row:
    return Row(
        "s20",
        peer,
        "",
        peer.startswith("bowerbird"),
        threads=1,
        queries=10,
        recall_at_10=recall,
        recall_at_100=recall,
        wall_p50_ms=milliseconds,
        wall_p95_ms=milliseconds,
        cpu_p50_ms=milliseconds,
        queries_per_s=None,
        build_wall_s=build_s,
        build_cpu_s=build_s,
        disk_mb=disk_mb,
        memory_mb=1,
        touched_mb=2,
    )


def test_targets_are_met_or_not() -> None:
    rows = [row("bowerbird", 0.96, 1), row("bowerbird", 0.995, 6), row("peer", 0.96, 4), row("peer", 0.999, 8)]
    found = {"s20": Measured(rows, [], items=10, vectors=10_000, dim=100, gb_per_s=10, load=1)}
    lines = report.markdown(report.Results(found, [], {}, {}, {})).splitlines()
    at_95, at_99 = (next(line for line in lines if f"≥ {level} at most" in line) for level in (0.95, 0.99))
    assert "0.25 × (1.00 ms; peer 4.00 ms); reads 2.0 MB, 0.20 ms at 10 GB/s" in at_95
    assert "0.75 ×" in at_99
    assert "**not met**" in at_99
    assert "**not met**" not in at_95
    size = next(line for line in lines if "bytes per dimension at" in line)
    assert "1.00, recall 0.995 | met" in size


def test_a_pause_while_a_merge_runs_counts_for_what_was_added() -> None:
    longest = {"searches alone": 3.0, "adding": 20.0, "merging after that": 60.0, "removing": 10.0}
    rates = {"adding": 6000.0, "removing": 4000.0}
    phases = [{"name": name, "longest_ms": pause, "per_s": rates.get(name, 0.0)} for name, pause in longest.items()]
    adding, removing = targets.markdown({}, [{"kind": "dense", "phases": phases}], {}, {}).splitlines()[2:]
    assert "6,000/s, longest search 20 ms, 60 ms while what was added is merged (3 ms alone) | **not met**" in adding
    assert "4,000/s, longest search 10 ms (3 ms alone) | **not met**" in removing
    phases[2]["longest_ms"] = 40.0
    assert "**not met**" not in targets.markdown({}, [{"kind": "dense", "phases": phases}], {}, {}).splitlines()[2]


def test_batches_are_compared_where_they_were_measured() -> None:
    rows = [replace(row(name, 0.96, 1), queries_per_s=rate) for name, rate in (("bowerbird", 800.0), ("peer", 900.0))]
    rows.append(replace(row("careless", 0.9, 1), queries_per_s=2000.0))
    found = Measured(rows, [], items=10, vectors=10, dim=100, gb_per_s=10, load=1)
    line = targets.markdown({"dense1m-throughput": found}, [], {}, {}).splitlines()[-1]
    assert "in a batch on two threads | 800; peer 900 | **not met**" in line


def test_copies_are_moved_and_real_documents_are_not(folder: Path) -> None:
    vectors, offsets = sets.load_items("text", folder)
    larger, ends = grown(vectors, offsets, 2 * DOCUMENTS, 8, folder / "grown.npy")
    assert len(ends) == 2 * DOCUMENTS + 1
    assert np.diff(ends).max() == 8
    first = [vectors[start : start + length] for start, length in zip(offsets, np.diff(ends)[:DOCUMENTS], strict=False)]
    real = np.concatenate(first)
    assert np.array_equal(larger[: ends[DOCUMENTS]], real)
    copies = np.asarray(larger[ends[DOCUMENTS] :], np.float32)
    assert np.allclose(np.linalg.norm(copies, axis=1), 1, atol=1e-2)
    likeness = (copies * real.astype(np.float32)).sum(axis=1)
    assert 0.4 < np.median(likeness) < 0.98


def test_an_exponent_of_one_is_linear() -> None:
    assert exponent({"p50_ms": 1, "items": 10}, {"p50_ms": 100, "items": 1000}) == pytest.approx(1)
