"""Formats of which no file can be had: small files in the published form, as papers and their scripts have it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as pil

from bowerbird.errors import BenchmarkError, EvaluationError
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.benchmarks import check, load
from bowerbird.items import Image, Text, Video
from tests.evaluate.made import ranking
from tests.shared import shared


def write(folder: Path, files: dict[str, Any]) -> Path:
    """JSON values, JSON lines (tuples), text, or bytes, by path."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, "utf8")
        elif isinstance(content, tuple):
            path.write_text("".join(json.dumps(line) + "\n" for line in content), "utf8")
        else:
            path.write_text(json.dumps(content), "utf8")
    return folder


def table(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / name)
    return folder


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    pil.new("RGB", (8, 8), colour).save(out, "JPEG")
    return out.getvalue()


CIRR = [
    {
        "pairid": 12,
        "reference": "dev-1-0-img0",
        "target_hard": "dev-2-0-img1",
        "target_soft": {"dev-2-0-img1": 1.0},
        "caption": "Show three bottles.",
        "img_set": {"id": 1, "members": ["dev-1-0-img0", "dev-2-0-img1", "dev-3-0-img0"], "reference_rank": 0},
    }
]


def test_cirr(tmp_path: Path) -> None:
    names = {f"dev-{number}": f"./dev/dev-{number}.png" for number in ("1-0-img0", "2-0-img1", "3-0-img0", "4-0-img0")}
    write(tmp_path, {"captions/cap.rc2.val.json": CIRR, "image_splits/split.rc2.val.json": names})
    write(tmp_path, {path: picture("red") for path in names.values()})
    benchmark = load("cirr", tmp_path)
    assert benchmark.qrels == {"12": {"dev-2-0-img1": 1.0}}
    assert benchmark.left_out == {"12": {"dev-1-0-img0"}}
    assert check(benchmark).items == 4
    subset = load("cirr", tmp_path, "val.subset")
    assert subset.pools == {"12": {"dev-2-0-img1", "dev-3-0-img0"}}
    assert subset.measures[0] == "R_subset@1"
    write(tmp_path, {"captions/cap.rc2.val.json": [CIRR[0] | {"reference": "gone"}]})
    with pytest.raises(BenchmarkError, match="field 'gone' is missing"):
        load("cirr", tmp_path)


