"""Composed image retrieval: a picture and a change in words. CIRR, CIRCO, FashionIQ and GeneCIS."""

from __future__ import annotations

from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import picture, pictures, unique, with_picture
from bowerbird.evaluate.benchmarks.lines import Record, first, json_file, json_list, json_object, json_stream
from bowerbird.items import Query

CIRR_ALL = ("R@1", "R@5", "R@10", "R@50")
CIRR_SUBSET = ("R_subset@1", "R_subset@2", "R_subset@3")


def load_cirr(folder: Path, part: str) -> Benchmark:
    """CIRR (Liu et al. 2021, arXiv 2108.04024): captions/cap.rc2.{split}.json and image_splits/split.rc2.{split}.json.

    The reference is left out. `part` is the split, or the split and ".subset", where a query ranks only the five others
    of its set. Split test1 has no targets. (format from the card)
    """
    split, _, subset = part.partition(".")
    paths = json_object(first(folder, f"image_splits/split.rc2.{split}.json"))
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    left_out: dict[str, frozenset[str]] = {}
    pools: dict[str, frozenset[str]] = {}
    for record in json_list(first(folder, f"captions/cap.rc2.{split}.json")):
        name = unique(queries, record.text("pairid"), f"{record.file}, {record.place}")
        reference = record.text("reference")
        queries[name] = with_picture(folder / paths.text(reference), record.text("caption"))
        left_out[name] = frozenset([reference])
        if subset:
            pools[name] = frozenset(record.record("img_set").texts("members")) - {reference}
        if record.has("target_hard"):
            qrels[name] = {record.text("target_hard"): 1.0}
    return Benchmark(
        f"cirr {part}",
        queries,
        qrels,
        lambda: (picture(name, folder / paths.text(name)) for name in paths.values),
        CIRR_SUBSET if subset else CIRR_ALL,
        left_out,
        pools,
    )


def load_circo(folder: Path, part: str) -> Benchmark:
    """CIRCO (Baldrati et al. 2023, arXiv 2303.15247): annotations/{part}.json over the COCO 2017 unlabeled pictures.

    Several targets a query; the test split has none. gold.labels has the semantic aspects.
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    left_out: dict[str, frozenset[str]] = {}
    gold: dict[str, Gold] = {}
    images = folder / "COCO2017_unlabeled" / "unlabeled2017"
    metadata = folder / "COCO2017_unlabeled" / "annotations" / "image_info_unlabeled2017.json"
    for record in json_list(first(folder, f"annotations/{part}.json", f"{part}.json")):
        name = unique(queries, record.text("id"), f"{record.file}, {record.place}")
        reference = record.text("reference_img_id")
        queries[name] = with_picture(images / coco(record, "reference_img_id"), record.text("relative_caption"))
        left_out[name] = frozenset([reference])
        if record.has("gt_img_ids"):
            qrels[name] = dict.fromkeys(record.texts("gt_img_ids"), 1.0)
            gold[name] = Gold(labels={"aspect": record.texts("semantic_aspects")})
    return Benchmark(
        f"circo {part}",
        queries,
        qrels,
        lambda: (picture(one.text("id"), images / one.text("file_name")) for one in json_stream(metadata, "images")),
        ("AP@5[min]", "AP@10[min]", "AP@25[min]", "AP@50[min]"),
        left_out,
        gold=gold,
    )


def load_fashioniq(folder: Path, part: str) -> Benchmark:
    """FashionIQ (Wu et al. 2021, arXiv 1905.12794): captions/cap.{part}.json, image_splits/split.{part}.json, images/.

    `part` is dress.val, shirt.val or toptee.val. The gallery is the whole split ("original split"); the reference stays
    in it, as published. The two captions are joined by "and".
    """
    split = json_file(first(folder, f"image_splits/split.{part}.json", f"split.{part}.json"))
    if not isinstance(split, list) or not all(isinstance(name, str) for name in split):
        raise BenchmarkError(f"{folder}, split.{part}.json: must be a list of picture names")
    pattern = "{}.jpg" if any((folder / "images").glob("*.jpg")) else "{}.png"
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    for number, record in enumerate(json_list(first(folder, f"captions/cap.{part}.json", f"cap.{part}.json"))):
        words = " and ".join(caption.strip() for caption in record.texts("captions"))
        path = folder / "images" / pattern.format(record.text("candidate"))
        queries[f"{part}-{number}"] = with_picture(path, words)
        if record.has("target"):
            qrels[f"{part}-{number}"] = {record.text("target"): 1.0}
    measures = ("R@10", "R@50")
    return Benchmark(f"fashioniq {part}", queries, qrels, lambda: pictures(folder / "images", split, pattern), measures)


def load_genecis(folder: Path, part: str) -> Benchmark:
    """GeneCIS (Vaze et al. 2023, arXiv 2306.07969), tasks focus_object and change_object, over COCO val2017.

    Every query ranks its own gallery and the target. The attribute tasks crop Visual Genome pictures and are not read.
    """
    if part not in ("focus_object", "change_object"):
        raise BenchmarkError(f"GeneCIS {part}: only focus_object and change_object are read")
    path = first(folder, f"genecis/{part}.json", f"{part}.json")
    names: dict[str, str] = {}
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    for number, record in enumerate(json_list(path)):
        reference = record.record("reference")
        queries[str(number)] = with_picture(
            folder / "val2017" / coco(reference, "val_image_id"), record.text("condition")
        )
        target = record.record("target")
        gallery = [target, *record.records("gallery")]
        names |= {one.text("val_image_id"): coco(one, "val_image_id") for one in gallery}
        qrels[str(number)] = {target.text("val_image_id"): 1.0}
        pools[str(number)] = frozenset(one.text("val_image_id") for one in gallery)
    return Benchmark(
        f"genecis {part}",
        queries,
        qrels,
        lambda: (picture(name, folder / "val2017" / file) for name, file in names.items()),
        ("R@1", "R@2", "R@3"),
        pools=pools,
    )


def coco(record: Record, field: str) -> str:
    """The file name of a COCO 2017 picture."""
    return f"{record.whole(field):012d}.jpg"
