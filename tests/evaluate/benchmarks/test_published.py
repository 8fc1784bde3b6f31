"""Loaders read the files that were really published: counts, and one entry of each seen with one's own eyes."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from pathlib import Path

import pytest

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks import check, load
from bowerbird.evaluate.benchmarks.captions import swapped
from bowerbird.items import Audio, Image, Video
from tests.evaluate.made import ranking
from tests.shared import shared

COUNTS = [
    # name, folder, part, queries, judgements
    ("xtd10", "benchmarks/XTD10", "en", 1000, 1000),
    ("xtd10", "benchmarks/XTD10", "zh", 1000, 1000),
    ("xtd10", "benchmarks/XTD10", "jp", 1000, 1000),
    ("multi30k", "benchmarks/Multi30K", "test_2016_flickr.cs", 1000, 1000),
    ("multi30k", "benchmarks/Multi30K", "val.de", 1014, 1014),
    ("rsicd", "benchmarks/RSICD-RSITMD", "rsicd_precomp", 50, 50),
    ("circo", "benchmarks/CIRCO", "val", 220, 916),
    ("circo", "benchmarks/CIRCO", "test", 800, 0),
    ("fashioniq", "benchmarks/FashionIQ", "dress.val", 2017, 2017),
    ("fashioniq", "benchmarks/FashionIQ", "shirt.val", 2038, 2038),
    ("fashioniq", "benchmarks/FashionIQ", "toptee.val", 1961, 1961),
    ("genecis", "benchmarks/GeneCIS", "focus_object", 400, 400),
    ("genecis", "benchmarks/GeneCIS", "change_object", 400, 400),
    ("qvhighlights", "benchmarks/QVHighlights", "val", 1550, 32549),
    ("audiocaps", "benchmarks/AudioCaps", "test", 4875, 4875),
    ("dyn-vqa", "benchmarks/DynVQA", "en.202412", 50, 0),
    ("dyn-vqa", "benchmarks/DynVQA", "zh.202412", 50, 0),
    ("mmsearch", "benchmarks/MMSearch", "query_cli", 2, 0),
    ("mmdocir", "benchmarks/MMDocIR", "pages", 1658, 2107),
    ("mmlongbench-doc", "benchmarks/MMLongBench-Doc", "", 1082, 1595),
    ("mmeb-visdoc", "benchmarks/MMEB-visdoc", "ViDoRe_docvqa", 451, 500),
    ("mmeb-visdoc", "benchmarks/MMEB-visdoc", "VisRAG_PlotQA", 863, 863),
    ("trec", "benchmarks/BEIR", "scifact", 300, 339),
    ("trec", "benchmarks/BEIR", "nfcorpus", 323, 12334),
    ("beir", "benchmarks/SciFact-BEIR-tsv", "test", 300, 339),
    ("beir", "benchmarks/SciFact-BEIR-tsv", "train", 809, 919),
]


@pytest.mark.parametrize(("name", "folder", "part", "queries", "judgements"), COUNTS)
def test_published_files_are_read_whole(name: str, folder: str, part: str, queries: int, judgements: int) -> None:
    benchmark = load(name, shared(folder), part)
    assert (len(benchmark.queries), sum(map(len, benchmark.qrels.values()))) == (queries, judgements)
    assert benchmark.qrels.keys() | benchmark.gold.keys() | benchmark.pools.keys() <= benchmark.queries.keys()


WHOLE = [
    # with corpus and media; the last is the number of items
    ("beir", "text/cranfield", "test", 225, 1837, 1400),
    ("beir", "text/cisi", "test", 76, 3114, 1460),
    ("beir", "tables/wikitablequestions-subset", "test", 4344, 4344, 421),
    ("beir", "entity-linking/wikidata-mel-subset", "test", 1500, 1500, 5387),
    ("xquad", "text/xquad-crosslingual", "ru-de", 1190, 1190, 240),
    ("wikidata-mel", "benchmarks/WikiMEL-family", "Wikidata-MEL", 25846, 25846, 17391),
    ("flickr8k-ml", "images/flickr8k-ml", "cs", 937, 937, 937),
    ("tuxpaint-stamps", "multimodal/tuxpaint-stamps", "de", 420, 420, 420),
    ("emoji-styles", "images/emoji-styles", "uk-twitter", 1854, 1854, 1854),
    ("emoji-styles", "images/emoji-styles", "openmoji-black-google", 1854, 1854, 1854),
    ("emoji-edits", "composed/emoji-edits", "google", 416, 416, 1854),
    ("esc50", "audio/esc50-subset", "sound", 249, 1068, 254),
    ("moments", "video/moments", "zh", 285, 285, 285),
    ("moments", "video/real", "en", 7, 7, 7),
]


@pytest.mark.parametrize(("name", "folder", "part", "queries", "judgements", "items"), WHOLE)
def test_sets_with_their_media_are_complete(
    name: str, folder: str, part: str, queries: int, judgements: int, items: int
) -> None:
    contents = check(load(name, shared(folder), part))
    assert (contents.queries, contents.judgements, contents.items) == (queries, judgements, items)


def test_captions_belong_to_the_picture_of_their_line() -> None:
    english = load("xtd10", shared("benchmarks/XTD10"), "en")
    german = load("xtd10", shared("benchmarks/XTD10"), "de")
    name = "COCO_train2014_000000061849.jpg"
    assert english.queries[f"{name}#0"].text == "a cat with its paws on a computer mouse at a desk"
    assert german.queries[f"{name}#0"].text.startswith("Eine Katze spielt")
    assert german.qrels[f"{name}#0"] == {name: 1.0}
    rsicd = load("rsicd", shared("benchmarks/RSICD-RSITMD"))
    assert [name for name in rsicd.queries if name.startswith("airport_348.jpg#")] == [
        f"airport_348.jpg#{number}" for number in range(5)
    ]
    assert sum(1 for _ in rsicd.items()) == 10


def test_the_other_direction_asks_by_picture() -> None:
    there = load("flickr8k-ml", shared("images/flickr8k-ml"), "de")
    back = swapped(there)
    name = "1000268201_693b08cb0e"
    assert isinstance(back.queries[name].parts[0], Image)
    assert back.qrels[name] == {name: 1.0}
    assert next(back.items()).text == "Ein kleines Mädchen klettert in ein Spielhaus aus Holz."
    assert check(back).items == 937


def test_composed_queries_are_a_picture_and_words() -> None:
    circo = load("circo", shared("benchmarks/CIRCO"))
    picture, words = circo.queries["0"].parts
    assert isinstance(picture, Image)
    assert str(picture.source).endswith("unlabeled2017/000000271520.jpg")
    assert words.text == "shows two people and has a more colorful background"  # type: ignore[union-attr]
    assert circo.qrels["0"] == {"355099": 1.0, "528417": 1.0, "534704": 1.0}
    assert circo.left_out["0"] == {"271520"}
    assert "cardinality" in circo.gold["0"].labels["aspect"]

    fashion = load("fashioniq", shared("benchmarks/FashionIQ"), "dress.val")
    assert fashion.queries["dress.val-0"].text == "is shiny and silver with shorter sleeves and fit and flare"
    assert fashion.qrels["dress.val-0"] == {"B0084Y8XIU": 1.0}
    assert not fashion.left_out  # the reference stays in the gallery
    gallery = {item.id for item in fashion.items()}
    assert len(gallery) == 3817
    assert {name for judged in fashion.qrels.values() for name in judged} <= gallery

    genecis = load("genecis", shared("benchmarks/GeneCIS"), "focus_object")
    assert {len(pool) for pool in genecis.pools.values()} == {15}
    assert all(genecis.qrels[name].keys() <= pool for name, pool in genecis.pools.items())


def test_moments_have_clips_and_spans() -> None:
    benchmark = load("qvhighlights", shared("benchmarks/QVHighlights"))
    query = next(iter(benchmark.queries))
    video = "NUsG9BgSes0_210.0_360.0"
    assert (query, benchmark.places[query][0].source) == ("2579", video)
    assert (benchmark.places[query][0].start, benchmark.places[query][0].end) == (82, 150)
    assert len(benchmark.pools[query]) == 75
    assert f"{video}#41" in benchmark.qrels[query]
    first = next(benchmark.items())
    clip = first.parts[0]
    assert isinstance(clip, Video)
    assert (clip.start, clip.end) == (0.0, 2.0)
    assert first.locator.source == video


def test_clips_can_reach_the_best_value_of_every_measure_of_qvhighlights() -> None:
    benchmark = load("qvhighlights", shared("benchmarks/QVHighlights"))
    perfect = ranking({name: list(benchmark.qrels[name]) for name in benchmark.queries})
    assert evaluate(perfect, benchmark).values == dict.fromkeys(benchmark.measures, 1.0)


def test_sounds_and_answers() -> None:
    sounds = load("audiocaps", shared("benchmarks/AudioCaps"))
    assert sounds.qrels["103549"] == {"7fmOlUlwoNg_20": 1.0}
    assert isinstance(next(sounds.items()).parts[0], Audio)
    assert sum(1 for _ in sounds.items()) == 975
    dyn = load("dyn-vqa", shared("benchmarks/DynVQA"))
    assert dyn.gold["en1"].answers[1] == "Leonardo DiCaprio does not have any children."
    assert dyn.gold["en1"].rewrites == ("What is the name of Leonardo DiCaprio's third child?",)
    esc = load("esc50", shared("audio/esc50-subset"))
    assert all(judged.keys().isdisjoint(esc.left_out[name]) for name, judged in esc.qrels.items())


def test_layouts_are_boxes_in_fractions_of_pages() -> None:
    benchmark = load("mmdocir", shared("benchmarks/MMDocIR"))
    query = "PH_2016.06.08_Economy-Final.pdf-q0"
    assert benchmark.qrels[query] == {"PH_2016.06.08_Economy-Final.pdf#4": 1.0}
    place = benchmark.places[query][0]
    assert (place.source, place.page) == ("PH_2016.06.08_Economy-Final.pdf", 5)
    assert place.box == pytest.approx((366 / 612, 229 / 792, 514 / 612, 383 / 792))
    assert benchmark.gold[query].labels["type"] == ("Chart",)
    assert len(benchmark.pools[query]) == 18218 - 18196 + 1
    assert sum(map(len, benchmark.places.values())) == 2638  # as the paper counts
    assert not load("mmdocir", shared("benchmarks/MMDocIR"), "all").pools


def test_pages_of_pdfs_are_numbered_as_judged(tmp_path: Path) -> None:
    subset = shared("documents/mmdocir-subset")
    line = min(
        (subset / "MMDocIR_annotations.subset.jsonl").read_text("utf8").splitlines(),
        key=lambda line: json.loads(line)["page_indices"][1] - json.loads(line)["page_indices"][0],
    )
    document = json.loads(line)
    (tmp_path / "MMDocIR_annotations.jsonl").write_text(line)
    (tmp_path / "pdfs").mkdir()
    shutil.copy(subset / "pdfs" / document["doc_name"], tmp_path / "pdfs")
    benchmark = load("mmdocir", tmp_path)
    contents = check(benchmark)
    assert contents.items == document["page_indices"][1] - document["page_indices"][0] + 1
    pages = [item for item in benchmark.items() if item.kind == "page"]
    assert {page.id for page in pages} == {name for pool in benchmark.pools.values() for name in pool}
    assert {item.locator.source for item in pages} == {document["doc_name"]}


def test_needles_are_cells(tmp_path: Path) -> None:
    sample = shared("benchmarks/MMNeedle")
    shutil.copy(sample / "annotations_1_2_2.json", tmp_path)
    targets = {entry["target"] for entry in json.loads((sample / "annotations_1_2_2.json").read_text())}
    captions = {Path(target).name: f"caption of {target}" for target in targets}
    (tmp_path / "file_to_caption.pkl").write_bytes(pickle.dumps(captions))
    benchmark = load("mmneedle", tmp_path, "annotations_1_2_2")
    assert len(benchmark.queries) == 50
    assert benchmark.gold["0"].answers == ("1, 2, 2",)
    assert benchmark.places["0"][0].box == (0.5, 0.5, 1.0, 1.0)
    assert benchmark.queries["0"].text == "caption of val2014/COCO_val2014_000000334399.jpg"
    absent = [name for name, gold in benchmark.gold.items() if gold.answers == ("-1",)]
    assert all(not benchmark.qrels[name] and not benchmark.places[name] for name in absent)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations_1_2_2.json").write_text("[]")
    (tmp_path / "file_to_caption.pkl").write_bytes(b"cos\nsystem\n(S'touch bad'\ntR.")
    with pytest.raises(BenchmarkError, match=r"it names os\.system, and may only hold strings"):
        load("mmneedle", tmp_path, "annotations_1_2_2")


@pytest.mark.parametrize(("part", "count"), [("test", 200), ("val", 50)])
def test_inquire_queries_with_annotations_beside_them(tmp_path: Path, part: str, count: int) -> None:
    """Released queries of both splits; the one file of annotations is made: two photos a query."""
    sample, lines = shared("benchmarks/INQUIRE"), ["query_id,image_id,image_path"]
    for path in sorted(sample.glob("inquire_queries_*.csv")):
        shutil.copy(path, tmp_path)
        with path.open(encoding="utf8") as file:
            for row in csv.DictReader(file):
                lines += [f"{row['query_id']},{row['query_id']}{photo},train/{photo}.jpg" for photo in (1, 2)]
    (tmp_path / "inquire_annotations.csv").write_text("\n".join(lines))
    benchmark = load("inquire", tmp_path, part)
    assert len(benchmark.queries) == count
    assert benchmark.qrels == {name: {f"{name}1": 1.0, f"{name}2": 1.0} for name in benchmark.queries}
    perfect = ranking({name: list(judged) for name, judged in benchmark.qrels.items()})
    assert evaluate(perfect, benchmark).values == {"AP@50[min]": 1.0, "nDCG@50": 1.0}
    if part == "test":
        assert benchmark.queries["3"].text == "A mongoose standing upright alert"
        assert benchmark.gold["3"].labels["iconic_group"] == ("Mammals",)
    (tmp_path / "inquire_annotations.csv").write_text("\n".join(lines[:3]))
    with pytest.raises(BenchmarkError, match=r"inquire_annotations\.csv: has no photo for query"):
        load("inquire", tmp_path, part)


def test_captions_without_their_list_of_pictures_name_the_file(tmp_path: Path) -> None:
    shutil.copy(shared("benchmarks/RSICD-RSITMD") / "rsitmd_precomp.test_caps.txt", tmp_path)
    with pytest.raises(
        BenchmarkError, match=r"no rsitmd_precomp\.test_filename\.txt or .* in .*'bowerbird benchmarks'"
    ):
        load("rsicd", tmp_path, "rsitmd_precomp")


MBEIR = [("cirr", "task7", 4170, 4216), ("nights", "task4", 2120, 2120), ("fashion200k", "task0", 1719, 4847)]


@pytest.mark.parametrize(("name", "task", "queries", "judgements"), MBEIR)
def test_m_beir_topics_in_their_published_folder(
    tmp_path: Path, name: str, task: str, queries: int, judgements: int
) -> None:
    benchmark = m_beir(tmp_path, name, task)
    assert (len(benchmark.queries), sum(map(len, benchmark.qrels.values()))) == (queries, judgements)
    assert benchmark.measures[0] == ("hit@10" if name == "fashion200k" else "hit@5")
    assert {query.instruction for query in benchmark.queries.values()} == {"Find it.", "Retrieve it."}
    assert {item.id for item in benchmark.items()} >= {did for judged in benchmark.qrels.values() for did in judged}


def test_m_beir_qrels_of_queries_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="judges 5803 queries that are not asked, such as"):
        m_beir(tmp_path, "fashioniq", "task7")


def m_beir(folder: Path, name: str, task: str) -> Benchmark:
    """Released topics and qrels under their published names; the fifth column, pool and instructions are made."""
    sample = shared("benchmarks/M-BEIR")
    qrels = (sample / f"qrels.m-beir-{name}-{task}.test.txt").read_text().splitlines()
    columns = ["query_modality", "cand_modality", "dataset_name", "dataset_id", "prompt_1", "prompt_2"]
    files = {
        f"query/test/mbeir_{name}_{task}_test.jsonl": (sample / f"topics.mbeir-{name}_{task}.test.jsonl").read_text(),
        f"qrels/test/mbeir_{name}_{task}_test_qrels.txt": "".join(f"{line} {task[-1]}\n" for line in qrels),
        f"cand_pool/local/mbeir_{name}_{task}_cand_pool.jsonl": "".join(
            json.dumps({"did": did, "txt": None, "img_path": f"{did}.jpg", "modality": "image", "src_content": None})
            + "\n"
            for did in dict.fromkeys(line.split()[2] for line in qrels)
        ),
        "instructions/query_instructions.tsv": "\t".join(columns)
        + "\n"
        + "".join(
            f"{asks}\timage\t{name}\t{number}\tFind it.\tRetrieve it.\n"
            for asks in ("text", "image", "image,text")
            for number in (1, 4, 7, 8)
        ),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return load("m-beir", folder, f"{name}_{task}")
