"""Device, precision and thread selection."""

import os
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from emnist.utils.environment import cores
from emnist.utils.errors import UserError
from emnist.utils.progress import log

# cuBLAS is deterministic only with a fixed workspace; it reads this variable when it is initialised.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@dataclass(frozen=True)
class Hardware:
    """Device, precision and number of threads of one process."""

    device: torch.device
    precision: torch.dtype
    threads: int

    def __str__(self):
        return ", ".join(map(str, self.as_dict().values())) + (" thread" if self.threads == 1 else " threads")

    def as_dict(self):
        """Return the fields as JSON values."""
        return {
            "device": self.device.type,
            "precision": str(self.precision).removeprefix("torch."),
            "threads": self.threads,
        }

    def to_device(self, model):
        """Move a model to the device and into the memory format `channels_last`, the faster one; return it."""
        return model.to(self.device, memory_format=torch.channels_last)

    def autocast(self):
        """Return the context manager in which forward passes run in this precision."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)


def setup_hardware(compute, model, threads=None):
    """Choose the hardware and configure PyTorch for it, with deterministic algorithms only.

    Parameters
    ----------
    compute : emnist.params.Compute
    model : torch.nn.Module
        With precision ``auto``, only models that have a convolution of at least 32 channels use bfloat16: others gain
        nothing from it.
    threads : int, optional
        Overrides `compute.threads`.

    Returns
    -------
    Hardware

    Raises
    ------
    UserError
        If `compute.device` is ``cuda`` and PyTorch finds no GPU, or none that it can use.
    """
    device, fault = compute.device, None if compute.device == "cpu" else _find_fault_of_gpu()
    if fault and device == "cuda":
        raise UserError(f"params.yaml: compute.device is cuda, but {fault}: set compute.device to auto or cpu")
    if fault and torch.cuda.is_available():
        log(f"warning: {fault}: the CPU is used; `compute.device: cpu` in params.yaml ends this warning")
    if device == "auto":
        device = "cpu" if fault else "cuda"
    threads = threads or (cores() if compute.threads == "auto" else compute.threads)
    torch.set_num_threads(threads)
    # This does what use_deterministic_algorithms(True) does, without importing torch's compiler.
    torch.set_deterministic_debug_mode("error")
    # PyTorch would also fill new memory with NaN, an aid for debugging, which took 7 % of resnet's time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    use_bfloat16 = compute.precision == "bfloat16"
    if compute.precision == "auto":
        is_wide = any(m.out_channels >= 32 for m in model.modules() if isinstance(m, torch.nn.Conv2d))
        use_bfloat16 = is_wide and _has_fast_bfloat16(device)
    return Hardware(torch.device(device), torch.bfloat16 if use_bfloat16 else torch.float32, threads)


def _find_fault_of_gpu():
    """Say why PyTorch cannot compute on a GPU, or return None. It finds GPUs that it no longer has code for."""
    if not torch.cuda.is_available():
        return "PyTorch finds no GPU"
    try:
        torch.zeros(1, device="cuda").add_(1).item()
    except (RuntimeError, AssertionError) as error:
        return f"this PyTorch, {torch.__version__}, cannot compute on the GPU ({str(error).splitlines()[0]})"


def _has_fast_bfloat16(device):
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False  # bfloat16 would be emulated, slowly; ATEN_CPU_CAPABILITY can hide wider instructions
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
