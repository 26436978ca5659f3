"""Put a trained network into emnist/pretrained, with a card that says what it is.

    python -m tools.publish resnet RUN --emnist EMNIST --handwriting HANDWRITING --mnist MNIST --command "dvc exp run ..."

RUN is a checkout whose last run trained the network. The other folders hold test images in the official layout.
"""

import argparse
import copy
import hashlib
from pathlib import Path

import numpy as np
import torch
import yaml

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist, load_mnist
from emnist.data.files import load_json
from emnist.evaluation.cost import count_parameters
from emnist.evaluation.metrics import classification_metrics, per_class_table
from emnist.export import halve, to_bytes, to_onnx
from emnist.models import load_model
from emnist.models.pretrained import FOLDER
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.recipe import finetune_recipe, pretrain_recipe
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import run_cli

LARGEST_CHANGE = 1e-3  # of the readings, by half precision
SHOWN = ("accuracy", "f1", "macro_f1", "bymerge_accuracy")

CARD = """---
{front_matter}---

# {name}: a network that reads handwritten characters

{architecture}, {parameters:,} parameters, trained on {data}. It maps images of 28x28 pixels, upright, white on black, to the
62 classes `{classes}`.

```python
from emnist.models import load_pretrained

model, metadata = load_pretrained("{name}")
```

The input is (pixel / 255 - {mean:.6g}) / {std:.6g}, float32 of shape (N, 1, 28, 28).

## Scores

| test images | number | accuracy (%) | weighted F1 (%) | macro F1 (%) | ByMerge accuracy (%) |
| --- | --- | --- | --- | --- | --- |
{scores}

MNIST's digits are read among the ten digits, the others among 62 characters. The file holds {precision}, which changes {changed} of {count:,}
readings of EMNIST's test images. `{name}.onnx`, the same for ONNX Runtime, holds {onnx_precision}, which changes {onnx_changed}.

## Where it must not be scored

{warning}

## Training

{recipe}

Made at commit `{commit}` by

```bash
{command}
```

## Data

EMNIST ByClass (Cohen et al. 2017, arXiv:1702.05373) derives from NIST Special Database 19, which is in the public domain.{others}

## Classes

On EMNIST's test images:

| class | images | precision (%) | recall (%) | F1 (%) | most often read as |
| --- | --- | --- | --- | --- | --- |
{classes_table}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the network")
    parser.add_argument("run", metavar="RUN", type=Path, help="checkout with the run's results")
    for folder in ("emnist", "handwriting", "mnist"):
        parser.add_argument(f"--{folder}", metavar=folder.upper(), required=True, help="folder of test images")
    parser.add_argument("--data", required=True, help="what it learnt from, in words")
    parser.add_argument("--warning", required=True, help="what it must not be scored on, in words")
    parser.add_argument("--commit", required=True, help="the commit that trained it")
    parser.add_argument("--command", required=True, help="the command that trained it, without paths")
    parser.add_argument("--processor", required=True, help="the processor that trained it")
    parser.add_argument("--others", default="", help="where other images come from, in words")
    publish(parser.parse_args())


class AmongDigits(torch.nn.Module):
    """Chooses among the ten digits only; takes the place of a model in `predict_top3`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)[:, :10]


