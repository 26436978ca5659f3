"""Checks of an architecture that more than one test file makes."""

import torch
import torch.nn.functional as F

from emnist.models import build_model


def check_bfloat16(name):
    """Train an architecture for one step in bfloat16 and channels_last, and compare its two ways to the logits."""
    model = build_model(name).to(memory_format=torch.channels_last)
    images = torch.rand(2, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(model(images), torch.arange(2))
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(images), model.classify(model.embed(images)))
