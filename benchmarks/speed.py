"""How fast the pipeline is, as ratios measured side by side in one run.

Each line alternates its contenders and takes medians over several rounds. Run it on a quiet machine:

    python -m benchmarks.speed                  # every line
    python -m benchmarks.speed loop --models lenet,vggnet
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import emnist  # noqa: F401  before torch, whose threads it tells how long to spin
from emnist.data import idx
from emnist.models import ARCHITECTURES, build_model, replace_head
from emnist.params import load_params
from emnist.search import random_search
from emnist.training import hardware
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, train_epoch
from emnist.training.schedule import SCHEDULES
from emnist.transfer import Features, Head
from emnist.utils.progress import progress

RNG = np.random.default_rng(0)
PIXELS = {"mean": 0.17, "std": 0.32}
BATCH = 64
ENOUGH = {"lenet": 12_800, "ensnet": 128}  # images a round, of which a step of each takes seconds, not minutes
DRAW = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


def characters(count, classes=62):
    return RNG.integers(0, 256, (count, 28, 28), np.uint8), RNG.integers(0, classes, count).astype(np.uint8)


def alternate(rounds, **contenders):
    """Time each contender in turn, each as often the first, once without counting, and give their median seconds."""
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


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)


def row(line, figure, wanted, detail):
    print(f"| {line} | {figure} | {wanted} | {detail} |", flush=True)


class PlainDataset(Dataset):
    """What a notebook does: one image at a time, through Pillow."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomAffine(degrees=15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=3),
                transforms.ToTensor(),
                transforms.Normalize((PIXELS["mean"],), (PIXELS["std"],)),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain_epoch(model, optimizer, loader, device):
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
    """The loop, with all that a stage's has, against a bare step on a batch in place, and against the plain loop."""
    recipe = params.pretrain[params.recipe]
    for name in options.models:
        model = build_model(name)
        chosen = hardware.setup_hardware(params.compute, model)
        count = ENOUGH.get(name, 1280)
        images, labels = characters(count)
        ours, bare = (chosen.to_device(build_model(name)) for _ in range(2))
        ours_sgd, bare_sgd = sgd(ours), sgd(bare)
        train = ImageBatches(images, labels, chosen, PIXELS)
        generator = torch.Generator(chosen.device)
        batch, answers = next(train.eval_batches(BATCH))
        plain = build_model(name).to(chosen.device)
        plain_sgd = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        loader = DataLoader(PlainDataset(images, labels), BATCH, shuffle=True, num_workers=2)

        def bare_steps():
            bare.train()
            for _ in range(count // BATCH):
                with chosen.autocast():
                    loss = F.cross_entropy(bare(batch), answers)
                bare_sgd.zero_grad(set_to_none=True)
                loss.backward()
                bare_sgd.step()

        def our_epoch():
            batches = train.train_batches(BATCH, build_augmentations(params.augmentation), generator)
            train_epoch(
                ours,
                ours_sgd,
                progress(batches, name, count // BATCH, "batch"),
                chosen,
                1.0,
                lambda step: 0.01 * SCHEDULES[recipe.schedule](step * BATCH / count),
            )

        seconds = alternate(
            options.rounds,
            ours=our_epoch,
            bare=bare_steps,
            plain=lambda: plain_epoch(plain, plain_sgd, loader, chosen.device),
        )
        rate = {contender: count / value for contender, value in seconds.items()}
        rates = ", ".join(f"{contender} {value:,.0f}" for contender, value in rate.items())
        detail = f"images/s: {rates}; {chosen}"
        row(
            f"{name}: loop / bare step",
            f"{rate['ours'] / rate['bare']:.0%}",
            "85 %" if name == "lenet" else "95 %",
            detail,
        )
        row(
            f"{name}: loop / plain loop",
            f"{rate['ours'] / rate['plain']:.2f}",
            {"lenet": 3.5, "resnet": 1.5}.get(name, 2.2),
            detail,
        )


def augmentation(params, options):
    """Distorted images a second."""
    images = torch.rand(512, 1, 28, 28)
    generator = torch.Generator().manual_seed(0)
    (affine,) = build_augmentations({"affine": params.augmentation["affine"]})
    torch.set_num_threads(hardware.cores())
    seconds = alternate(
        options.rounds,
        ours=lambda: [affine(images, generator) for _ in range(40)],
    )
    row("augmentation, images/s", f"{512 * 40 / seconds['ours']:,.0f}", "90,000", f"{hardware.cores()} threads")


def search(params, options):
    """Two workers against one, for lenet."""
    images, labels = characters(8000)
    split = images, labels, PIXELS, np.arange(7000), np.arange(7000, 8000)
    params = params.model_copy(update={"model": "lenet", "size": "small"})
    os.environ["PYTHONWARNINGS"] = "ignore"  # workers get arrays that only the pipeline's own files let them write
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        seconds = alternate(
            max(options.rounds // 2, 1),
            one=partial(random_search, params, split, 1),
            two=partial(random_search, params, split, 2),
        )
    row(
        "search, 2 workers / 1",
        f"{seconds['one'] / seconds['two']:.2f}",
        1.6,
        ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
    )


def transfer(params, options):
    """Features computed once against the whole network at each step, five epochs, vggnet."""
    images, labels = characters(2000, classes=10)
    model = replace_head(build_model("vggnet"), 10)
    chosen = hardware.setup_hardware(params.compute, model)
    model = chosen.to_device(model)
    train = ImageBatches(images, labels, chosen, PIXELS)
    options_of_fit = dict(epochs=5, batch_size=32, clip_norm=None, seed=0, quiet=True)

    def optimizer():
        return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)

    def ours():
        features, head = Features(model, train), Head(model)
        fit("transfer", head, optimizer(), features, augmentations=(), **options_of_fit)
        predict_top3(head, features)

    def plain():
        steps = optimizer()
        for _ in range(5):
            model.eval()
            for batch, answers in train.eval_batches(32):
                with chosen.autocast():
                    loss = F.cross_entropy(model(batch), answers)
                steps.zero_grad()
                loss.backward()
                steps.step()
        predict_top3(model, train)

    seconds = alternate(options.rounds, ours=ours, plain=plain)
    row(
        "transfer, ours / plain",
        f"{seconds['plain'] / seconds['ours']:.2f}",
        3,
        ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
    )


MEASURED_SPLIT = """
import os, re, sys
sys.path.insert(0, os.getcwd())
os.chdir(sys.argv[1])
from stages.split import main
main()
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])  # of this program: ru_maxrss counts its parent's
"""


def memory(params, options):
    """Resident memory of splitting all of EMNIST ByClass."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images, labels = characters(697_932)
        images &= 1  # so that the files are small, as images of ink are
        idx.write_images(folder / "data/raw/emnist-byclass-train-images-idx3-ubyte.gz", images)
        idx.write_labels(folder / "data/raw/emnist-byclass-train-labels-idx1-ubyte.gz", labels)
        text = Path("params.yaml").read_text().replace("size: small", "size: full")
        (folder / "params.yaml").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", MEASURED_SPLIT, folder], check=True, capture_output=True, text=True
        )
    row("splitting all images, peak GB", f"{int(done.stdout.split()[-1]) * 1024 / 1e9:.2f}", "below 1.5", "")


def nothing_to_do(params, options):
    """`dvc repro` when all is up to date."""

    def repro():
        done = subprocess.run(["dvc", "repro"], capture_output=True, text=True, check=True)
        assert "up to date" in done.stdout, "run `dvc repro` first"

    row("dvc repro with nothing to do, s", f"{alternate(options.rounds, repro=repro)['repro']:.1f}", "below 3", "")


LINES = {line.__name__: line for line in (loop, augmentation, search, transfer, memory, nothing_to_do)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", nargs="*", default=list(LINES), help=f"of {', '.join(LINES)}")
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(ARCHITECTURES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    params = load_params()
    print("| line | measured | wanted | detail |\n| --- | --- | --- | --- |")
    for line in options.lines:
        LINES[line](params, options)


if __name__ == "__main__":
    main()
