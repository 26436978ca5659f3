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
    classes, confidence, losses = [], [], []
    for logits, labels in _logits(model, images, batch_size):
        log_probabilities = F.log_softmax(logits, dim=1)
        top3, top3_classes = log_probabilities.topk(3)
        classes.append(top3_classes)
        confidence.append(top3[:, 0].exp())
        losses.append(-log_probabilities.gather(1, labels[:, None])[:, 0])
    return tuple(torch.cat(parts).cpu().numpy() for parts in (classes, confidence, losses))


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
    return torch.cat([logits.softmax(dim=1) for logits, _ in _logits(model, images, batch_size)]).cpu().numpy()


def _logits(model, images, batch_size):
    """Yield the logits, in float32, and the labels of one batch after another."""
    model.eval()
    for batch, labels in images.eval_batches(batch_size):
        with images.hardware.autocast():
            logits = model(batch)
        yield logits.float(), labels


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
