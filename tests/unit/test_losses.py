"""Every loss is a finite mean over the batch that is lowest for the right answer."""

import pytest
import torch
import torch.nn.functional as F
from pipeline_helpers import own_params

from emnist.training.losses import LOSSES

OPTIONS = own_params()["losses"]
LABELS = torch.arange(8)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_options_in_params_yaml_and_is_lower_for_right_answers(name):
    loss = LOSSES[name](**OPTIONS[name])
    right, wrong = 5 * F.one_hot(LABELS, 10).float(), 5 * F.one_hot(LABELS + 1, 10).float()
    assert 0 <= loss(right, LABELS) < loss(torch.zeros(8, 10), LABELS) < loss(wrong, LABELS)


def test_smoothing_spreads_a_part_of_each_label_over_all_classes():
    logits = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    target = 0.8 * F.one_hot(LABELS, 10) + 0.2 / 10
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(LOSSES["label_smoothing"](smoothing=0.2)(logits, LABELS), expected)
