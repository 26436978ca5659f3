"""The training loop, and the single pass that evaluation needs."""

import hashlib
import math

import torch
import torch.nn.functional as F

from emnist.training.inference import validate
from emnist.training.schedule import SCHEDULES, set_learning_rate
from emnist.utils.errors import UserError
from emnist.utils.progress import log, progress


def seed_everything(seed, *labels):
    """Seed torch's global generator by `seed` and what the random numbers are for, and return the seed used."""
    digest = hashlib.sha256(repr((seed, *labels)).encode()).digest()
    value = int.from_bytes(digest[:4], "little")
    torch.manual_seed(value)
    return value


class Diverged(UserError):
    """The loss became NaN or infinite."""


def train_epoch(model, optimizer, batches, hardware, clip_norm, learning_rate=None, loss_function=F.cross_entropy):
    """Train on each batch once.

    Parameters
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    batches : iterable of (torch.Tensor, torch.Tensor)
    hardware : emnist.training.hardware.Hardware
    clip_norm : float or None
        Gradients with a larger norm are scaled down to it.
    learning_rate : callable, optional
        Gets the number of a batch, from 0, and returns the learning rate for it.
    loss_function : callable
        As `emnist.training.losses.build_loss` gives it.

    Returns
    -------
    dict of str to float
        ``train_loss`` (the mean loss) and ``train_accuracy``, over the batches as they were trained on.
    """
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    losses, hits = [], []  # kept where they are computed: reading a value back would make each step wait for it
    for step, (images, labels) in enumerate(batches):
        if learning_rate:
            set_learning_rate(optimizer, learning_rate(step))
        with hardware.autocast():
            logits = model(images)
            loss = loss_function(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()
        losses.append(loss.detach() * len(labels))
        hits.append(logits.detach().argmax(1) == labels)
    hits = torch.cat(hits)
    return {
        "train_loss": torch.stack(losses).double().sum().item() / len(hits),
        "train_accuracy": hits.double().mean().item(),
    }


def fit(
    name,
    model,
    optimizer,
    train,
    *,
    epochs,
    batch_size,
    augmentations,
    clip_norm,
    seed,
    schedule="constant",
    loss=F.cross_entropy,
    validation=None,
    patience=None,
    checkpoint=None,
    report=None,
    quiet=False,
):
    """Train for some epochs, or until validation stops improving, and leave the best weights in the model.

    Parameters
    ----------
    name : str
        What is printed and which random numbers are drawn.
    model : torch.nn.Module
        On the hardware of `train`.
    optimizer : torch.optim.Optimizer
    train : ImageBatches
    epochs : int
        At most.
    batch_size : int
    augmentations : iterable of callables
        As `emnist.training.augmentation.build_augmentations` gives them.
    clip_norm : float
    schedule : str
        A key of `emnist.training.schedule.SCHEDULES`; the optimizer's own learning rate is the highest.
    loss : callable
        As `emnist.training.losses.build_loss` gives it. Validation is always by cross-entropy.
    seed : int
        Each epoch seeds its shuffling, augmentation and dropout by this and its number, so that a run continued from
        a checkpoint draws what the undisturbed run draws.
    validation : ImageBatches, optional
        If given, the best weights are those of the epoch with the lowest validation loss; else the last ones.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    checkpoint : emnist.utils.checkpoint.Checkpoint, optional
        Written after each epoch, and continued from.
    report : callable, optional
        Gets the history so far, after each epoch.
    quiet : bool
        Whether to print nothing.

    Returns
    -------
    list of dict of str to float
        One for each epoch: ``epoch``, what `train_epoch` returns, and what `validate` returns.

    Raises
    ------
    Diverged
        If the loss is no longer finite.
    """
    hardware = train.hardware
    history, best = [], None
    peak = optimizer.param_groups[0]["lr"]
    kept = checkpoint and checkpoint.load()
    if kept:
        tensors, history = kept
        model.load_state_dict(strip_prefix("model.", tensors))
        _load_optimizer(optimizer, strip_prefix("optimizer.", tensors))
        best = strip_prefix("best.", tensors)
        log(f"{name}: continues after epoch {len(history)}")
    while True:
        if report and history:  # here, so that a run that has nothing left to do reports, too
            report(history)
        if len(history) >= epochs or should_stop(history, patience):
            break
        epoch = len(history) + 1
        generator = torch.Generator(hardware.device).manual_seed(seed_everything(seed, name, epoch))
        steps = max(len(train) // batch_size, 1)
        batches = train.train_batches(batch_size, augmentations, generator)
        if not quiet:
            batches = progress(batches, f"{name} epoch {epoch}", steps, "batch")

        def learning_rate(step, start=(epoch - 1) / epochs, share=1 / steps / epochs):
            return peak * SCHEDULES[schedule](start + step * share)

        row = {"epoch": epoch, **train_epoch(model, optimizer, batches, hardware, clip_norm, learning_rate, loss)}
        if validation:
            row |= validate(model, validation)
        if not all(map(math.isfinite, row.values())):
            raise Diverged(
                f"{name}: the loss is no longer finite in epoch {epoch}, so training stops: "
                "lower the learning rate in params.yaml"
            )
        history.append({key: round(value, 6) for key, value in row.items()})
        if validation and best_epoch(history) == epoch:
            best = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}
        if not quiet:
            log(
                f"{name}: epoch {epoch}/{epochs}  "
                + "  ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in row.items() if key != "epoch")
            )
        if checkpoint:
            checkpoint.save(
                add_prefix("model.", model.state_dict())
                | add_prefix("optimizer.", _optimizer_state(optimizer))
                | add_prefix("best.", best or {}),
                history,
            )
    if best:
        model.load_state_dict(best)
    return history


def best_epoch(history):
    """Give the number, from 1, of the epoch with the lowest validation loss."""
    return min(history, key=lambda row: row["validation_loss"])["epoch"]


def should_stop(history, patience):
    return bool(patience and history) and len(history) - best_epoch(history) >= patience


def add_prefix(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(prefix, tensors):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(optimizer):
    """Flatten an optimizer's tensors to ``"<parameter>.<name>"``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": tensor
        for index, values in state.items()
        for name, tensor in values.items()
        if tensor is not None
    }


def _load_optimizer(optimizer, tensors):
    state = {}
    for key, tensor in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
