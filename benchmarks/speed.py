"""Speed of the pipeline, measured side by side in one run with what it could be and with what is usual.

Contenders alternate, and medians are taken over several rounds. Run it on an otherwise idle machine, after `dvc repro`:

    python -m benchmarks.speed    # everything
    python -m benchmarks.speed --parts networks --models lenet,vggnet
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
from pipeline_helpers import stages_run
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import add_names, make_parser, print_header, print_row
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
from emnist.utils.errors import UserError, run_cli
from emnist.utils.progress import progress

RNG = np.random.default_rng(0)
PIXEL_STATS = {"mean": 0.17, "std": 0.32}
BATCH = 64
IMAGES = {"lenet": 12_800, "ensnet": 128}  # images in a round of seconds; 1,280 for the other models


def characters(count, classes=62):
    """Return random images (count, 28, 28) and labels (count,) of uint8."""
    return RNG.integers(0, 256, (count, 28, 28), np.uint8), RNG.integers(0, classes, count).astype(np.uint8)


def alternate(rounds, *contenders):
    """Time callables in turn, each equally often the first; return the median seconds of each, a list.

    The first round is not counted.
    """
    seconds, order = [[] for _ in contenders], list(range(len(contenders)))
    for number in range(rounds + 1):
        for place in order:
            start = time.perf_counter()
            contenders[place]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                seconds[place].append(time.perf_counter() - start)
        order = [*order[1:], order[0]]
    return [statistics.median(times) for times in seconds]


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


def networks(params, options):
    """Print how many images a second networks train on and predict, by the pipeline's loops and by others.

    A bare step or forward pass is on one batch that is already on the device; the plain loop is that of a notebook.
    """
    training = "this loop", "bare step", "plain loop", "this loop / bare step", "this loop / plain loop"
    print_header("images/s", *training, "inference", "inference / bare forward pass")
    for name in options.models:
        hardware, count = setup_hardware(params.compute, build_model(name)), IMAGES.get(name, 1280)
        seconds = time_training(params, name, hardware, count, options.rounds)
        rates = [count / value for value in seconds]
        cells = [f"{rate:,.0f}" for rate in rates] + [f"{rates[0] / rates[1]:.0%}", f"{rates[0] / rates[2]:.1f}"]
        count = 4 * IMAGES.get(name, 5120)
        ours, bare = time_inference(name, hardware, count, options.rounds)
        print_row(name, *cells, f"{count / ours:,.0f}", f"{bare / ours:.0%}")


def time_training(params, name, hardware, count, rounds):
    """Return the seconds of an epoch of the pipeline's loop, of bare steps and of the plain loop."""
    images, labels = characters(count)
    ours, bare, plain = (build_model(name) for _ in range(3))
    ours, bare, plain = hardware.to_device(ours), hardware.to_device(bare), plain.to(hardware.device)
    ours_sgd, bare_sgd = sgd(ours), sgd(bare)
    plain_sgd = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    train = ImageBatches(images, labels, hardware, PIXEL_STATS, augmentations=augmentations(params))
    generator = torch.Generator(hardware.device)
    batch, batch_labels = next(train.eval_batches(BATCH))
    loader = DataLoader(PlainDataset(images, labels), BATCH, shuffle=True, num_workers=2)

    def our_epoch():
        batches = progress(train.train_batches(BATCH, generator), name, count // BATCH, "batch")
        train_epoch(
            ours, ours_sgd, batches, hardware, 1.0, lambda step: 0.01 * SCHEDULES["one_cycle"](step * BATCH / count)
        )

    def bare_steps():
        bare.train()
        for _ in range(count // BATCH):
            with hardware.autocast():
                loss = F.cross_entropy(bare(batch), batch_labels)
            bare_sgd.zero_grad(set_to_none=True)
            loss.backward()
            bare_sgd.step()

    def plain_loop():
        plain_epoch(plain, plain_sgd, loader, hardware.device)

    return alternate(rounds, our_epoch, bare_steps, plain_loop)


def time_inference(name, hardware, count, rounds):
    """Return the seconds of `predict_top3` and of bare forward passes."""
    model = hardware.to_device(build_model(name)).eval()
    batches = ImageBatches(*characters(count), hardware, PIXEL_STATS)
    size = min(count, 256)
    batch, _ = next(batches.eval_batches(size))

    @torch.inference_mode()
    def bare():
        for _ in range(count // size):
            with hardware.autocast():
                model(batch)

    return alternate(rounds, lambda: predict_top3(model, batches), bare)


def augmentation(params, options):
    """Print how many images are augmented in a second."""
    images = torch.rand(512, 1, 28, 28)
    generator = torch.Generator().manual_seed(0)
    affine = params.recipes[params.recipe].augmentation.affine
    torch.set_num_threads(cores())
    (seconds,) = alternate(options.rounds, lambda: [affine(images, generator) for _ in range(40)])
    print(f"augmentation: {512 * 40 / seconds:,.0f} images a second")


def search(params, options):
    """Print how much faster two workers search than one, for lenet."""
    images, labels = characters(8000)
    split = images, labels, PIXEL_STATS, np.arange(7000), np.arange(7000, 8000)
    params = params.model_copy(update={"model": "lenet", "size": "small"})
    # Workers get read-only arrays here, about which PyTorch warns; the pipeline's memory-mapped files are writable.
    os.environ["PYTHONWARNINGS"] = "ignore"
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        calls = (partial(random_search, params, split, workers) for workers in (1, 2))
        one, two = alternate(max(options.rounds // 2, 1), *calls)
    print(f"search: with two workers {one / two:.1f} times as fast as with one")


def transfer(params, options):
    """Print how much faster a head trains on features computed once than on the whole network, for vggnet."""
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

    seconds, plain_seconds = alternate(options.rounds, ours, plain)
    print(f"transfer: on features computed once {plain_seconds / seconds:.1f} times as fast as on the whole network")


def nothing_to_do(params, options):
    """Print the seconds of `dvc repro` when everything is up to date."""

    def repro():
        done = subprocess.run(["dvc", "repro"], capture_output=True, text=True)
        if done.returncode or stages_run(done.stdout):
            raise UserError("`dvc repro` should have nothing to do, but had: run this again")

    (seconds,) = alternate(options.rounds, repro)
    print(f"`dvc repro` with nothing to do: {seconds:.1f} s")


PARTS = {part.__name__: part for part in (networks, augmentation, search, transfer, nothing_to_do)}


def main():
    parser = make_parser(__doc__)
    add_names(parser, "--parts", PARTS)
    add_names(parser, "--models", ARCHITECTURES)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    params = load_params()
    for name in options.parts:
        PARTS[name](params, options)
        print(flush=True)


if __name__ == "__main__":
    run_cli(main)
