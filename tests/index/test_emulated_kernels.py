"""The kernels for processors that this machine is not, compiled for them and run by an emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from bowerbird.index.kernels import compiled
from tests.index.checked_kernels import compare
from tests.index.emulated_kernels import Machine, emulated


@pytest.mark.parametrize("flags", [(), ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")])
def test_neon_gives_the_results_of_numpy(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, without undefined behaviour, and without reading past the end of an array."""
    command = Machine.of("aarch64").build(tmp_path, *flags)
    with emulated(command, monkeypatch):
        assert compiled.NAME == "C, NEON"
        assert compare(seeds=25) == 2
