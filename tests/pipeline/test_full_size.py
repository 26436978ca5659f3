"""What takes long by its size: many images, and EnsNet where bfloat16 is emulated."""

import subprocess
import sys

import torch
from model_helpers import check_bfloat16

READING = """
import re
import numpy as np
import emnist
from emnist.models import build_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3

def memory():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

model = build_model("lenet")
hardware = setup_hardware(load_params().compute, model, threads=1)
images = ImageBatches(np.ones((200_000, 28, 28), np.uint8), np.zeros(200_000, np.uint8), hardware, {"mean": 0, "std": 1})
before = memory()
results = predict_top3(model, images)
print(memory() - before - sum(result.nbytes for result in results))
"""


def test_inference_keeps_nothing_but_its_results():
    done = subprocess.run([sys.executable, "-c", READING], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30_000_000  # one batch takes 16; small results kept one by one between large ones, 40


def test_ensnet_trains_in_bfloat16_and_channels_last():
    torch.manual_seed(0)
    check_bfloat16("ensnet")
