"""The training loop."""

import hashlib
import math

import torch
import torch.nn.functional as F

from emnist.models.layers import set_dropout
from emnist.training.inference import validate
from emnist.training.schedule import SCHEDULES
from emnist.utils.errors import UserError
from emnist.utils.progress import log, progress


def seed_torch(seed, *labels):
    """Seed PyTorch's global generator by a seed (int) and what it is for (str or int); return the seed derived."""
    digest = hashlib.sha256(repr((seed, *labels)).encode()).digest()
    derived = int.from_bytes(digest[:4], "little")
    torch.manual_seed(derived)
    return derived


class Diverged(UserError):
    """Raised when the loss is NaN or infinite."""


def train_epoch(model, optimizer, batches, hardware, clip_norm, learning_rate=None, loss_function=F.cross_entropy):
    """Train a model for one epoch.

    Parameters
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    batches : iterable of (torch.Tensor, torch.Tensor)
        Images (or features) and labels.
    hardware : emnist.training.hardware.Hardware
    clip_norm : float or None
        Gradients with a larger norm are scaled down to it.
    learning_rate : callable, optional
        Maps the number of a batch, from 0, to its learning rate.
    loss_function : callable
        As described at `emnist.training.losses.LOSSES`.

    Returns
    -------
    dict of str to float
        ``train_loss`` (mean over the images) and ``train_accuracy`` (0 to 1), computed during training on the
        augmented batches.
    """
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    losses, correct = [], []  # left on the device: copying a value to the CPU would make each step wait for the GPU
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups if learning_rate else ():
            group["lr"] = learning_rate(step)
        with hardware.autocast():
            logits = model(images)
            loss = loss_function(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()
        losses.append(loss.detach() * len(labels))
        correct.append(logits.detach().argmax(1) == labels)
    correct = torch.cat(correct)
    return {
        "train_loss": torch.stack(losses).double().sum().item() / len(correct),
        "train_accuracy": correct.double().mean().item(),
    }


def fit(name, model, recipe, train, *, seed, validation=None, checkpoint=None, report=None, quiet=False):
    """Train a model, and leave the best weights in it.

    Parameters
    ----------
    name : str
        Name of the training, in log lines and in the seeds of its random numbers.
    model : torch.nn.Module
        On the hardware of `train`. The parameters that require a gradient are trained.
    recipe : emnist.training.recipe.Recipe
    train : emnist.training.batches.ImageBatches
        Augments the images in those epochs that the recipe augments.
    seed : int
        Shuffling, augmentation and dropout of each epoch are seeded by this and the epoch's number, so that a run
        resumed from a checkpoint draws the same random numbers as an uninterrupted one.
    validation : emnist.training.batches.ImageBatches, optional
        The best weights are those of the epoch with the lowest validation loss; without validation, the last ones.
    checkpoint : emnist.utils.checkpoint.Checkpoint, optional
        Saved after each epoch, and resumed from.
    report : callable, optional
        Called with the history after each epoch.
    quiet : bool
        Whether to omit the progress bar and the line for each epoch.

    Returns
    -------
    list of dict of str to float
        The history, one dict for each epoch: ``epoch`` (from 1) and the values that `train_epoch` and `validate`
        return, to 6 decimals.

    Raises
    ------
    Diverged
        If a loss is NaN or infinite.
    """
    set_dropout(model, recipe.dropout)
    optimizer = recipe.optimizer([p for p in model.parameters() if p.requires_grad], recipe.learning_rate)
    schedule, epochs = SCHEDULES[recipe.schedule], recipe.epochs
    hardware = train.hardware
    history, best = [], None
    saved = checkpoint and checkpoint.load()
    if saved:
        tensors, history = saved
        model.load_state_dict(strip_prefix("model.", tensors))
        _load_optimizer(optimizer, strip_prefix("optimizer.", tensors))
        best = strip_prefix("best.", tensors)
        log(f"{name}: continues after epoch {len(history)}")
    while True:
        if report and history:  # a resumed run with nothing left to do reports, too
            report(history)
        if len(history) >= epochs or should_stop(history, recipe.patience):
            break
        epoch = len(history) + 1
        generator = torch.Generator(hardware.device).manual_seed(seed_torch(seed, name, epoch))
        steps = max(len(train) // recipe.batch_size, 1)
        start, per_step = (epoch - 1) / epochs, 1 / steps / epochs
        batches = train.train_batches(recipe.batch_size, generator, augment=recipe.is_augmented(epoch))
        if not quiet:
            batches = progress(batches, f"{name} epoch {epoch}", steps, "batch")

        def learning_rate(step):
            return recipe.learning_rate * schedule(start + step * per_step)

        trained = train_epoch(model, optimizer, batches, hardware, recipe.clip_norm, learning_rate, recipe.loss)
        row = {"epoch": epoch, **trained}
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
    """Return the number, from 1, of the epoch with the lowest validation loss."""
    return min(history, key=lambda row: row["validation_loss"])["epoch"]


def should_stop(history, patience):
    """Tell whether the validation loss has not improved for `patience` epochs (int, or None for never)."""
    return bool(patience and history) and len(history) - best_epoch(history) >= patience


def add_prefix(prefix, tensors):
    """Return a dict of tensors with `prefix` before each name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(prefix, tensors):
    """Return the tensors whose names start with `prefix`, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(optimizer):
    """Return an optimizer's tensors in one flat dict, named ``"<number of parameter>.<name>"``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": tensor
        for index, values in state.items()
        for name, tensor in values.items()
        if tensor is not None
    }


def _load_optimizer(optimizer, tensors):
    """Restore tensors that `_optimizer_state` returned."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {}
    for key, tensor in tensors.items():
        index, name = key.split(".")
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape:  # a fused optimizer takes for granted that both have one memory format
            tensor = torch.empty_like(parameter).copy_(tensor)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
