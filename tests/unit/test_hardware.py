"""The choice of device where PyTorch finds a GPU that it cannot use."""

import pytest
import torch

from emnist.models import build_model
from emnist.params import Compute
from emnist.training.hardware import setup_hardware
from emnist.utils.errors import UserError


@pytest.fixture
def unusable_gpu(monkeypatch):
    """Have PyTorch find a GPU; on this machine, its first computation there fails, as on one that is too old."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU that works")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def choose(device):
    return setup_hardware(Compute(device=device, precision="float32", threads=1, workers=1), build_model("lenet"))


def test_auto_takes_the_cpu_with_a_warning(unusable_gpu, capsys):
    assert choose("auto").device.type == "cpu"
    said = capsys.readouterr().out
    assert said.startswith("warning: this PyTorch, ") and said.count("\n") == 1
    assert "cannot compute on the GPU (" in said and "the CPU is used; `compute.device: cpu`" in said


def test_a_gpu_that_is_asked_for_is_refused_in_one_sentence(unusable_gpu):
    with pytest.raises(
        UserError, match="compute.device is cuda, but this PyTorch, .*: set compute.device to auto or cpu"
    ):
        choose("cuda")
