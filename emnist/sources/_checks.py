"""Checks of the images that were obtained, before anything is trained on them."""

from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import onnxruntime

import emnist
from emnist.data.classes import classes_of, from_byclass
from emnist.data.datasets import load_emnist
from emnist.utils.errors import UserError

NETWORK = Path(emnist.__file__).parent / "pretrained/lenet.onnx"
JUDGED_IMAGES = 500  # by which the orientation is judged
CLEAR_DIFFERENCE = 0.3  # of the log-likelihood, in nats an image


def check_images(raw, dataset):
    """Check what `emnist.sources.obtain` has written to the folder `raw`.

    Returned is a list of sentences of what is doubtful. `UserError` tells of images that are not what they should be.
    """
    classes = classes_of(dataset)
    (images, labels), (test_images, _) = (
        load_emnist(part, folder=raw, classes=len(classes)) for part in ("train", "test")
    )
    for name, each in (("training", images), ("test", test_images)):
        if (mean := each.mean(dtype=np.float64)) > 127.5:
            raise UserError(
                f"the {name} images should be white on black, but their mean is {mean:.0f} of 255, as of black on white: "
                "subtract each pixel from 255, or give them as pictures, of which either is found"
            )
    messages = []
    counts = np.bincount(labels, minlength=len(classes))
    if never := [c for c, count in zip(classes, counts) if not count]:
        shown = ", ".join(never[:10]) + (", ..." if len(never) > 10 else "")
        message = f"{len(never)} of the {len(classes)} classes have no training image ({shown})"
        if not isinstance(dataset, str):
            raise UserError(f"{message}: add images, or leave the characters out of dataset in params.yaml")
        messages.append(f"{message}: if the files are of another data set, set dataset in params.yaml")
    if isinstance(dataset, str) and is_transposed(images, labels, dataset):
        messages.append(
            "the images look as if rows and columns were swapped, so a network reads them better transposed: set "
            "download.folder.upright in params.yaml to the other value"
        )
    known, tested = ([blake2b(image, digest_size=8).digest() for image in each] for each in (images, test_images))
    if twice := len(tested) - sum(map(Counter(tested).get, set(tested) - set(known))):
        messages.append(
            f"{twice:,} of {len(test_images):,} test images are also among the training images, so the scores will be too "
            "high: take them out of one of the two"
        )
    return messages


def is_transposed(images, labels, dataset):
    """Tell whether a pretrained network finds the labels likelier when images (N, 28, 28) are transposed."""
    chosen = np.linspace(0, len(labels) - 1, min(JUDGED_IMAGES, len(labels))).astype(int)
    session = onnxruntime.InferenceSession(NETWORK.read_bytes(), providers=["CPUExecutionProvider"])
    of_class = from_byclass(dataset)[:, None] == labels[chosen]  # (62, N)

    def likelihood(some):
        (probabilities,) = session.run(None, {"images": np.ascontiguousarray(some)})
        return np.mean(np.log((probabilities.T * of_class).sum(axis=0) + 1e-4))

    return likelihood(images[chosen].swapaxes(1, 2)) > likelihood(images[chosen]) + CLEAR_DIFFERENCE
