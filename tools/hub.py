"""The pretrained networks as folders for the Hugging Face Hub: ``python -m tools.publish hub OUT``."""

import json
import shutil
from pathlib import Path

from emnist.models.pretrained import FOLDER, load_card, pretrained_names
from emnist.reading.network import load_network
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError

EXAMPLE = Path(__file__).with_name("hub_example.py")
TYPES = {"EMNIST ByClass": "emnist", "handwriting62": "handwriting62", "MNIST": "mnist"}  # of data sets, by name
METRICS = {"accuracy": "accuracy", "f1": "f1", "macro_f1": "f1", "bymerge_accuracy": "accuracy"}  # the Hub's types


def hub_metadata(name, scores):
    """Return what the Hub shows and searches of a network's card.

    Parameters
    ----------
    name : str
    scores : dict of str to dict of str to float
        For each data set its metrics, as the card has them.

    Returns
    -------
    dict
        Entries of a card's front matter, as https://huggingface.co/docs/hub/model-cards describes them.
    """
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": data, "type": TYPES[data], "split": "test"},
            "metrics": [{"type": METRICS[key], "name": key, "value": value} for key, value in metrics.items()],
        }
        for data, metrics in scores.items()
    ]
    return {
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "datasets": ["emnist"],
        "metrics": sorted(set(METRICS.values())),
        "tags": ["emnist", "handwriting", "ocr", "onnx", "safetensors"],
        "model-index": [{"name": name, "results": results}],
    }


def write_hub(folder):
    """Write a folder for each pretrained network: its card, weights, network in ONNX, configuration and an example.

    Parameters
    ----------
    folder : path-like
        Must be empty, or not there yet.

    Raises
    ------
    UserError
        If the folder holds files, or a network does not fit its card.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} should be an empty folder, but is not: name another")
    cards = {name: load_card(name) for name in pretrained_names()}
    for name, (weights, card) in cards.items():
        network, out = load_network(name), folder / name
        labels = dict(enumerate(network.classes))
        config = {"architecture": card["architecture"], "image_size": 28, "num_channels": 1, "id2label": labels}
        write_bytes(out / "config.json", f"{json.dumps(config, indent=2)}\n".encode())
        sources = {"README.md": weights.with_suffix(".md"), "model.safetensors": weights}
        sources |= {"model.onnx": FOLDER / f"{name}.onnx", "example.py": EXAMPLE}
        for file, source in sources.items():
            shutil.copyfile(source, out / file)
    print(f"{folder} holds {len(cards)} networks: `hf upload USER/emnist-NAME {folder}/NAME` uploads one")
