"""Searches that wait are answered together, each as it would be alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bowerbird.server.problems import Refused
from bowerbird.server.together import MOST, Together
from tests.server.serving import Server, found


def test_calls_that_wait_share_a_batch_with_those_of_their_key() -> None:
    batches: list[tuple[str, list[int]]] = []
    first, go = threading.Event(), threading.Event()

    def answer(key: str, given: Sequence[int]) -> list[int | Exception]:
        first.set()
        go.wait()
        batches.append((key, list(given)))
        return [ValueError(number) if number == 3 else 10 * number for number in given]

    async def calls() -> list[int | BaseException]:
        together = Together[str, int, int]("test", answer, threads=1, waiting=100, seconds=60)
        tasks = [asyncio.create_task(together("a", 0))]
        await asyncio.to_thread(first.wait)
        tasks += [asyncio.create_task(together("b" if number == 2 else "a", number)) for number in range(1, MOST + 5)]
        await asyncio.sleep(0)
        assert together.pending == MOST + 5
        go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        while together.pending:
            await asyncio.sleep(0.01)
        return answers

    answers = asyncio.run(calls())
    rest = [number for number in range(1, MOST + 5) if number != 2]
    assert batches == [("a", [0]), ("a", rest[:MOST]), ("b", [2]), ("a", rest[MOST:])]
    assert isinstance(answers.pop(3), ValueError)
    assert answers == [10 * number for number in range(MOST + 5) if number != 3]


def test_too_many_and_too_slow_calls_are_refused() -> None:
    go = threading.Event()

    def answer(key: str, given: Sequence[int]) -> list[int | Exception]:
        go.wait()
        return list(given)

    async def calls() -> list[int]:
        together = Together[str, int, int]("test", answer, threads=1, waiting=1, seconds=0.05)
        outcomes = await asyncio.gather(*(together("a", number) for number in range(5)), return_exceptions=True)
        go.set()
        assert all(isinstance(one, Refused) for one in outcomes)
        while together.pending:
            await asyncio.sleep(0.01)
        return [one.status for one in outcomes if isinstance(one, Refused)]

    assert sorted(asyncio.run(calls())) == [429, 429, 429, 503, 503]


def test_a_failing_batch_fails_all_that_are_in_it() -> None:
    def answer(key: str, given: Sequence[int]) -> list[int | Exception]:
        raise KeyError(key)

    with pytest.raises(KeyError):
        asyncio.run(Together[str, int, int]("test", answer, threads=1, waiting=1, seconds=60)("a", 1))


def test_searches_at_once_find_what_each_would_find_alone(server: Server) -> None:
    """Also beside one whose filter is wrong."""
    asked = ["salmon swim upstream", "valves of the heart", "rain in Lisbon", "blood returns to the heart"] * 4
    with server.client() as client:
        alone = {text: found(client, text, k=3) for text in set(asked)}

        def at_once(text: str) -> list[dict[str, object]] | int:
            if not text:
                return client.post("/v1/search", json={"text": "x", "k": 3, "filter": "colour = 1"}).status_code
            return found(client, text, k=3)

        with ThreadPoolExecutor(20) as pool:
            together = list(pool.map(at_once, [*asked, *[""] * 4]))
    for text, hits in zip(asked, together[:-4], strict=True):
        assert isinstance(hits, list)
        assert [hit["id"] for hit in hits[:2]] == [hit["id"] for hit in alone[text][:2]]
    assert together[-4:] == [422] * 4
