"""Scikit-learn's handwritten digits, for the transfer where there is no MNIST."""

import numpy as np
from PIL import Image

from emnist.data import idx
from emnist.data.datasets import MNIST_PARTS, paths


def write_digits(raw):
    """Write scikit-learn's digits to the folder `raw`, in the four files of MNIST."""
    train_images, train_labels, *test = digits()
    for part, (images, labels) in zip(MNIST_PARTS, [(train_images, train_labels), test]):
        to_images, to_labels = paths(raw, part)
        idx.write_images(to_images, images)
        idx.write_labels(to_labels, labels)


def digits():
    """Load scikit-learn's handwritten digits, converted to MNIST's format.

    Returns
    -------
    train_images, train_labels, test_images, test_labels : numpy.ndarray of uint8
        1,437 and 360 images of 28x28 pixels, white on black, with a margin of 4 pixels as in MNIST; stratified by
        class.
    """
    from sklearn.datasets import load_digits  # The processes that render the sample do not need it.
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    small = [Image.fromarray(image.reshape(8, 8).astype(np.float32)) for image in images]
    content = np.stack([image.resize((20, 20), Image.Resampling.BICUBIC) for image in small])
    images = np.pad(np.rint(np.clip(content / 16, 0, 1) * 255).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))
    split = train_test_split(images, labels.astype(np.uint8), test_size=0.2, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = split
    return train_images, train_labels, test_images, test_labels
