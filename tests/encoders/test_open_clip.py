"""The open_clip loader on a tiny architecture with a real checkpoint file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bowerbird.encoders.open_clip import load
from bowerbird.errors import BowerbirdError, MissingExtra
from tests.encoders.test_torch_models import check_joint, picture

try:
    import open_clip
except (ImportError, RuntimeError) as missing:  # RuntimeError: a torchvision for another build of torch
    pytest.skip(f"needs pip install 'bowerbird[clip]' ({missing})", allow_module_level=True)

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def test_architecture_and_file(tmp_path: Path) -> None:
    import torch

    (tmp_path / "tiny-clip.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path)
    weights = tmp_path / "weights.pt"
    torch.save(open_clip.create_model("tiny-clip").state_dict(), weights)
    check_joint(load(f"tiny-clip/{weights}"), picture(), "image")
    with pytest.raises(BowerbirdError, match="no open_clip model can be loaded"):
        load("tiny-clip/no-such-tag")


def test_weights_must_be_named() -> None:
    with pytest.raises(BowerbirdError, match="names no weights") as caught:
        load("ViT-B-32")
    assert not isinstance(caught.value, MissingExtra)
