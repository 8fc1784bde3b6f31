"""Loaders of real models, on tiny models of the same architectures with random weights, saved as real ones are."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from bowerbird.encoders import Encoder
from bowerbird.encoders.base import Input
from bowerbird.errors import BowerbirdError, ReadError
from bowerbird.items import Audio, Image, Text

pytest.importorskip("transformers", reason="needs pip install 'bowerbird[clip]'")
pytest.importorskip("torch", reason="needs pip install 'bowerbird[clip]'")

from bowerbird.encoders import clap as clap_loader
from bowerbird.encoders import clip as clip_loader
from bowerbird.encoders import colpali as colpali_loader
from bowerbird.encoders import sentence_transformers as st_loader
from bowerbird.encoders.sound import decode
from tests.encoders import tiny_models

WORDS = (Text("a red boat"),)
OTHER = (Text("the report of the second quarter"),)


def picture(side: int = 40, seed: int = 0) -> Image:
    from PIL import Image as pil

    pixels = np.random.default_rng(seed).integers(0, 255, (side, side + 20, 3), np.uint8)
    return Image.from_pil(pil.fromarray(pixels))


def sound(seconds: float, hertz: float = 440.0, rate: int = 8_000) -> bytes:
    """A sine as a WAV file."""
    out = io.BytesIO()
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


def dense(encoder: Encoder, *batch: tuple[Text | Image | Audio, ...], items: bool = False) -> np.ndarray:
    found = (encoder.encode_items if items else encoder.encode_queries)(batch).dense
    assert found is not None
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(batch), encoder.dim)
    return found.vectors


def check_joint(encoder: Encoder, medium: Image | Audio, kind: Input) -> None:
    """What every model of one space must do with words, a medium, both, and nothing."""
    assert encoder.inputs == {"text", kind}
    words, alone, both, none, other = dense(encoder, WORDS, (medium,), (*WORDS, medium), (), OTHER)
    np.testing.assert_allclose(np.linalg.norm([words, alone, both, other], axis=1), 1, atol=1e-5)
    assert not none.any()
    assert words @ other < 0.99999
    np.testing.assert_allclose(both, (words + alone) / np.linalg.norm(words + alone), atol=1e-5)
    item, plain = dense(encoder, (*WORDS, medium), WORDS, items=True)
    np.testing.assert_allclose(item, alone, atol=1e-5)  # an item is its medium
    np.testing.assert_allclose(plain, words, atol=1e-5)
    assert dense(encoder).shape == (0, encoder.dim)


@pytest.mark.parametrize("make", [tiny_models.clip, tiny_models.siglip])
def test_clip(tmp_path: Path, make) -> None:
    encoder = clip_loader.load(make(tmp_path))
    check_joint(encoder, picture(), "image")
    one, two = dense(encoder, (picture(seed=1),), (picture(seed=2),))
    assert one @ two < 0.99999
    long = (Text("a red boat on the sea " * 40),)
    assert np.isfinite(dense(encoder, long)).all()


def test_clip_agrees_with_the_model_itself(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoProcessor

    folder = tiny_models.clip(tmp_path)
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    inputs = processor(text=["a red boat"], images=[picture().open()], return_tensors="pt")
    with torch.inference_mode():
        output = model.eval()(**inputs)
    encoder = clip_loader.load(folder)
    np.testing.assert_allclose(dense(encoder, WORDS), output.text_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(dense(encoder, (picture(),)), output.image_embeds.numpy(), atol=1e-5)


def test_ids_tell_weights_apart(tmp_path: Path) -> None:
    import torch
    from transformers import CLIPModel

    folder = tiny_models.clip(tmp_path)
    first, again = clip_loader.load(folder).id, clip_loader.load(folder).id
    model = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        model.text_projection.weight[0, 0] += 1e-3
    model.save_pretrained(folder)
    assert first == again
    assert clip_loader.load(folder).id.weights != first.weights


def test_clap(tmp_path: Path) -> None:
    encoder = clap_loader.load(tiny_models.clap(tmp_path))
    check_joint(encoder, Audio(sound(0.7)), "audio")
    low, high, again = dense(encoder, (Audio(sound(2.7)),), (Audio(sound(2.7, 3000)),), (Audio(sound(2.7)),))
    np.testing.assert_array_equal(low, again)  # long sounds are cut at fixed places
    assert low @ high < 0.99999
    assert not dense(encoder, (Audio(sound(1.0), start=5.0),)).any()


def test_sound_is_cut_and_resampled(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(sound(3.0, hertz=500))
    samples = decode(Audio(str(path), start=1.0, end=1.5), 16_000)
    assert abs(len(samples) - 8_000) < 200
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(500 * len(samples) / 16_000, abs=2)
    with pytest.raises(ReadError, match="not a readable sound"):
        decode(Audio(b"RIFF nothing"), 16_000)


@pytest.mark.parametrize("make", [tiny_models.colpali, tiny_models.colqwen2])
def test_colpali(tmp_path: Path, make) -> None:
    encoder = colpali_loader.load(make(tmp_path))
    queries = encoder.encode_queries([WORDS, (picture(),), (*WORDS, picture()), (), OTHER]).tokens
    assert queries is not None
    assert queries.dim == encoder.dim == 16
    words, seen, both, none, other = queries.lengths
    assert none == 0
    assert both == words + seen
    assert words < other
    np.testing.assert_allclose(np.linalg.norm(queries.vectors, axis=1), 1, atol=1e-5)
    pages = encoder.encode_items([(picture(), Text("words of the page")), WORDS, (picture(120),)]).tokens
    assert pages is not None
    assert pages.lengths[0] == seen
    assert pages.lengths[1] == 0
    np.testing.assert_allclose(pages[0], queries[1], atol=1e-5)
    (alone,) = [encoder.encode_queries([WORDS]).tokens]
    np.testing.assert_allclose(alone[0], queries[0], atol=1e-4)  # padding beside a longer query changes nothing


def test_sentence_transformers(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs pip install 'bowerbird[sentence-transformers]'")
    from sentence_transformers import SentenceTransformer

    folder = tiny_models.sentence_transformer(tmp_path)
    encoder = st_loader.load(folder)
    assert encoder.inputs == {"text"}
    question, none = dense(encoder, WORDS, (picture(),))
    assert not none.any()
    reference = SentenceTransformer(folder)
    np.testing.assert_allclose(question, reference.encode("query: a red boat", normalize_embeddings=True), atol=1e-5)
    (passage,) = dense(encoder, WORDS, items=True)
    np.testing.assert_allclose(passage, reference.encode("passage: a red boat", normalize_embeddings=True), atol=1e-5)
    assert dict(encoder.id.settings) == {"prompt query": "query: ", "prompt document": "passage: "}
    assert encoder.count_tokens("a red boat") == 3


@pytest.mark.parametrize("loader", [clip_loader, clap_loader, colpali_loader, st_loader])
def test_what_cannot_be_loaded_is_named(tmp_path: Path, loader) -> None:
    with pytest.raises(BowerbirdError, match="needs a model"):
        loader.load("")
    (tmp_path / "config.json").write_text('{"model_type": "bert"')
    with pytest.raises(BowerbirdError, match=tmp_path.name):
        loader.load(str(tmp_path))


def test_other_members_of_the_colpali_family_are_pointed_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "idefics3"}')
    with pytest.raises(BowerbirdError, match="colpali:CLASS@"):
        colpali_loader.load(str(tmp_path))
