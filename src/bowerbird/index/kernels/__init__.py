"""Inner loops of search in three forms that give the same results: C, numba, numpy.

The C form is compiled when the package is installed, if there is a compiler; numba is used if it is installed;
numpy always works. `name()` says which one runs. reference.py is the place to read what is computed.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.kernels.bits import BitGroups
from bowerbird.index.kernels.blocks import LANES, SLOTS, Blocks, Bytes, Codes, Query, filled_up
from bowerbird.index.kernels.nibbles import Near, Nibbles
from bowerbird.index.kernels.ranges import Norms, Ranges

__all__ = [
    "LANES", "SLOTS", "BitGroups", "Blocks", "Bytes", "Codes", "Near", "Nibbles", "Norms", "Query", "Ranges",
    "filled_up", "name", "quantize", "use",
]  # fmt: skip

CHOICE = "BOWERBIRD_KERNELS"
"""Environment variable that asks for one form: c, numba or numpy."""


def use(form: str = "") -> ModuleType:
    """The module with the inner loops. form: c, numba, numpy, or the fastest that is there.

    Raises ImportError if the form that was asked for is not there.
    """
    wanted = form or os.environ.get(CHOICE, "")
    for known in [wanted] if wanted else _FORMS:
        if known not in _FORMS:
            raise ImportError(f"no kernels named {wanted!r}; set {CHOICE} to one of: {', '.join(_FORMS)}")
        try:
            return _load(known)
        except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: numba finds no folder for its cache
            if wanted:
                raise ImportError(f"kernels {wanted!r} are not there: {error}") from error
    raise AssertionError("numpy is always there")


def quantize(
    vectors: Floats, dtype: type[np.float16] | type[np.float32] = np.float16
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    """n × dim vectors of numbers → int8 values in -127 … 127 and a scale per row, in the given precision."""
    values, scales = use().quantize(vectors, dtype)
    return values, scales


def name() -> str:
    """Which form runs, for people: 'C, AVX-512 VNNI'."""
    return str(use().NAME)


_FORMS = {"c": "compiled", "numba": "jitted", "numpy": "reference"}


@cache
def _load(form: str) -> ModuleType:
    module = import_module(f"{__name__}.{_FORMS[form]}")
    assert module.NAME, "reading it loads the library, which may not have been built"
    return module
