"""A reader that does what its file tells it to; workers find it as a plugin for WAV files."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item, Text
from bowerbird.readers.base import ReadOptions, SourceFile

HEAD = b"RIFF....WAVE"
ENTRY_POINTS = "[bowerbird.readers]\naudio/wav = tests.collection.misbehaving:read_order\n"


def write_order(path: Path, order: str) -> str:
    path.write_bytes(HEAD + order.encode())
    return str(path)


def install(folder: Path) -> None:
    """Metadata of a distribution that names the reader; the folder goes on PYTHONPATH."""
    (folder / "misbehaving-1.0.dist-info").mkdir(parents=True)
    (folder / "misbehaving-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n"
    )
    (folder / "misbehaving-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)


def read_order(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    order, _, detail = Path(file.path).read_bytes()[len(HEAD) :].decode().partition(" ")
    yield file.item("document", [Text(f"before {order} in {os.getpid()}")])
    if detail == "later":  # when a whole chunk has gone out
        yield from (file.item("passage", [Text(str(number))]) for number in range(40))
    match order:
        case "crash":
            ctypes.string_at(0)
        case "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            while True:
                time.sleep(60)
        case "slow":
            time.sleep(float(detail))
        case "busy":
            _beat(options, 5)
        case "tired":
            _beat(options, 2)
            time.sleep(60)
        case "grow":
            held = []
            while True:
                held.append(np.ones(4 << 20, np.uint8))
                time.sleep(0.002)
        case "huge":
            np.ones(1 << 40, np.uint8)
        case "exit":
            os._exit(3)
        case "leave":
            sys.exit("enough")
        case "raise":
            raise ValueError("line one\nline two " + "x" * 5000)
        case "refuse":
            raise ReadError("no thank you")
        case "mute":
            raise ReadError
        case "recurse":
            _recurse(0)
        case "blot":
            yield file.item("image", [Image(b"no picture")])
        case "chatter":
            os.write(1, b"not a pickle\n" * 1000)
            print("neither", flush=True)
            os.write(2, b"nor this\n")
        case "many":
            for number in range(int(detail)):
                yield file.item("passage", [Text(str(number) + "x" * 1000)])
    yield file.item("passage", [Text("after")])


def _beat(options: ReadOptions, seconds: float) -> None:
    for _ in range(int(seconds * 20)):
        options.beat()
        time.sleep(0.05)


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1
