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
from emnist.data.datasets import read_emnist, read_mnist
from emnist.data.files import read_json
from emnist.evaluation.metrics import classification_metrics, per_class_table
from emnist.models import load_model
from emnist.models.pretrained import FOLDER
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.augmentation import build_augmentations
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import run_cli

LARGEST_CHANGE = 1e-3  # of the readings, by half precision

CARD = """---
{front_matter}---

# {name}: a {architecture} that reads handwritten characters

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
readings of EMNIST's test images.

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


def publish(options):
    """Write ``NAME.safetensors`` and ``NAME.md``; `options` are the arguments of the command."""
    model, metadata = load_model(options.run / "data/weights/finetune.safetensors")
    emnist, handwriting = read_emnist("test", folder=options.emnist), read_emnist("test", folder=options.handwriting)
    digits = read_mnist("t10k", folder=options.mnist)

    half = copy.deepcopy(model).half()
    rounded = copy.deepcopy(half).float()
    exact, logits = predict(model, metadata, emnist[0]), predict(rounded, metadata, emnist[0])
    changed = int((exact.argmax(1) != logits.argmax(1)).sum())
    precision = "half precision"
    if changed > LARGEST_CHANGE * len(logits) or not np.isfinite(logits).all():
        half, rounded, logits, changed, precision = model, model, exact, 0, "single precision"
    path = FOLDER / f"{options.name}.safetensors"
    save_weights(path, half, **metadata)

    scores = {
        "EMNIST ByClass": score(emnist[1], logits),
        "handwriting62": score(handwriting[1], predict(rounded, metadata, handwriting[0])),
        "MNIST": score(digits[1], predict(rounded, metadata, digits[0])[:, :10], bymerge=False),
    }
    counts = {"EMNIST ByClass": len(emnist[1]), "handwriting62": len(handwriting[1]), "MNIST": len(digits[1])}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    front_matter = {
        "name": options.name,
        "architecture": metadata["model"],
        "license": "mit",
        "parameters": parameters,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "scores": scores,
    }
    _, rows = per_class_table(emnist[1], logits.argmax(1), CHARACTERS)
    text = CARD.format(
        name=options.name,
        architecture=metadata["model"],
        parameters=parameters,
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
        count=len(logits),
        recipe=recipe(options, model),
        front_matter=yaml.safe_dump(front_matter, sort_keys=False),
        scores="\n".join(
            f"| {name} | {counts[name]:,} | "
            + " | ".join(
                f"{100 * value[key]:.2f}" if key in value else "-"
                for key in ("accuracy", "f1", "macro_f1", "bymerge_accuracy")
            )
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
    print(f"{path}: {path.stat().st_size:,} bytes, {precision}, {changed} of {len(logits):,} readings changed")


def predict(model, metadata, images):
    """Compute the logits (N, 62) of upright uint8 images (N, 28, 28), in single precision on the processor."""
    pixels = (torch.from_numpy(images)[:, None].float() / 255 - metadata["mean"]) / metadata["std"]
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in pixels.split(500)]).numpy()


def score(labels, logits, bymerge=True):
    """Score logits (N, C) by the pipeline's metrics."""
    metrics = classification_metrics(labels, np.argsort(-logits, axis=1, kind="stable")[:, :3], bymerge)
    return {name: metrics[name] for name in ("accuracy", "f1", "macro_f1", "bymerge_accuracy") if name in metrics}


def recipe(options, model):
    """Say in words how the run trained."""
    params = load_params(options.run / "params.yaml")
    best = read_json(options.run / "metrics/search.json")["best"]
    pretrain, finetune = params.pretrain, params.finetune
    begin = f"the pretrained network {params.pretrained}" if params.pretrained else "random weights"
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    dropout = params.dropout[params.recipe].get(params.model, layers[0].p) if layers else "none"
    augmentation = " and ".join(map(str, build_augmentations(params.augmentation))) or "none"
    threads = "one thread" if params.compute.threads == 1 else f"{params.compute.threads} threads"
    return "\n".join(
        [
            f"- From {begin}, seed {params.seed}, on {options.processor}, with {threads}.",
            f"- {pretrain.optimizer}, {pretrain[params.size].epochs} epochs on 90 % of the images, "
            f"{pretrain[params.recipe].schedule}: {', '.join(f'{name} {value:g}' for name, value in best.items())}.",
            f"- {finetune.optimizer}, {finetune[params.size].epochs} epochs on all images, "
            f"{finetune[params.recipe].schedule}: learning_rate {finetune.learning_rate:g}, "
            f"batch_size {finetune.batch_size}.",
            f"- Augmentation: {augmentation}.",
            f"- Dropout: {dropout}. Loss: {params.loss}.",
        ]
    )


if __name__ == "__main__":
    run_cli(main)
