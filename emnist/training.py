"""The training loop, and the single pass that evaluation needs."""

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as F

from emnist import augment
from emnist.errors import UserError
from emnist.progress import progress, say

CHUNK = 512  # images augmented at once: enough to amortise the calls, few enough to stay in the processor's cache


def seed_everything(seed, *labels):
    """Seed torch's global generator by `seed` and what the random numbers are for, and return the seed used."""
    digest = hashlib.sha256(repr((seed, *labels)).encode()).digest()
    value = int.from_bytes(digest[:4], "little")
    torch.manual_seed(value)
    return value


class Diverged(UserError):
    """The loss became NaN or infinite."""


class Images:
    """Labelled images that stay uint8 until a batch is made of them.

    Parameters
    ----------
    images : numpy.ndarray or numpy.memmap of uint8, shape (M, 28, 28)
    labels : numpy.ndarray of uint8, shape (M,)
    indices : numpy.ndarray of int64, shape (N,), optional
        Which of them to use, all by default. On a CPU nothing is copied; a GPU gets the chosen ones once.
    hardware : emnist.hardware.Hardware
    statistics : dict of str to float
        ``mean`` and ``std`` of pixels in [0, 1].
    """

    def __init__(self, images, labels, hardware, statistics, indices=None):
        self.hardware = hardware
        indices = np.arange(len(labels)) if indices is None else np.asarray(indices)
        if hardware.device.type == "cuda":
            images, labels = np.ascontiguousarray(images[indices]), labels[indices]
            indices = np.arange(len(labels))
        self.images = torch.from_numpy(images).unsqueeze(1).to(hardware.device)
        self.labels = torch.from_numpy(np.asarray(labels)).to(hardware.device)
        self.indices = torch.from_numpy(indices).to(hardware.device)
        self.shift = 255 * statistics["mean"]
        self.factor = 1 / (255 * statistics["std"])

    def __len__(self):
        return len(self.indices)

    def batches(self, batch_size):
        """Yield normalised images (B, 1, 28, 28) and labels (B,) in order; the last batch may be smaller."""
        for indices in self.indices.split(batch_size):
            yield self._normalise(self.images[indices].float()), self.labels[indices].long()

    def shuffled(self, batch_size, augmentation, generator):
        """Yield shuffled, augmented, normalised batches, all of the same size.

        What doesn't fill a last batch is left out: other images each epoch. Batch normalisation and a GPU's recorded
        steps both want full batches.

        Parameters
        ----------
        batch_size : int
        augmentation : emnist.params.Augmentation
        generator : torch.Generator
            On the hardware's device.
        """
        batch_size = min(batch_size, len(self))
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        order = order[:len(order) // batch_size * batch_size]
        for chunk in order.split(max(CHUNK // batch_size, 1) * batch_size):
            indices = self.indices[chunk]
            images = self.images[indices].float()
            images = augment.affine(images, augment.draw(len(images), generator, **dict(augmentation)))
            labels = self.labels[indices].long()
            yield from zip(self._normalise(images).split(batch_size), labels.split(batch_size))

    def _normalise(self, images):
        images = images.sub_(self.shift).mul_(self.factor)
        return images.contiguous(memory_format=self.hardware.memory_format)


WARMUP = 0.3  # of all steps, in which the one-cycle schedule raises the rate from START of its peak
START = 0.04


def rate_factor(schedule, done):
    """Give the factor by which a schedule scales the learning rate.

    Parameters
    ----------
    schedule : {"constant", "one_cycle", "cosine"}
        ``one_cycle`` rises evenly to 1 over the first 30 % of training, then falls to 0 along half a cosine [1]_;
        ``cosine`` falls from the start [2]_.
    done : float
        The part of training that is done, 0 to 1.

    Returns
    -------
    float

    References
    ----------
    .. [1] Smith and Topin, 2018, "Super-convergence", arXiv:1708.07120.
    .. [2] Loshchilov and Hutter, 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "one_cycle":
        if done < WARMUP:
            return START + (1 - START) * done / WARMUP
        done = (done - WARMUP) / (1 - WARMUP)
    return (1 + math.cos(math.pi * done)) / 2


def scheduled(batches, optimizer, peak, schedule, start, step):
    """Pass on batches, and set the learning rate before each.

    Parameters
    ----------
    batches : iterable
    optimizer : torch.optim.Optimizer
    peak : float
        The learning rate where the schedule's factor is 1.
    schedule : str
        As `rate_factor` takes it.
    start, step : float
        The part of training done before the first batch, and what each batch adds.
    """
    for number, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = peak * rate_factor(schedule, start + number * step)
        yield batch


def train_epoch(model, optimizer, batches, hardware, clip_norm):
    """Train on each batch once.

    Parameters
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    batches : iterable of (torch.Tensor, torch.Tensor)
    hardware : emnist.hardware.Hardware
    clip_norm : float or None
        Gradients with a larger norm are scaled down to it.

    Returns
    -------
    dict of str to float
        ``train_loss`` (mean cross-entropy, nats) and ``train_accuracy``, over the batches as they were trained on.
    """
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    losses, hits = [], []  # kept where they are computed: reading a value back would make each step wait for it
    for images, labels in batches:
        with hardware.autocast():
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()
        losses.append(loss.detach() * len(labels))
        hits.append(logits.detach().argmax(1) == labels)
    hits = torch.cat(hits)
    return {"train_loss": torch.stack(losses).double().sum().item() / len(hits),
            "train_accuracy": hits.double().mean().item()}


@torch.inference_mode()
def top3(model, images, batch_size=256):
    """Find the three most probable classes of each image, in one pass.

    Parameters
    ----------
    model : torch.nn.Module
    images : Images
    batch_size : int

    Returns
    -------
    classes : numpy.ndarray of int64, shape (N, 3)
        The most probable first.
    confidence : numpy.ndarray of float32, shape (N,)
        Probability of the first.
    losses : numpy.ndarray of float32, shape (N,)
        Cross-entropy of the true class, in nats.
    """
    model.eval()
    classes, confidence, losses = [], [], []
    for batch, labels in images.batches(batch_size):
        with images.hardware.autocast():
            logits = model(batch)
        log_probabilities = F.log_softmax(logits.float(), dim=1)
        best, order = log_probabilities.topk(3)
        classes.append(order)
        confidence.append(best[:, 0].exp())
        losses.append(-log_probabilities.gather(1, labels[:, None])[:, 0])
    return tuple(torch.cat(parts).cpu().numpy() for parts in (classes, confidence, losses))


def validate(model, images):
    """Give ``validation_loss`` (mean cross-entropy, nats) and ``validation_accuracy``."""
    classes, _, losses = top3(model, images)
    labels = images.labels[images.indices].cpu().numpy()
    return {"validation_loss": float(losses.mean(dtype=np.float64)),
            "validation_accuracy": float((classes[:, 0] == labels).mean())}


def fit(name, model, optimizer, train, *, epochs, batch_size, augmentation, clip_norm, seed,
        schedule="constant", validation=None, patience=None, checkpoint=None, report=None, quiet=False):
    """Train for some epochs, or until validation stops improving, and leave the best weights in the model.

    Parameters
    ----------
    name : str
        What is printed and which random numbers are drawn.
    model : torch.nn.Module
        On the hardware of `train`.
    optimizer : torch.optim.Optimizer
    train : Images
    epochs : int
        At most.
    batch_size : int
    augmentation : emnist.params.Augmentation
    clip_norm : float
    schedule : str
        As `rate_factor` takes it; the optimizer's own learning rate is the highest.
    seed : int
        Each epoch seeds its shuffling, augmentation and dropout by this and its number, so that a run continued from
        a checkpoint draws what the undisturbed run draws.
    validation : Images, optional
        If given, the best weights are those of the epoch with the lowest validation loss; else the last ones.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    checkpoint : emnist.checkpoint.Checkpoint, optional
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
        model.load_state_dict(_under("model.", tensors))
        _load_optimizer(optimizer, _under("optimizer.", tensors))
        best = _under("best.", tensors)
        say(f"{name}: continues after epoch {len(history)}")
    while True:
        if report and history:  # here, so that a run that has nothing left to do reports, too
            report(history)
        if len(history) >= epochs or _stops(history, patience):
            break
        epoch = len(history) + 1
        generator = torch.Generator(hardware.device).manual_seed(seed_everything(seed, name, epoch))
        steps = max(len(train) // batch_size, 1)
        batches = scheduled(train.shuffled(batch_size, augmentation, generator), optimizer, peak, schedule,
                            start=(epoch - 1) / epochs, step=1 / steps / epochs)
        if not quiet:
            batches = progress(batches, f"{name} epoch {epoch}", steps, "batch")
        row = {"epoch": epoch, **train_epoch(model, optimizer, batches, hardware, clip_norm)}
        if validation:
            row |= validate(model, validation)
        if not all(map(math.isfinite, row.values())):
            raise Diverged(f"{name}: the loss is no longer finite in epoch {epoch}, so training stops: "
                           "lower the learning rate in params.yaml")
        history.append({key: round(value, 6) for key, value in row.items()})
        if validation and best_epoch(history) == epoch:
            best = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}
        if not quiet:
            say(f"{name}: epoch {epoch}/{epochs}  " + "  ".join(
                f"{key.replace('_', ' ')} {value:.4f}" for key, value in row.items() if key != "epoch"))
        if checkpoint:
            checkpoint.save(_over("model.", model.state_dict()) | _over("optimizer.", _optimizer_state(optimizer))
                            | _over("best.", best or {}), history)
    if best:
        model.load_state_dict(best)
    return history


def best_epoch(history):
    """Give the number, from 1, of the epoch with the lowest validation loss."""
    return min(history, key=lambda row: row["validation_loss"])["epoch"]


def _stops(history, patience):
    return bool(patience and history) and len(history) - best_epoch(history) >= patience


def _over(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(prefix, tensors):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(optimizer):
    """Flatten an optimizer's tensors to ``"<parameter>.<name>"``."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, values in state.items()
            for name, tensor in values.items() if tensor is not None}


def _load_optimizer(optimizer, tensors):
    state = {}
    for key, tensor in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
