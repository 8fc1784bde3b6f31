"""Compiles the search kernels when the package is installed, if there is a compiler; without one numpy is used."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/bowerbird/index/kernels")
NAME = "_kernels.dll" if sys.platform == "win32" else "_kernels.so"
FLAGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-shared", "-fPIC"]


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        folder = Path(self.root) / FOLDER
        if compile_kernels(folder / "kernels.c", folder / NAME):
            build_data["artifacts"].append(f"/{FOLDER.as_posix()}/{NAME}")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_kernels(source: Path, library: Path) -> bool:
    """True if a C compiler is there and made the library."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    part = library.with_suffix(".partial")
    command = [compiler, *FLAGS, str(source), "-o", str(part)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"bowerbird: search kernels were not compiled ({error}); searching in numpy", file=sys.stderr)
        return False
    part.replace(library)
    return True
