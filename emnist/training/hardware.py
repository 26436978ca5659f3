"""What the arithmetic runs on, chosen for the machine found."""

import os
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from emnist.utils.errors import UserError

# cuBLAS repeats bit for bit only with a fixed workspace; it reads this when it starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@dataclass(frozen=True)
class Hardware:
    """Device, precision, memory format and threads of one process."""

    device: torch.device
    precision: torch.dtype
    memory_format: torch.memory_format
    threads: int

    def __str__(self):
        return ", ".join(map(str, self.as_dict().values())) + (" thread" if self.threads == 1 else " threads")

    def as_dict(self):
        """Give the choice as JSON values."""

        def name(value):
            return str(value).removeprefix("torch.")

        return {
            "device": self.device.type,
            "precision": name(self.precision),
            "memory_format": name(self.memory_format),
            "threads": self.threads,
        }

    def to_device(self, model):
        """Move a model to the device, in the memory format."""
        return model.to(self.device, memory_format=self.memory_format)

    def autocast(self):
        """Give the context in which forward passes run in this precision."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)


def cores():
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def setup_hardware(compute, model, threads=None):
    """Choose the hardware and set PyTorch up for it, repeatable bit for bit.

    Parameters
    ----------
    compute : emnist.params.Compute
    model : torch.nn.Module
        Networks with few channels gain nothing from bfloat16.
    threads : int, optional
        Overrides `compute.threads`.

    Returns
    -------
    Hardware

    Raises
    ------
    UserError
        If a GPU is asked for and none is there.
    """
    device = compute.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: compute.device is cuda, but PyTorch finds no GPU: use auto or cpu")
    threads = threads or (cores() if compute.threads == "auto" else compute.threads)
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # torch.use_deterministic_algorithms, but without loading its compiler
    wide = any(m.out_channels >= 32 for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    low = wide and _has_fast_bfloat16(device) if compute.precision == "auto" else compute.precision == "bfloat16"
    return Hardware(
        torch.device(device),
        torch.bfloat16 if low else torch.float32,
        torch.channels_last if low or device == "cuda" else torch.contiguous_format,
        threads,
    )


def _has_fast_bfloat16(device):
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