def test_circo_streams_the_coco_metadata(tmp_path: Path) -> None:
    entry = {"reference_img_id": 1, "relative_caption": "is red", "shared_concept": "car", "id": 0}
    metadata = {"info": {}, "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in (1, 2)], "licenses": []}
    base = "COCO2017_unlabeled"
    write(
        tmp_path,
        {
            "annotations/val.json": [entry | {"gt_img_ids": [2], "target_img_id": 2, "semantic_aspects": ["negation"]}],
            f"{base}/annotations/image_info_unlabeled2017.json": metadata,
            f"{base}/unlabeled2017/000000000001.jpg": picture("red"),
        },
    )
    with pytest.raises(BenchmarkError, match=r"circo val: 1 files are missing: .*000000000002\.jpg"):
        check(load("circo", tmp_path))
    write(tmp_path, {f"{base}/unlabeled2017/000000000002.jpg": picture("blue")})
    assert check(load("circo", tmp_path)).items == 2


def test_mmeb(tmp_path: Path) -> None:
    row = {
        "qry_inst": "<|image_1|>\nFind a caption.",
        "qry_text": "",
        "qry_img_path": "a.jpg",
        "tgt_inst": "",
        "tgt_text": ["a dog", "a cat"],
        "tgt_img_path": ["", ""],
    }
    table(
        tmp_path, "VisDial/test-00000-of-00001.parquet", [row, row | {"qry_text": "x", "tgt_text": ["a cat", "a dog"]}]
    )
    write(tmp_path, {"images/a.jpg": picture("red")})
    benchmark = load("mmeb", tmp_path, "VisDial")
    assert benchmark.queries["0"].instruction == "Find a caption."
    assert [type(part) for part in benchmark.queries["0"].parts] == [Image]
    dog, cat = benchmark.items()
    assert (dog.text, cat.text) == ("a dog", "a cat")
    assert benchmark.qrels == {"0": {dog.id: 1.0}, "1": {cat.id: 1.0}}  # the first target is the right one
    assert check(benchmark).items == 2


def test_mmdocir_tables(tmp_path: Path) -> None:
    question = {"Q": "How many?", "A": "3", "type": "['Table']", "page_id": [1]}
    question["layout_mapping"] = [{"page": 1, "page_size": [100, 200], "bbox": [10, 20, 30, 40]}]
    line = {"doc_name": "a.pdf", "domain": "News", "page_indices": [5, 6], "layout_indices": [9, 9]}
    write(tmp_path, {"MMDocIR_annotations.jsonl": ({**line, "questions": [question]},)})
    pages = [
        {"doc_name": name, "image_binary": picture("red"), "ocr_text": "w"} for name in ("a.pdf", "a.pdf", "b.pdf")
    ]
    table(tmp_path, "MMDocIR_pages.parquet", pages)
    layout = {"doc_name": "a.pdf", "type": "table", "page_id": 1, "image_binary": picture("red"), "text": None}
    layout |= {"ocr_text": "3 birds", "bbox": [10, 20, 30, 40], "page_size": [100, 200]}
    table(tmp_path, "MMDocIR_layouts.parquet", [layout])
    assert check(load("mmdocir", tmp_path)).items == 3
    benchmark = load("mmdocir", tmp_path, "layouts")
    (item,) = benchmark.items()
    assert benchmark.pools["a.pdf-q0"] == {item.id}
    assert item.locator == benchmark.places["a.pdf-q0"][0]
    assert item.text == "3 birds"
    found = ranking({"a.pdf-q0": [item.id]})
    assert evaluate(found, benchmark).values == {"layout_recall@5": 1.0}
    with pytest.raises(EvaluationError, match="R@5 asks which items are relevant, but only places are judged"):
        evaluate(found, benchmark, ["layout_recall@5", "R@5"])
    question["page_id"] = [2]
    write(tmp_path, {"MMDocIR_annotations.jsonl": ({**line, "questions": [question]},)})
    with pytest.raises(
        BenchmarkError, match=r"line 1: field 'questions\.0\.page_id' is \[2\], but the document has pages"
    ):
        load("mmdocir", tmp_path)


def test_inquire(tmp_path: Path) -> None:
    header = ",query_id,query_text,supercategory,category,iconic_group\n"
    write(
        tmp_path,
        {
            "inquire_queries_test.csv": header + "0,3,A mongoose,Behavior,Defense,\n",
            "inquire_annotations.csv": "query_id,image_id,image_path\n3,7,train/7.jpg\n99,8,train/8.jpg\n",
            "train.json": {"images": [{"id": 7, "file_name": "train/7.jpg"}, {"id": 8, "file_name": "train/8.jpg"}]},
            "train/7.jpg": picture("red"),
            "train/8.jpg": picture("red"),
        },
    )
    benchmark = load("inquire", tmp_path)
    assert benchmark.qrels == {"3": {"7": 1.0}}
    assert benchmark.gold["3"].labels == {"supercategory": ("Behavior",), "category": ("Defense",)}
    assert check(benchmark).items == 2
    image = {"bytes": picture("red"), "path": None}
    rows = [
        {"query": "q", "relevant": right, "inat24_image_id": name, "image": image} for name, right in ((7, 1), (8, 0))
    ]
    table(tmp_path, "data/test-00000-of-00001.parquet", rows)
    rerank = load("inquire-rerank", tmp_path)
    assert rerank.qrels == {"q": {"7": 1.0, "8": 0.0}}
    assert rerank.pools == {"q": {"7", "8"}}
    assert check(rerank).items == 2


def test_karpathy_splits(tmp_path: Path) -> None:
    sentences = [{"raw": "a port .", "tokens": ["a", "port"]}, {"raw": "ships", "tokens": ["ships"]}]
    images = [{"filename": "port_1.tif", "split": "test", "sentences": sentences}]
    images.append({"filename": "port_2.tif", "split": "train", "sentences": []})
    write(tmp_path, {"dataset_rsicd.json": {"images": images, "dataset": "rsicd"}, "images/port_1.tif": picture("red")})
    benchmark = load("karpathy", tmp_path)
    assert {name: query.text for name, query in benchmark.queries.items()} == {
        "port_1.tif#0": "a port .",
        "port_1.tif#1": "ships",
    }
    assert check(benchmark).items == 1
    with pytest.raises(BenchmarkError, match="field 'split' is 'val' for no picture"):
        load("karpathy", tmp_path, "val")


def test_momentseeker_chunks_and_spans(tmp_path: Path) -> None:
    chunks = [{"output_path": f"clips/film/{start}_{start + 10}.mp4", "frame_path": ""} for start in (0, 10, 20)]
    asked = {"qry_text": "a cat jumps", "qry_img_path": "", "qry_video_path": "q.mp4"}
    write(tmp_path, {"tv2v.json": [asked | {"candidate_video_list": chunks, "gt_indices": [1]}]})
    benchmark = load("momentseeker", tmp_path, "tv2v")
    assert benchmark.qrels == {"0": {"clips/film/10_20.mp4": 1.0}}
    place = benchmark.places["0"][0]
    assert (place.source, place.start, place.end) == ("film", 10.0, 20.0)
    assert [type(part) for part in benchmark.queries["0"].parts] == [Text, Video]
    spans = {"src_video_path": "film.mp4", "answering_time_interval": [[1, 2.5], [7, 9]], "task": "Event"}
    write(tmp_path, {"t2v.json": [asked | spans]})
    second = load("momentseeker", tmp_path)
    assert [(place.start, place.end) for place in second.places["0"]] == [(1.0, 2.5), (7.0, 9.0)]
    assert [item.locator.end for item in second.items()] == [9.0], "the file alone says how long a video is"
    write(tmp_path, {"t2v.json": [asked | spans | {"answering_time_interval": [[3, 1]]}]})
    with pytest.raises(BenchmarkError, match=r"entry 1: field 'answering_time_interval\.0' ends at 1, before"):
        load("momentseeker", tmp_path)


def test_momentseeker_cuts_videos_into_chunks_of_ten_seconds(tmp_path: Path) -> None:
    shutil.copy(shared("video/moments") / "album1.mp4", tmp_path / "film.mp4")
    asked = {"qry_text": "a cat jumps", "src_video_path": "film.mp4", "answering_time_interval": [[8, 18], [41, 47]]}
    write(tmp_path, {"t2v.json": [asked, asked | {"answering_time_interval": [[12, 19]]}]})
    benchmark = load("momentseeker", tmp_path)
    chunks = [item.locator for item in benchmark.items()]
    assert [chunk.start for chunk in chunks] == [10.0 * number for number in range(len(chunks))]
    assert check(benchmark).items == len(chunks)
    assert chunks[-1].end == pytest.approx(158)
    assert benchmark.qrels["0"] == {"film.mp4#0": 1.0, "film.mp4#1": 1.0, "film.mp4#4": 1.0}
    assert benchmark.pools["1"] == {item.id for item in benchmark.items()}
    found = ranking({"0": ["film.mp4#4"], "1": ["film.mp4#0", "film.mp4#1"]})
    values = evaluate(found, benchmark)
    assert values.per_query["moment_R@1"].tolist() == [1, 0]
    assert values.per_query["moment_mAP_graded@5"][1] == pytest.approx(0.7 / 2 * 0.7)
    write(tmp_path, {"t2v.json": [asked | {"answering_time_interval": [[170, 180]]}]})
    with pytest.raises(BenchmarkError, match="shares no time with the 16 chunks of the video"):
        load("momentseeker", tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(BenchmarkError, match=r"film\.mp4: is no readable recording"):
        load("momentseeker", tmp_path)


def test_several_needles(tmp_path: Path) -> None:
    import pickle

    entry = {"id": 0, "image_ids": ["images_stitched/2_2/a.jpg", "images_stitched/2_2/b.jpg"]}
    entry |= {"index": [1, -1], "row": [0, -1], "col": [1, -1], "target": ["val2014/x.jpg", "val2014/y.jpg"]}
    captions = pickle.dumps({"x.jpg": "a dog", "y.jpg": "a cat"})
    write(tmp_path, {"metadata_stitched/2_annotations_2_2_2.json": [entry]})
    write(tmp_path, {"metadata_stitched/file_to_caption.pkl": captions})
    write(tmp_path, {name: picture("red") for name in entry["image_ids"]})  # type: ignore[union-attr]
    benchmark = load("mmneedle", tmp_path, "2_annotations_2_2_2")
    assert benchmark.gold["0"].answers == ("2, 1, 2; -1",)
    assert benchmark.places["0"][0].box == (0.5, 0.0, 1.0, 0.5)
    assert check(benchmark).items == 2


def test_visual_haystacks(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Is there a dog?"}, {"from": "gpt", "value": "yes"}]
    entry = {"conversations": turns, "pos_image": ["val2017/1.jpg"], "neg_image": ["val2017/2.jpg"]}
    write(tmp_path, {"VHs_qa/single_needle/VHs_large/visual_haystack_10.json": [entry]})
    write(tmp_path, {"val2017/1.jpg": picture("red"), "val2017/2.jpg": picture("red")})
    benchmark = load("visual-haystacks", tmp_path)
    assert benchmark.gold["0"].answers == ("yes",)
    assert benchmark.pools == {"0": {"val2017/1.jpg", "val2017/2.jpg"}}
    assert check(benchmark).judgements == 1


def test_mrag_bench(tmp_path: Path) -> None:
    red, blue = ({"bytes": picture(colour), "path": None} for colour in ("red", "blue"))
    row = {"id": "1", "aspect": "Perspective", "scenario": "Angle", "image": red, "gt_images": [blue, red]}
    row |= {"question": "Which?", "A": "a", "B": "b", "C": "c", "D": "d", "answer_choice": "B"}
    table(tmp_path, "data/test-00000-of-00001.parquet", [row, row | {"id": "2", "gt_images": [blue]}])
    benchmark = load("mrag-bench", tmp_path)
    assert benchmark.gold["1"].answers == ("B",)
    assert benchmark.gold["1"].options == ("a", "b", "c", "d")
    assert benchmark.qrels["2"].keys() < benchmark.qrels["1"].keys()
    assert check(benchmark).items == 2  # one picture supports both questions
    table(tmp_path, "data/test-00000-of-00001.parquet", [row | {"answer_choice": "E"}])
    with pytest.raises(BenchmarkError, match="row 1: field 'answer_choice' must be one of A, B, C, D, not 'E'"):
        load("mrag-bench", tmp_path)


def test_video_mme(tmp_path: Path) -> None:
    row = {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Law",
        "url": "",
        "videoID": "x",
    }
    row |= {"question_id": "001-1", "task_type": "OCR Problems", "question": "What?", "answer": "C"}
    options = ["A. Apples.", "B. Pears.", "C. 3.5 figs.", "D. None"]
    table(tmp_path, "videomme/test-00000-of-00001.parquet", [row | {"options": options}])
    write(tmp_path, {"data/x.mp4": b"film"})
    benchmark = load("video-mme", tmp_path, "short")
    assert benchmark.gold["001-1"].options == ("Apples.", "Pears.", "3.5 figs.", "None")
    assert benchmark.gold["001-1"].labels["domain"] == ("Knowledge",)
    assert check(benchmark).items == 1
    assert not load("video-mme", tmp_path, "long").queries


def test_mmir(tmp_path: Path) -> None:
    write(
        tmp_path, {"questions_mcq.json": [{"source": "web page", "descs": "1. a title\n2. a price", "gt_ans": [1, 2]}]}
    )
    benchmark = load("mmir", tmp_path)
    assert benchmark.gold["0"].answers == ("1", "2")
    assert benchmark.gold["0"].labels == {"source": ("web",)}


def test_mmsearch(tmp_path: Path) -> None:
    row: dict[str, Any] = {"sample_id": "s1", "query": "When?", "query_image": None, "area": "news", "subfield": "film"}
    row |= {"gt_requery": "release date", "gt_answer": "May 1", "alternative_gt_answers": ["1 May"]}
    table(tmp_path, "end2end/end2end.parquet", [row])
    assert load("mmsearch", tmp_path).gold["s1"].answers == ("May 1", "1 May")
    row |= {"valid": [2], "not_sure": [0], "invalid": [1, 3, 4, 5, 6, 7]}
    for site in range(8):
        row[f"website{site}_info"] = {"title": f"title {site}", "snippet": "words", "url": "example.org"}
        row[f"website{site}_head_screenshot"] = {"bytes": picture("red"), "path": None}
    table(tmp_path, "rerank/rerank.parquet", [row])
    benchmark = load("mmsearch", tmp_path, "rerank")
    assert {name: gain for name, gain in benchmark.qrels["s1"].items() if gain} == {"s1:2": 1.0, "s1:0": 0.5}
    assert check(benchmark).items == 8


def test_m_longdoc(tmp_path: Path) -> None:
    entry = {"question": "What?", "source": "it's.pdf", "page": 3, "category": "table", "domain": "academic"}
    write(tmp_path, {"test.jsonl": (entry,)})
    benchmark = load("m-longdoc", tmp_path)
    assert benchmark.qrels == {"0": {"it's.pdf#2": 1.0}}
    assert benchmark.queries["0"].where == "source = 'it''s.pdf'"
    write(tmp_path, {"test.jsonl": (entry, entry | {"page": 0})})
    with pytest.raises(BenchmarkError, match="line 2: field 'page' must count from 1"):
        load("m-longdoc", tmp_path)


def test_mramg(tmp_path: Path) -> None:
    asked = {"id": "q1", "question": "How?", "ground_truth": "Cut. <PIC>", "provenance": ["d1"], "images_list": ["p2"]}
    write(tmp_path, {"recipe_mqa.jsonl": (asked,), "doc_recipe.jsonl": (["d1", "Wash.<PIC>Cut.<PIC>", ["p1", "p2"]],)})
    write(tmp_path, {f"IMAGE/images/RECIPE/{name}.jpg": picture("red") for name in ("p1", "p2")})
    benchmark = load("mramg", tmp_path, "recipe")
    (item,) = benchmark.items()
    assert [type(part) for part in item.parts] == [Text, Image, Text, Image]
    assert benchmark.gold["q1"].images == ("p2",)
    assert check(benchmark).items == 1
    write(tmp_path, {"doc_recipe.jsonl": (["d1", "Wash.<PIC>", ["p1", "p2"]],)})
    with pytest.raises(BenchmarkError, match="line 1: field 'pictures' has 2 entries, but the text has 1 <PIC>"):
        list(benchmark.items())


def test_mmie(tmp_path: Path) -> None:
    blocks = [{"text": "Which?", "image": None}, {"text": None, "image": "images/a.jpg"}]
    entry = {"id": "x-MSR-1", "question": blocks, "answer": [], "gt_answer": [{"text": "B", "image": None}]}
    write(tmp_path, {"data.json": [entry], "images/a.jpg": picture("red")})
    benchmark = load("mmie", tmp_path)
    assert [type(part) for part in benchmark.queries["x-MSR-1"].parts] == [Text, Image]
    assert benchmark.gold["x-MSR-1"].answers == ("B",)
    assert check(benchmark).queries == 1


def test_entities_with_pictures(tmp_path: Path) -> None:
    mention = {"mentions": "Best", "sentence": "Best in 1968", "imgPath": "m.jpg", "entities": "G B", "answer": "Q1"}
    entity = {"id": 0, "qid": "Q1", "entity_name": "George Best", "desc": "footballer", "image_list": ["e.jpg"]}
    write(tmp_path, {"WIKIMEL_test.json": [mention, mention | {"answer": "nil"}], "kb_entity.json": [entity]})
    write(tmp_path, {"mention_image/m.jpg": picture("red"), "kb_image/e.jpg": picture("red")})
    benchmark = load("mel-mimic", tmp_path)
    assert list(benchmark.queries) == ["0"]
    assert next(benchmark.items()).text == "George Best\nfootballer"
    assert check(benchmark).items == 1


def test_trec_folder_with_corpus(tmp_path: Path) -> None:
    write(tmp_path, {"topics.robust.txt": "<top>\n<num> Number: 301\n<title> crime\n</top>\n"})
    write(tmp_path, {"qrels.robust.txt": "301 0 FT1 1\n301 0 FT2 0\n"})
    write(tmp_path, {"corpus.jsonl": ({"id": "FT1", "contents": "a theft"}, {"id": "FT2", "contents": "a fair"})})
    assert check(load("trec", tmp_path)).items == 2


def test_m_beir_mixes_words_and_pictures(tmp_path: Path) -> None:
    query = {"qid": "2:1", "query_txt": "Is it red?", "query_img_path": None, "query_modality": "text", "task_id": 2}
    pool = [
        {"did": "2:5", "txt": "a barn", "img_path": "mbeir_images/barn.jpg", "modality": "image,text"},
        {"did": "0:7", "txt": "news", "img_path": None, "modality": "text"},
    ]
    header = "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\n"
    files = {
        "query/test/mbeir_webqa_task2_test.jsonl": (query,),
        "qrels/test/mbeir_webqa_task2_test_qrels.txt": "2:1 0 2:5 1 2\n",
        "cand_pool/global/mbeir_union_test_cand_pool.jsonl": tuple(pool),
        "instructions/query_instructions.tsv": header + "text\timage,text\tWebQA\t2\tFind a picture that answers.\n",
        "mbeir_images/barn.jpg": picture("red"),
    }
    benchmark = load("m-beir-global", write(tmp_path, files), "webqa_task2")
    assert benchmark.queries["2:1"].instruction == "Find a picture that answers."
    assert [[type(part) for part in item.parts] for item in benchmark.items()] == [[Image, Text], [Text]]
    assert check(benchmark).items == 2
    write(tmp_path, {"query/test/mbeir_webqa_task2_test.jsonl": (query | {"task_id": 1},)})
    with pytest.raises(
        BenchmarkError, match="line 1: field 'task_id' has no instruction for text → text in data set 2"
    ):
        load("m-beir-global", tmp_path, "webqa_task2")
