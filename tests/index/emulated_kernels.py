"""The kernels of another processor, run by an emulator, behind the functions of compiled.py."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import pytest

from bowerbird.index import kernels
from bowerbird.index.kernels import compiled

FLAGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Werror"]
"""Those of hatch_build.py, and no warnings."""
CALLER = Path(__file__).with_name("emulated_kernels.c")
SOURCE = Path(kernels.__file__).with_name("kernels.c")


@dataclass(frozen=True)
class Machine:
    """A processor that this machine can compile for and emulate. root: of its libraries."""

    compiler: str
    emulator: str
    root: str

    @staticmethod
    def of(architecture: str) -> Machine:
        """Skips the test if it is not there."""
        compiler = shutil.which(f"{architecture}-linux-gnu-gcc")
        emulator = shutil.which(f"qemu-{architecture}") or shutil.which(f"qemu-{architecture}-static")
        root = Path(f"/usr/{architecture}-linux-gnu")
        if compiler is None or emulator is None or not root.is_dir():
            pytest.skip(f"needs packages gcc-{architecture}-linux-gnu, libc6-dev-*-cross and qemu-user")
        return Machine(compiler, emulator, str(root))

    def build(self, folder: Path, *flags: str) -> list[str]:
        """Compile the kernels and what calls them; the command that runs them."""
        library, caller = folder / "kernels.so", folder / "caller"
        for made, source, more in (
            (library, SOURCE, ("-shared", "-fPIC", *flags)),
            (caller, CALLER, ("-ldl",)),
        ):
            command = [self.compiler, *FLAGS, str(source), *more, "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        return [self.emulator, "-L", self.root, str(caller), str(library)]


class Emulated:
    """A library whose functions take numbers, and arrays in place of addresses."""

    def __init__(self, to: IO[bytes], back: IO[bytes]) -> None:
        self._to, self._back = to, back

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *arguments: self._call(name, [getattr(one, "value", one) for one in arguments])

    def _call(self, name: str, arguments: list[Any]) -> int:
        arrays = [one for one in arguments if isinstance(one, np.ndarray)]
        self._to.write(struct.pack("<q", len(name)) + name.encode() + struct.pack("<q", len(arguments)))
        for one in arguments:
            if isinstance(one, np.ndarray):
                self._to.write(struct.pack("<q", one.nbytes) + one.tobytes())
            else:
                self._to.write(struct.pack("<qq", -1, one or 0))
        self._to.flush()
        (returned,) = struct.unpack("<q", self._read(8, name))
        for one in arrays:
            content = np.frombuffer(self._read(one.nbytes, name), one.dtype).reshape(one.shape)
            if one.flags.writeable:
                one[...] = content
        whole = name in compiled.COUNTING
        return int(returned) if whole else int(np.int64(returned).astype(np.int32))

    def _read(self, size: int, name: str) -> bytes:
        content = self._back.read(size)
        assert len(content) == size, f"{name} crashed"
        return content


@contextmanager
def emulated(command: list[str], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """compiled.py runs the kernels of another processor."""
    address = compiled._at
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running, patch.context() as inside:
        assert running.stdin is not None
        assert running.stdout is not None
        library = Emulated(running.stdin, running.stdout)
        inside.setattr(compiled, "library", lambda: library)
        inside.setattr(compiled, "_at", lambda array: array if address(array) else None)
        inside.setattr(compiled, "_scratch", SimpleNamespace())
        yield
        running.stdin.close()
