"""Speed of the pipeline, as ratios measured side by side in one run.

Each benchmark alternates its contenders and takes medians over several rounds. Run it on an otherwise idle machine:

    python -m benchmarks.speed                  # all benchmarks
    python -m benchmarks.speed loop --models lenet,vggnet
"""

import os
import statistics
import subprocess
import time
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import make_parser, names, print_header, print_row
from emnist.models import ARCHITECTURES, build_model, replace_head
from emnist.params import load_params
from emnist.search import random_search
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, train_epoch
from emnist.training.recipe import augmentations, transfer_recipe
from emnist.training.schedule import SCHEDULES
from emnist.transfer import Features, Head
from emnist.utils.environment import cores
from emnist.utils.progress import progress

RNG = np.random.default_rng(0)
PIXEL_STATS = {"mean": 0.17, "std": 0.32}
BATCH = 64
IMAGES = {"lenet": 12_800, "ensnet": 128}  # images in a round of seconds; 1,280 for the other models


def characters(count, classes=62):
    """Return random images (count, 28, 28) and labels (count,) of uint8."""
    return RNG.integers(0, 256, (count, 28, 28), np.uint8), RNG.integers(0, classes, count).astype(np.uint8)


def alternate(rounds, **contenders):
    """Time contenders (callables) in turn, each equally often the first; return the median seconds of each (dict).

    The first round is not counted.
    """
    seconds, order = {name: [] for name in contenders}, list(contenders)
    for number in range(rounds + 1):
        for name in sorted(contenders, key=lambda name: (order.index(name) + number) % len(order)):
            start = time.perf_counter()
            contenders[name]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def in_words(seconds):
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)


class PlainDataset(Dataset):
    """The usual data set of a notebook, which augments one image at a time with Pillow."""

    def __init__(self, images, labels, pixel_stats=PIXEL_STATS):
        self.images, self.labels = images, labels
        affine = transforms.RandomAffine(degrees=15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=3)
        normalise = transforms.Normalize((pixel_stats["mean"],), (pixel_stats["std"],))
        self.transform = transforms.Compose([affine, transforms.ToTensor(), normalise])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain_epoch(model, optimizer, loader, device):
    """Train one epoch with the usual loop of a notebook."""
    model.train()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()