def publish(options):
    """Write ``NAME.safetensors``, ``NAME.onnx`` and ``NAME.md``; `options` are the arguments of the command."""
    params = load_params(options.run / "params.yaml")
    model, metadata = load_model(options.run / "data/weights/finetune.safetensors")
    compute = params.compute.model_copy(update={"device": "cpu", "precision": "float32", "threads": "auto"})
    hardware = setup_hardware(compute, model)

    def predict(model, images, labels):
        return predict_top3(model, ImageBatches(images, labels, hardware, metadata))

    emnist = load_emnist("test", folder=options.emnist)
    half = copy.deepcopy(model).half()
    rounded = copy.deepcopy(half).float()
    (exact, _, _), (top3, _, losses) = predict(model, *emnist), predict(rounded, *emnist)
    changed, precision = int((exact[:, 0] != top3[:, 0]).sum()), "half precision"
    if changed > LARGEST_CHANGE * len(top3) or not np.isfinite(losses).all():
        half, rounded, top3, changed, precision = model, model, exact, 0, "single precision"
    path = FOLDER / f"{options.name}.safetensors"
    save_weights(path, half, **metadata)

    onnx_path, onnx_precision = path.with_suffix(".onnx"), "half precision"
    network = to_onnx(model, metadata, data=options.data, recipe=params.recipe)
    write_bytes(onnx_path, to_bytes(halve(network)))
    onnx_changed = count_changed(onnx_path, emnist[0], exact)
    if onnx_changed > LARGEST_CHANGE * len(exact):
        write_bytes(onnx_path, to_bytes(network))
        onnx_changed, onnx_precision = count_changed(onnx_path, emnist[0], exact), "single precision"

    handwriting, digits = load_emnist("test", folder=options.handwriting), load_mnist("t10k", folder=options.mnist)
    scored = {  # labels, and the classes predicted
        "EMNIST ByClass": (emnist[1], top3),
        "handwriting62": (handwriting[1], predict(rounded, *handwriting)[0]),
        "MNIST": (digits[1], predict(AmongDigits(rounded), *digits)[0]),
    }
    scores = {}
    for name, (labels, classes) in scored.items():
        metrics = classification_metrics(labels, classes, bymerge=name != "MNIST")
        scores[name] = {metric: metrics[metric] for metric in SHOWN if metric in metrics}
    front_matter = {
        "name": options.name,
        "architecture": metadata["model"],
        "license": "mit",
        "parameters": count_parameters(model),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "scores": scores,
    }
    _, rows = per_class_table(emnist[1], top3[:, 0], CHARACTERS)
    text = CARD.format(
        name=options.name,
        architecture=metadata["model"],
        parameters=front_matter["parameters"],
        data=options.data,
        warning=options.warning,
        others=f" {options.others}" if options.others else "",
        commit=options.commit,
        command=options.command,
        classes=metadata["classes"],
        mean=metadata["mean"],
        std=metadata["std"],
        precision=precision,
        changed=changed,
        onnx_precision=onnx_precision,
        onnx_changed=onnx_changed,
        count=len(top3),
        recipe=describe_recipe(params, options, model),
        front_matter=yaml.safe_dump(front_matter, sort_keys=False),
        scores="\n".join(
            f"| {name} | {len(scored[name][0]):,} | "
            + " | ".join(f"{100 * value[metric]:.2f}" if metric in value else "-" for metric in SHOWN)
            + " |"
            for name, value in scores.items()
        ),
        classes_table="\n".join(
            f"| {character} | {support} | "
            + " | ".join(f"{100 * float(value):.1f}" for value in values)
            + f" | {confused} |"
            for character, support, *values, confused in rows
        ),
    )
    write_bytes(FOLDER / f"{options.name}.md", text.encode())
    for path, precision, changed in [(path, precision, changed), (onnx_path, onnx_precision, onnx_changed)]:
        print(f"{path}: {path.stat().st_size:,} bytes, {precision}, {changed} of {len(top3):,} readings changed")


def count_changed(path, images, top3):
    """Count the images that an exported network reads otherwise than `top3`, (N, 3), says."""
    return int(np.sum(Network(path).probabilities(images).argmax(1) != top3[:, 0]))


def describe_recipe(params, options, model):
    """Say in words how the run trained."""
    best = load_json(options.run / "metrics/search.json")["best"]
    pretrain, finetune = pretrain_recipe(params, best), finetune_recipe(params)
    begin = f"the pretrained network {params.pretrained}" if params.pretrained else "random weights"
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    dropout = "none" if not layers else layers[0].p if pretrain.dropout is None else pretrain.dropout
    names = params.optimizer
    without = "".join(
        f"; none in the last {recipe.without_augmentation:.0%} of {name}'s epochs"
        for name, recipe in [(names.pretrain, pretrain), (names.finetune, finetune)]
        if recipe.without_augmentation
    )
    threads = "one thread" if params.compute.threads == 1 else f"{params.compute.threads} threads"
    return "\n".join(
        [
            f"- From {begin}, seed {params.seed}, on {options.processor}, with {threads}.",
            f"- {names.pretrain}, {pretrain.epochs} epochs on 90 % of the images, {pretrain.schedule}: "
            f"{', '.join(f'{name} {value:g}' for name, value in best.items())}.",
            f"- {names.finetune}, {finetune.epochs} epochs on all images, {finetune.schedule}: "
            f"learning_rate {finetune.learning_rate:g}, batch_size {finetune.batch_size}.",
            f"- Augmentation: {' and '.join(map(str, pretrain.augmentations)) or 'none'}{without}.",
            f"- Dropout: {dropout}. Loss: {params.loss}.",
        ]
    )


if __name__ == "__main__":
    run_cli(main)
