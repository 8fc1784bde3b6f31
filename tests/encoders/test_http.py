"""The HTTP encoder against real server processes: one with the default encoder, one that misbehaves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from bowerbird.encoders import e5
from bowerbird.encoders.http import BATCH, HttpEncoder, load
from bowerbird.endpoint import Endpoint, EndpointError
from bowerbird.items import Text
from tests.servers.process import running


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running("embeddings") as url:
        yield url


@pytest.fixture(scope="module")
def faults() -> Iterator[str]:
    with running("faults") as url:
        yield url


def encoder(url: str, how: str, key: str | None = None) -> HttpEncoder:
    return HttpEncoder(Endpoint(url, key, timeout_s=0.5, attempts=3, pause_s=0.01), how)


def test_same_vectors_as_in_process(server: str) -> None:
    found = load(f"{server}#e5")
    texts = ["Where is the boat?", "", *(f"line {number}" for number in range(BATCH + 3))]
    vectors = found.encode_queries([(Text(text),) for text in texts]).dense.vectors
    expected = e5.load().encode_queries([(Text(text),) for text in texts]).dense.vectors
    assert found.dim == 384
    assert found.inputs == {"text"}
    assert not vectors[1].any()
    assert (vectors * expected).sum(axis=1)[np.arange(len(texts)) != 1].min() > 0.99  # int8: batches differ a little
    assert found.id.spec == f"http:{server}#e5"
    assert found.id.weights == "e5/384"
    assert found.encode_items([]).dense.vectors.shape == (0, 384)


def test_unknown_model(server: str) -> None:
    with pytest.raises(EndpointError, match=r"404.*no model 'e6'.*check the base URL"):
        _ = load(f"{server}#e6").dim


@pytest.mark.parametrize("how", ["busy-then-fine", "dropped-then-fine"])
def test_asks_again(faults: str, how: str) -> None:
    vectors = encoder(faults, how).encode_items([(Text("a"),)]).dense.vectors
    np.testing.assert_allclose(vectors, [[0.6, 0.8, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("always-busy", r"429.*call 3\).*limits requests"),
        ("broken", r"500.*out of memory, call 3"),
        ("no-json", "no JSON.*OpenAI-compatible"),
        ("too-few", "vectors for"),
        ("not-numbers", "could not convert|finite numbers"),
        ("elsewhere", "redirects to 127.0.0.2:9"),
    ],
)
def test_what_went_wrong_is_named(faults: str, how: str, message: str) -> None:
    with pytest.raises(EndpointError, match=message):
        encoder(faults, how).encode_items([(Text("a"),)])


def test_wrong_dimensions(faults: str) -> None:
    with pytest.raises(EndpointError, match="unlike length"):
        encoder(faults, "ragged").encode_items([(Text("a"),), (Text("b"),)])
    changing = encoder(faults, "shrinking")
    assert changing.dim == 3
    with pytest.raises(EndpointError, match="the model behind the name has changed"):
        changing.encode_items([(Text("a"),)])


def test_silent_server(faults: str) -> None:
    start = time.monotonic()
    with pytest.raises(EndpointError, match=r"silent for 0\.5 s"):
        encoder(faults, "silent").encode_items([(Text("a"),)])
    assert time.monotonic() - start < 3


def test_key_is_sent_but_never_shown(faults: str) -> None:
    secret = encoder(faults, "forbidden", key="sk-secret")
    with pytest.raises(EndpointError, match=r"401.*Bearer \*\*\*.*BOWERBIRD_API_KEY") as caught:
        _ = secret.dim
    assert "sk-secret" not in f"{caught.value!r} {secret._endpoint!r}"


def test_no_server() -> None:
    with pytest.raises(EndpointError, match=r"cannot be reached.*check that the server runs"):
        _ = load("http://127.0.0.1:9/v1#e5").dim


@pytest.mark.parametrize("argument", ["", "http://localhost:1/v1", "ftp://host/v1#m", "http://me:pass@host/v1#m"])
def test_bad_spec(argument: str) -> None:
    with pytest.raises(EndpointError) as caught:
        load(argument)
    assert "pass@" not in str(caught.value)
