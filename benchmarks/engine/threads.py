"""How many threads the libraries of this process may use; they read it once, when they are imported."""

from __future__ import annotations

import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "LANCE_CPU_THREADS",
    "LANCE_IO_THREADS",
    "TOKIO_WORKER_THREADS",
)


def limit(count: int) -> None:
    """Called before numpy and the like are imported."""
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))


def allowed() -> int:
    return int(os.environ[VARIABLES[0]])
