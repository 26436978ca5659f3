"""Averaging over shifts: the mean of the probabilities, and apart from all other scores."""

import json

import torch
import torch.nn.functional as F
from project import outputs, run, set_params
from test_experiments import stages_run

from emnist.models import build_model
from emnist.shifts import MeanOverShifts

STATISTICS = {"mean": 0.2, "std": 0.4}
BACKGROUND = -0.5


def test_probabilities_are_the_mean_of_those_of_the_image_moved_each_way():
    torch.manual_seed(0)
    model = build_model("lenet").eval()
    ink = torch.randn(3, 1, 24, 24)
    moved = []
    for left in (1, 2, 3):
        for top in (1, 2, 3):
            images = torch.full((3, 1, 28, 28), BACKGROUND)
            images[..., top:top + 24, left:left + 24] = ink
            moved.append(images)
    with torch.no_grad():
        expected = torch.stack([F.softmax(model(images), 1) for images in moved]).mean(0)
        middle = moved[4]
        torch.testing.assert_close(MeanOverShifts(model, 1, STATISTICS)(middle).exp(), expected)
        torch.testing.assert_close(MeanOverShifts(model, 0, STATISTICS)(middle).exp(), F.softmax(model(middle), 1))


def test_it_is_scored_apart_and_changes_no_other_result(pipeline):
    before = outputs(pipeline)
    set_params(pipeline, **{"evaluate.shifts": 1})
    assert stages_run(run("dvc repro", pipeline).stdout) == {"check", "evaluate"}
    after = outputs(pipeline)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"dvc.lock", "metrics/evaluate.json"}
    scores = json.loads(after["metrics/evaluate.json"])
    assert scores.pop("test_shifted").keys() == scores["test"].keys() - {"loss"}
    assert scores == json.loads(before["metrics/evaluate.json"])
