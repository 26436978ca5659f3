"""Inference: predictions, probabilities and validation."""

import numpy as np
import torch
import torch.nn.functional as F


@torch.inference_mode()
def predict_top3(model, images, batch_size=256):
    """Predict the three most probable classes of each image.

    Parameters
    ----------
    model : torch.nn.Module
    images : emnist.training.batches.ImageBatches
    batch_size : int

    Returns
    -------
    classes : numpy.ndarray of int64, shape (N, 3)
        The most probable class first.
    confidence : numpy.ndarray of float32, shape (N,)
        Probability of the first class.
    losses : numpy.ndarray of float32, shape (N,)
        Cross-entropy of the true class, in nats.
    """

    def read(logits, labels):
        log_probabilities = F.log_softmax(logits, dim=1)
        top3, classes = log_probabilities.topk(3)
        return classes, top3[:, 0].exp(), -log_probabilities.gather(1, labels[:, None])[:, 0]

    return _gather(read, model, images, batch_size)


@torch.inference_mode()
def predict_probabilities(model, images, batch_size=256):
    """Compute the probability of each class.

    Parameters
    ----------
    model, images, batch_size
        As for `predict_top3`.

    Returns
    -------
    numpy.ndarray of float32, shape (N, classes)
    """
    return _gather(lambda logits, _: [logits.softmax(dim=1)], model, images, batch_size)[0]


def _gather(function, model, images, batch_size):
    """Call a function with the logits, in float32, and the labels of each batch, and gather each tensor that it returns.

    The results are written to one array: many small ones, kept between the large ones that come and go, would leave
    holes in the memory, 1.1 kB an image.
    """
    model.eval()
    gathered, start = None, 0
    for batch, labels in images.eval_batches(batch_size):
        with images.hardware.autocast():
            logits = model(batch)
        parts = function(logits.float(), labels)
        gathered = gathered or [part.new_empty(len(images), *part.shape[1:]) for part in parts]
        for whole, part in zip(gathered, parts):
            whole[start : start + len(part)] = part
        start += len(batch)
    return tuple(whole.cpu().numpy() for whole in gathered)


def validate(model, images):
    """Score a model on validation images.

    Parameters
    ----------
    model : torch.nn.Module
    images : emnist.training.batches.ImageBatches

    Returns
    -------
    dict of str to float
        ``validation_loss`` (mean cross-entropy, in nats) and ``validation_accuracy`` (0 to 1).
    """
    classes, _, losses = predict_top3(model, images)
    labels = images.labels[images.indices].cpu().numpy()
    return {
        "validation_loss": float(losses.mean(dtype=np.float64)),
        "validation_accuracy": float((classes[:, 0] == labels).mean()),
    }
