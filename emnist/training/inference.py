"""Inference: predictions, probabilities and validation."""

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 256  # images that go through the network at once


@torch.inference_mode()
def predict_top3(model, images):
    """Predict the three most probable classes of each image.

    Parameters
    ----------
    model : torch.nn.Module
    images : emnist.training.batches.ImageBatches

    Returns
    -------
    classes : numpy.ndarray of int64, shape (N, 3)
        The most probable class first.
    confidence : numpy.ndarray of float32, shape (N,)
        Probability of the first class.
    losses : numpy.ndarray of float32, shape (N,)
        Cross-entropy of the true class, in nats.
    """

    def predict(logits, labels):
        log_probabilities = F.log_softmax(logits, dim=1)
        top3, classes = log_probabilities.topk(min(3, logits.shape[1]))
        return classes, top3[:, 0].exp(), -log_probabilities.gather(1, labels[:, None])[:, 0]

    whole = concatenate_batches(len(images), (predict(*batch) for batch in _logits(model, images)))
    return tuple(tensor.cpu().numpy() for tensor in whole)


@torch.inference_mode()
def predict_probabilities(model, images):
    """Compute the probability of each class, numpy.ndarray of float32 (N, classes). Parameters as `predict_top3`."""
    (whole,) = concatenate_batches(len(images), ([logits.softmax(dim=1)] for logits, _ in _logits(model, images)))
    return whole.cpu().numpy()


def _logits(model, images):
    """Yield the logits, in float32, and the labels of one batch after another."""
    model.eval()
    for batch, labels in images.eval_batches(BATCH):
        with images.hardware.autocast():
            logits = model(batch)
        yield logits.float(), labels


def concatenate_batches(count, batches):
    """Put what is computed of one batch after another into one tensor of each kind.

    Many small tensors, kept between the large ones that come and go, would leave holes in the memory, 1.1 kB an image.

    Parameters
    ----------
    count : int
        Number of images in all batches.
    batches : iterable of sequence of torch.Tensor
        For each batch a tensor of each kind, whose first dimension is the batch's images.

    Returns
    -------
    list of torch.Tensor
        Whose first dimension is all images.
    """
    whole, start = None, 0
    for parts in batches:
        whole = whole or [part.new_empty(count, *part.shape[1:]) for part in parts]
        end = start + len(parts[0])
        for tensor, part in zip(whole, parts):
            tensor[start:end] = part
        start = end
    return whole


def validate(model, images):
    """Score a model on validation images (`ImageBatches`).

    Returned are ``validation_loss`` (mean cross-entropy, in nats) and ``validation_accuracy`` (0 to 1).
    """
    classes, _, losses = predict_top3(model, images)
    labels = images.labels[images.indices].cpu().numpy()
    return {
        "validation_loss": float(losses.mean(dtype=np.float64)),
        "validation_accuracy": float((classes[:, 0] == labels).mean()),
    }