def loop(params, options):
    """Training loop: the pipeline's against bare steps on one batch on the device, and against a plain loop."""
    for name in options.models:
        hardware = setup_hardware(params.compute, build_model(name))
        count = IMAGES.get(name, 1280)
        images, labels = characters(count)
        ours, bare = (hardware.to_device(build_model(name)) for _ in range(2))
        ours_sgd, bare_sgd = sgd(ours), sgd(bare)
        train = ImageBatches(images, labels, hardware, PIXEL_STATS, augmentations=augmentations(params))
        generator = torch.Generator(hardware.device)
        batch, batch_labels = next(train.eval_batches(BATCH))
        plain = build_model(name).to(hardware.device)
        plain_sgd = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        loader = DataLoader(PlainDataset(images, labels), BATCH, shuffle=True, num_workers=2)

        def bare_steps():
            bare.train()
            for _ in range(count // BATCH):
                with hardware.autocast():
                    loss = F.cross_entropy(bare(batch), batch_labels)
                bare_sgd.zero_grad(set_to_none=True)
                loss.backward()
                bare_sgd.step()

        def our_epoch():
            batches = train.train_batches(BATCH, generator)
            batches = progress(batches, name, count // BATCH, "batch")
            train_epoch(
                ours, ours_sgd, batches, hardware, 1.0, lambda step: 0.01 * SCHEDULES["one_cycle"](step * BATCH / count)
            )

        def plain_loop():
            plain_epoch(plain, plain_sgd, loader, hardware.device)

        seconds = alternate(options.rounds, ours=our_epoch, bare=bare_steps, plain=plain_loop)
        rates = ", ".join(f"{contender} {count / value:,.0f}" for contender, value in seconds.items())
        detail = f"images/s: {rates}; {hardware}"
        bare, plain = (seconds[contender] / seconds["ours"] for contender in ("bare", "plain"))
        print_row(f"{name}: loop / bare step", f"{bare:.0%}", "85 %" if name == "lenet" else "95 %", detail)
        wanted = {"lenet": 3.5, "resnet": 1.5}.get(name, 2.2)
        print_row(f"{name}: loop / plain loop", f"{plain:.2f}", wanted, detail)


def inference(params, options):
    """Inference: `predict_top3` against forward passes of one batch that is already on the device."""
    for name in options.models:
        model = build_model(name)
        hardware = setup_hardware(params.compute, model)
        model = hardware.to_device(model).eval()
        count = 4 * IMAGES.get(name, 5120)
        batches = ImageBatches(*characters(count), hardware, PIXEL_STATS)
        size = min(count, 256)
        batch, _ = next(batches.eval_batches(size))

        @torch.inference_mode()
        def bare():
            for _ in range(count // size):
                with hardware.autocast():
                    model(batch)

        seconds = alternate(options.rounds, ours=lambda: predict_top3(model, batches), bare=bare)
        ours, bare = (count / seconds[contender] for contender in ("ours", "bare"))
        detail = f"images/s: ours {ours:,.0f}, bare {bare:,.0f}; all 814,255 in {814_255 / ours:,.0f} s; {hardware}"
        print_row(f"{name}: inference / bare forward pass", f"{ours / bare:.0%}", "95 %", detail)


def augmentation(params, options):
    """Augmentation: images a second."""
    images = torch.rand(512, 1, 28, 28)
    generator = torch.Generator().manual_seed(0)
    affine = params.recipes[params.recipe].augmentation.affine
    torch.set_num_threads(cores())
    seconds = alternate(options.rounds, ours=lambda: [affine(images, generator) for _ in range(40)])
    print_row("augmentation, images/s", f"{512 * 40 / seconds['ours']:,.0f}", "90,000", f"{cores()} threads")


def search(params, options):
    """Search: two workers against one, for lenet."""
    images, labels = characters(8000)
    split = images, labels, PIXEL_STATS, np.arange(7000), np.arange(7000, 8000)
    params = params.model_copy(update={"model": "lenet", "size": "small"})
    # Workers get read-only arrays here, about which PyTorch warns; the pipeline's memory-mapped files are writable.
    os.environ["PYTHONWARNINGS"] = "ignore"
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        one, two = (partial(random_search, params, split, workers) for workers in (1, 2))
        seconds = alternate(max(options.rounds // 2, 1), one=one, two=two)
    print_row("search, 2 workers / 1", f"{seconds['one'] / seconds['two']:.2f}", 1.6, in_words(seconds))


def transfer(params, options):
    """Transfer: precomputed features against the whole network at each step, five epochs of vggnet."""
    images, labels = characters(2000, classes=10)
    model = replace_head(build_model("vggnet"), 10)
    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    train = ImageBatches(images, labels, hardware, PIXEL_STATS)
    recipe = replace(transfer_recipe(params), epochs=5)

    def ours():
        features, head = Features(model, train), Head(model)
        fit("transfer", head, recipe, features, seed=0, quiet=True)
        predict_top3(head, features)

    def plain():
        plain_sgd = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=recipe.learning_rate)
        for _ in range(recipe.epochs):
            model.eval()
            for batch, batch_labels in train.eval_batches(recipe.batch_size):
                with hardware.autocast():
                    loss = F.cross_entropy(model(batch), batch_labels)
                plain_sgd.zero_grad()
                loss.backward()
                plain_sgd.step()
        predict_top3(model, train)

    seconds = alternate(options.rounds, ours=ours, plain=plain)
    print_row("transfer, ours / plain", f"{seconds['plain'] / seconds['ours']:.2f}", 3, in_words(seconds))


def nothing_to_do(params, options):
    """Time of `dvc repro` when everything is up to date."""

    def repro():
        done = subprocess.run(["dvc", "repro"], capture_output=True, text=True, check=True)
        assert "up to date" in done.stdout, "run `dvc repro` first"

    print_row(
        "dvc repro with nothing to do, s", f"{alternate(options.rounds, repro=repro)['repro']:.1f}", "below 3", ""
    )


LINES = {line.__name__: line for line in (loop, inference, augmentation, search, transfer, nothing_to_do)}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("lines", nargs="*", default=list(LINES), help=f"of {', '.join(LINES)}")
    parser.add_argument("--models", type=names, default=list(ARCHITECTURES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    params = load_params()
    print_header("line", "measured", "wanted", "detail")
    for line in options.lines:
        LINES[line](params, options)


if __name__ == "__main__":
    main()
