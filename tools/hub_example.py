"""What the network reads in an image of 28x28 pixels, white on black: ``python example.py IMAGE``."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

here = Path(__file__).parent
labels = json.loads((here / "config.json").read_text())["id2label"]
session = onnxruntime.InferenceSession(here / "model.onnx")
image = np.asarray(Image.open(sys.argv[1]).convert("L").resize((28, 28)), np.uint8)
(probabilities,) = session.run(["probabilities"], {"images": image[np.newaxis]})[0]
for number in np.argsort(-probabilities)[:3]:
    print(f"{labels[str(number)]} {probabilities[number]:.1%}")
