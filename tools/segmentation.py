"""Train the network that tells where a line is split into characters, and write emnist/reading/segmentation.onnx.

    python -m tools.segmentation FOLDER

FOLDER holds EMNIST's images. Those for training are set side by side in lines of 2 to 8 characters,
touching, close or apart, high and low, tilted, drawn with strong and faint strokes. The lines are cut as
`emnist.reading.segmentation` cuts them, and the network learns between which pieces one character ends and another begins.
Every tenth image of a class is kept apart: with these it is validated. The same images give the same network, on the
same processor.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from torch import nn

from benchmarks import make_parser
from benchmarks.lines import draw_line, group_by_class, tilt
from emnist.data.datasets import load_emnist
from emnist.export import PRODUCER, PRODUCER_VERSION, export_module
from emnist.reading import segmentation, text
from emnist.reading.ink import find_ink, usual_height
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import run_cli

OUT = Path(segmentation.__file__).with_name("segmentation.onnx")
LETTERS = "aaaaabccddeeeeeeeefghiiiiijkllllmmnnnnnnooooppqrrrrrssssstttttuuuuvwxyz"  # about as often as in texts


class SegmentationNetwork(nn.Sequential):
    """Maps a boundary, as `emnist.reading.segmentation.draw_boundaries` draws it, to the logit of a split."""

    def __init__(self):
        super().__init__(
            *(nn.Conv2d(2, 16, 5, padding=2, stride=2, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(48 * 5 * 6, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0)),
        )


class Probabilities(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, boundaries):
        """Map uint8 (N, 2, rows, columns) to float32 probabilities (N,)."""
        return self.network(boundaries.float() / 255).sigmoid()


def main():
    parser = make_parser(__doc__, "FOLDER")
    parser.add_argument("--lines", type=int, default=16000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = group_by_class(*load_emnist("train", folder=options.folder))
    kept = {character: np.arange(len(each)) % 10 == 0 for character, each in images.items()}
    validation = make_examples({c: each[kept[c]] for c, each in images.items()}, options.lines // 20, 1)
    training = make_examples({c: each[~kept[c]] for c, each in images.items()}, options.lines, 0)
    network = train(SegmentationNetwork(), training, validation, options.epochs)
    proto = export_module(Probabilities(network), "boundaries", (2, *segmentation.BOUNDARY))
    describe(proto)
    write_bytes(options.out, proto.SerializeToString())


def describe(proto):
    """Set what the file (onnx.ModelProto) says of itself by the standard's keys."""
    proto.producer_name, proto.producer_version = PRODUCER, PRODUCER_VERSION
    proto.doc_string = "The probability that one character ends and another begins between two pieces of a line."
    onnx.helper.set_model_props(proto, {"model_license": "MIT", "data": "EMNIST ByClass"})


def make_examples(images, count, seed):
    """Draw lines.

    Returned are the boundaries between their pieces, uint8 (N, 2, rows, columns), and whether characters part there,
    float32 (N,).
    """
    rng = np.random.default_rng(seed)
    examples = [each for _ in range(count) if (each := boundaries_of_line(images, rng))]
    drawn, is_split = map(np.concatenate, zip(*examples))
    print(f"{count} lines: {len(is_split)} boundaries, {100 * is_split.mean():.1f} % between characters", flush=True)
    return torch.from_numpy(drawn), torch.from_numpy(is_split.astype(np.float32))


def boundaries_of_line(images, rng):
    """Draw a line and cut it: its boundaries, and whether characters part there; None if nothing is found."""
    written = choose_text(rng)
    height = np.exp(rng.uniform(np.log(14), np.log(70)))
    gap = rng.choice([rng.uniform(-0.17, 0.02), rng.uniform(-0.05, 0.12), rng.uniform(0.1, 0.4)], p=[0.4, 0.2, 0.4])
    gaps = rng.normal(gap, rng.uniform(0, 0.08), len(written))
    sheet, owner = draw_line(written, images, rng, height, gaps, rng.uniform(0, 0.04), rng.uniform(0, 0.1))
    faint = rng.choice([1, 1, rng.uniform(0.6, 2.2)])
    degrees = rng.uniform(-2.5, 2.5)
    levels = tilt(255 - 225 * sheet**faint, degrees, 255)
    owner = tilt(owner, degrees, 0, Image.Resampling.NEAREST)
    found = find_ink(np.asarray(levels))
    if not len(found.regions.areas[1:]):
        return None
    scale = text.HEIGHT / usual_height(found.regions) * np.exp(rng.uniform(-0.35, 0.35))
    size = [max(1, round(scale * side)) for side in levels.size]
    ink = find_ink(np.asarray(levels.resize(size, Image.Resampling.BICUBIC)))
    owner = np.asarray(owner.resize(size, Image.Resampling.NEAREST))
    lines, slope = text.find_lines(ink.regions)
    line = max(lines, key=len, default=[])
    if not line:
        return None
    height, baseline = text.measure_line(ink, line, slope)
    pieces = segmentation.oversegment(ink, line, height)
    if len(pieces) < 2:
        return None
    height *= np.exp(rng.uniform(-0.25, 0.25))
    drawn = segmentation.draw_boundaries(pieces, height, baseline + height * rng.uniform(-0.12, 0.12), slope)
    owners = np.array([owner_of(piece, owner) for piece in pieces])
    return drawn, owners[1:] != owners[:-1]


def choose_text(rng):
    """Choose digits, capitals, small letters, or a capital with small letters."""
    kind, length = rng.choice(["digits", "capitals", "small", "mixed"], p=[0.35, 0.25, 0.2, 0.2]), rng.integers(2, 9)
    written = "".join(rng.choice(list("0123456789" if kind == "digits" else LETTERS), length))
    return {"capitals": written.upper(), "mixed": written.capitalize()}.get(kind, written)


def owner_of(piece, owner):
    """Find the number of the character that most of a piece's ink belongs to."""
    left, top, right, bottom = piece.box
    counts = np.bincount(owner[top:bottom, left:right][piece.strength > 0.4], minlength=2)
    return counts[1:].argmax() if counts[1:].any() else -1


def train(network, training, validation, epochs, batch=64):
    images, targets = training
    steps = len(images) // batch
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * steps)
    loss = nn.BCEWithLogitsLoss()
    network.to(memory_format=torch.channels_last)
    for epoch in range(1, epochs + 1):
        network.train()
        for chosen in torch.randperm(len(images))[: steps * batch].view(steps, batch):
            inputs = (images[chosen].float() / 255).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(inputs)
            optimizer.zero_grad()
            loss(logits.float(), targets[chosen]).backward()
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            logits = torch.cat([network(part.float() / 255) for part in validation[0].split(512)])
        wrong = ((logits > 0) != (validation[1] > 0)).float().mean()
        print(
            f"epoch {epoch}  validation loss {loss(logits, validation[1]):.4f}  errors {100 * wrong:.2f} %", flush=True
        )
    return network


if __name__ == "__main__":
    run_cli(main)
