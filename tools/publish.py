"""Put a trained network into emnist/pretrained, with a card that says what it is.

    python -m tools.publish resnet RUN --emnist EMNIST --handwriting HANDWRITING --mnist MNIST --command "dvc exp run ..."

    python -m tools.publish hub OUT

The second command writes the networks that are there as folders for the Hugging Face Hub.

RUN is a checkout whose last run trained the network. The other folders hold test images in the official layout.
``tools/card.md`` is the card's text.
"""

import copy
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from onnx import ModelProto, TensorProto, helper, numpy_helper

from benchmarks import make_parser
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist, load_mnist
from emnist.data.files import load_json
from emnist.evaluation.cost import count_parameters
from emnist.evaluation.metrics import classification_metrics, per_class_table
from emnist.export import to_bytes, to_onnx
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
from tools.hub import hub_metadata, write_hub

MIN_HALF = 256  # values of a tensor that is worth storing in half precision
LARGEST_CHANGE = 1e-3  # fraction of the predictions that half precision may change
CARD = Path(__file__).with_name("card.md")
SHOWN = ("accuracy", "f1", "macro_f1", "bymerge_accuracy")


class AmongDigits(torch.nn.Module):
    """Chooses among the ten digits only; takes the place of a model in `predict_top3`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)[:, :10]


def publish_weights(path, model, metadata, predict, images, labels):
    """Write a network's weights, in half precision if that changes few predictions.

    `predict` maps a model, images and labels to what `predict_top3` returns. Returned are the model with the written
    weights, the three most probable classes of each image (N, 3) by the given and by the written weights, and the
    precision.
    """
    half = copy.deepcopy(model).half()
    rounded = copy.deepcopy(half).float()
    (exact, _, _), (top3, _, losses) = predict(model, images, labels), predict(rounded, images, labels)
    precision = "half precision"
    if count_changed(exact[:, 0], top3) > LARGEST_CHANGE * len(top3) or not np.isfinite(losses).all():
        half, rounded, top3, precision = model, model, exact, "single precision"
    save_weights(path, half, **metadata)
    return rounded, exact, top3, precision


def publish_onnx(path, network, images, exact):
    """Write an exported network, in half precision if that changes few predictions; return the precision and how many.

    `exact` are the three most probable classes of each image (N, 3) by the weights in single precision.
    """
    for precision, content in (("half precision", to_half_precision(network)), ("single precision", network)):
        write_bytes(path, to_bytes(content))
        changed = count_changed(Network(path).probabilities(images).argmax(1), exact)
        if changed <= LARGEST_CHANGE * len(exact):
            break
    return precision, changed


def to_half_precision(network):
    """Store the large tensors of an exported network (onnx.ModelProto) in half precision; return the new network.

    They are computed with in single precision.
    """
    half, casts = ModelProto(), []
    half.CopyFrom(network)
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_HALF:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *half.graph.node]
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    del half.graph.value_info[:]
    return half


def count_changed(predictions, top3):
    """Count the predictions, (N,), that differ from the first column of `top3`, (N, 3)."""
    return int(np.sum(predictions != top3[:, 0]))


def publish(options):
    """Write ``NAME.safetensors``, ``NAME.onnx`` and ``NAME.md``; `options` are the arguments of the command."""
    params = load_params(options.run / "params.yaml")
    model, metadata = load_model(options.run / "data/weights/finetune.safetensors")
    compute = params.compute.model_copy(update={"device": "cpu", "precision": "float32", "threads": "auto"})
    hardware = setup_hardware(compute, model)

    def predict(model, images, labels):
        return predict_top3(model, ImageBatches(images, labels, hardware, metadata))

    path = FOLDER / f"{options.name}.safetensors"
    emnist = images, labels = load_emnist("test", folder=options.emnist)
    rounded, exact, top3, precision = publish_weights(path, model, metadata, predict, *emnist)
    changed = count_changed(exact[:, 0], top3)
    rights = {"model_author": "EMNIST DVC contributors", "model_license": "MIT"}
    network = to_onnx(model, metadata, data=options.data, recipe=params.recipe, **rights)
    onnx_precision, onnx_changed = publish_onnx(path.with_suffix(".onnx"), network, images, exact)

    handwriting, digits = load_emnist("test", folder=options.handwriting), load_mnist("t10k", folder=options.mnist)
    predicted = {  # labels and predictions
        "EMNIST ByClass": (labels, top3),
        "handwriting62": (handwriting[1], predict(rounded, *handwriting)[0]),
        "MNIST": (digits[1], predict(AmongDigits(rounded), *digits)[0]),
    }
    scores, rows = {}, []
    for name, each in predicted.items():
        metrics = classification_metrics(*each, "0123456789" if name == "MNIST" else CHARACTERS)
        scores[name] = {metric: metrics[metric] for metric in SHOWN if metric in metrics}
        cells = [f"{100 * metrics[metric]:.2f}" if metric in metrics else "-" for metric in SHOWN]
        rows.append([name, f"{len(each[0]):,}", *cells])
    classes = [
        [character, support, *(f"{100 * float(value):.1f}" for value in values), confused]
        for character, support, *values, confused in map(dict.values, per_class_table(labels, top3[:, 0], CHARACTERS))
    ]
    front_matter = {
        "name": options.name,
        "architecture": metadata["model"],
        "license": "mit",
        "parameters": count_parameters(model),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "onnx_sha256": hashlib.sha256(path.with_suffix(".onnx").read_bytes()).hexdigest(),
        "scores": scores,
    } | hub_metadata(options.name, scores)
    values = vars(options) | front_matter | metadata
    values |= {"front_matter": yaml.safe_dump(front_matter, sort_keys=False), "scores": markdown(rows)}
    values |= {"classes_table": markdown(classes), "recipe": describe_recipe(params, options, model)}
    values |= {"others": f" {options.others}" if options.others else "", "count": len(top3)}
    values |= {"precision": precision, "changed": changed}
    values |= {"onnx_precision": onnx_precision, "onnx_changed": onnx_changed}
    write_bytes(FOLDER / f"{options.name}.md", CARD.read_text().format(**values).encode())
    print(
        f"{path}: {precision}, {changed} of {len(top3):,} predictions changed; in ONNX: {onnx_precision}, {onnx_changed}"
    )


def markdown(rows):
    """Format the rows of a Markdown table."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


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
    return "\n".join(
        [
            f"- From {begin}, seed {params.seed}, on {options.processor}.",
            f"- {names.pretrain}, {pretrain.epochs} epochs on 90 % of the images, {pretrain.schedule}: "
            f"{', '.join(f'{name} {value:g}' for name, value in best.items())}.",
            f"- {names.finetune}, {finetune.epochs} epochs on all images, {finetune.schedule}: "
            f"learning_rate {finetune.learning_rate:g}, batch_size {finetune.batch_size}.",
            f"- Augmentation: {' and '.join(map(str, pretrain.augmentations)) or 'none'}{without}.",
            f"- Dropout: {dropout}. Loss: {params.loss}.",
        ]
    )


def main():
    if sys.argv[1:2] == ["hub"] and len(sys.argv) == 3:
        return write_hub(sys.argv[2])
    parser = make_parser(__doc__)
    parser.add_argument("name", help="name of the network")
    parser.add_argument("run", metavar="RUN", type=Path, help="checkout with the run's results")
    for folder in ("emnist", "handwriting", "mnist"):
        parser.add_argument(f"--{folder}", metavar=folder.upper(), required=True, help="folder of test images")
    parser.add_argument("--data", required=True, help="what it learnt from, in words")
    parser.add_argument("--warning", required=True, help="what it must not be scored on, in words")
    for what in ("commit", "command"):
        parser.add_argument(f"--{what}", required=True, help=f"the {what} that trained it")
    parser.add_argument(
        "--processor", required=True, help="what trained it, as in: one thread of an AMD EPYC with AVX2"
    )
    parser.add_argument("--others", default="", help="where other images come from, in words")
    publish(parser.parse_args())


if __name__ == "__main__":
    run_cli(main)
