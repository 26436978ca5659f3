"""Networks, and checks of an architecture, that more than one test file needs."""

import hashlib

import torch
import torch.nn.functional as F

from emnist.data.classes import CHARACTERS
from emnist.models import build_model
from emnist.models.weights import save_weights


def check_bfloat16(name):
    """Train an architecture for one step in bfloat16 and channels_last."""
    model = build_model(name).to(memory_format=torch.channels_last)
    images = torch.rand(2, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(model(images), torch.arange(2))
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def same(first, second):
    """Tell whether two models have the same parameters and buffers to the last bit."""
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


@torch.inference_mode()
def probabilities(model, metadata, images):
    """Give the probabilities (N, 62) that a network predicts for images as they are stored, by plain PyTorch."""
    parts = []
    for batch in torch.from_numpy(images).split(256):
        pixels = (batch[:, None].float() / 255 - metadata["mean"]) / metadata["std"]
        parts.append(model(pixels).softmax(1))
    return torch.cat(parts).numpy()


def add_network(folder, name="small", architecture="lenet", sha256=None):
    """Write a network of random weights and its card into a folder, as the package has them."""
    torch.manual_seed(0)
    model = build_model(architecture)
    path = folder / f"{name}.safetensors"
    save_weights(path, model.half(), model=architecture, classes=CHARACTERS, mean=0.17, std=0.33)
    sha256 = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    text = f"---\nname: {name}\narchitecture: {architecture}\nsha256: {sha256}\n---\n\n# {name}\n"
    (folder / f"{name}.md").write_text(text)
    return path
