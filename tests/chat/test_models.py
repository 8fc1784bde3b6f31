"""Chats with a real, tiny model: in this process, and served by another one; and with a server that misbehaves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bowerbird.chat import CitedText, Message, OpenAIChat
from bowerbird.chat.cited import cited_reply
from bowerbird.errors import ChatError
from bowerbird.items import Image
from tests.chat import tiny_model
from tests.servers.process import running

HELLO = [Message.of("user", "Hello")]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("torch", reason="needs torch and transformers: pip install 'bowerbird[train]'")
    pytest.importorskip("transformers", reason="needs torch and transformers: pip install 'bowerbird[train]'")
    return tiny_model.make(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def server(model: str) -> Iterator[str]:
    with running("chat", model) as url:
        yield url


@pytest.fixture(scope="module")
def faults() -> Iterator[str]:
    with running("faults") as url:
        yield url


def picture() -> Image:
    from PIL import Image as pil

    return Image.from_pil(pil.new("RGB", (8, 8), "red"))


@pytest.mark.parametrize(("question", "answer"), tiny_model.QUESTIONS.items())
def test_served_and_local_say_the_same(server: str, model: str, question: str, answer: str) -> None:
    from bowerbird.chat.local import TransformersChat

    messages = tiny_model.conversation(question)
    served = list(OpenAIChat(server, "tiny").reply(messages, max_tokens=60))
    local = list(TransformersChat(model).reply(messages, max_tokens=60))
    assert "".join(served) == "".join(local) == answer
    assert len(served) > 2
    assert len(local) > 2


def test_cited_answer_from_a_server(server: str) -> None:
    reader = CitedText({source.number for source in tiny_model.EVIDENCE})
    chat = OpenAIChat(server, "tiny")
    shown = [reader.feed(piece) for piece in chat.reply(tiny_model.conversation("What colour is the boat?"))]
    last, reply = reader.finish()
    assert "".join(shown) + last == reply.text == "It is réd ⛵ [2], and not blue."
    assert reply.cited == (2,)
    assert reply.supported
    refusal = "".join(chat.reply(tiny_model.conversation("Who is the king?")))
    assert not cited_reply(refusal, {1, 2}).supported


def test_stop_words_and_limits(server: str, model: str) -> None:
    from bowerbird.chat.local import TransformersChat

    messages = tiny_model.conversation("Which quarter was best?")
    local = TransformersChat(model)
    assert "".join(local.reply(messages, stop=["arter ["])) == "The second qu"
    assert len("".join(local.reply(messages, max_tokens=2))) < len("The second quarter")
    assert len("".join(OpenAIChat(server, "tiny").reply(messages, max_tokens=2))) < len("The second quarter")
    assert "[1]" not in "".join(OpenAIChat(server, "tiny").reply(messages, stop=["quarter"]))
    warm = local.reply(messages, temperature=1.0, max_tokens=3)
    assert next(warm)
    warm.close()  # type: ignore[attr-defined]


def test_models_without_eyes_say_so(server: str, model: str) -> None:
    from bowerbird.chat.local import TransformersChat

    message = [Message.of("user", "What is this?", picture())]
    with pytest.raises(ChatError, match=r"400.*reads no pictures"):
        list(OpenAIChat(server, "tiny").reply(message))
    with pytest.raises(ChatError, match="reads no pictures here"):
        list(TransformersChat(model).reply(message))


@pytest.mark.parametrize("how", ["fine", "busy-then-fine", "dropped-then-fine"])
def test_asks_again_before_the_first_piece(faults: str, how: str) -> None:
    chat = OpenAIChat(faults, how, attempts=3, pause_s=0.01)
    assert "".join(chat.reply(HELLO)) == "The answer is 4 [1]."


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("always-busy", r"429.*limits requests"),
        ("broken", r"500.*out of memory"),
        ("no-json", "replied with text/html"),
        ("cut", "broke off in the middle"),
        ("error-inside", "the model died"),
        ("no-chunk", "no chat chunk.*oops"),
        ("stalls", r"silent for 0\.5 s"),
        ("silent", r"silent for 0\.5 s"),
    ],
)
def test_what_went_wrong_is_named(faults: str, how: str, message: str) -> None:
    start = time.monotonic()
    pieces: list[str] = []
    with pytest.raises(ChatError, match=message):
        pieces.extend(OpenAIChat(faults, how, timeout_s=0.5, attempts=2, pause_s=0.01).reply(HELLO))
    assert pieces == (["The answer "] if how in {"cut", "error-inside", "no-chunk", "stalls"} else [])
    assert time.monotonic() - start < 3


def test_key_is_sent_but_never_shown(faults: str) -> None:
    chat = OpenAIChat(faults, "forbidden", api_key="sk-secret")
    with pytest.raises(ChatError, match=r"401.*Bearer \*\*\*") as caught:
        list(chat.reply(HELLO))
    assert "sk-secret" not in f"{caught.value!r} {chat!r}"


def test_key_that_no_header_may_hold_is_not_shown(faults: str) -> None:
    with pytest.raises(ChatError) as caught:
        list(OpenAIChat(faults, "fine", api_key="sk-\nsecret").reply(HELLO))
    assert "secret" not in str(caught.value)
