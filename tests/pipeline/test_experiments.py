"""Experiments with real DVC: what they re-run, and what they leave alone."""

import importlib
import json

import numpy as np
import pytest
from glyphs import glyph
from pipeline_helpers import metrics, outputs, run, set_params, stages_run

from emnist.data import idx
from emnist.data.datasets import RAW, SPLIT, load_mnist
from emnist.data.files import write_array
from emnist.models import ARCHITECTURES
from emnist.models.weights import load_weights
from emnist.params import load_params

DEPENDS_ON_THE_MODEL = ["initialise", "search", "pretrain", "finetune", "export", "evaluate", "transfer"]  # and plots
# By the finished pipeline, and by those of test_own_characters.py and test_commands.py, which check their export.
RUN_ELSEWHERE = {"lenet", "resnet", "spinalnet"}
PROBABILISTIC = {"negative_log_likelihood", "expected_calibration_error", "share_at_99_accuracy"}


def shape(value):
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(set(ARCHITECTURES) - RUN_ELSEWHERE))
def test_every_architecture_runs_through_all_stages(finished_pipeline, pipeline, monkeypatch, model):
    """In one process, which loads PyTorch once."""
    small = {"test": 20, "trials": 1, "pretrain_epochs": 1}
    set_params(pipeline, model=model, **{f"sizes.small.{name}": value for name, value in small.items()})
    monkeypatch.chdir(pipeline)
    for part in ("train", "t10k"):
        images, labels = load_mnist(part)
        idx.write_images(RAW / f"{part}-images-idx3-ubyte.gz", images[:20])
        idx.write_labels(RAW / f"{part}-labels-idx1-ubyte.gz", labels[:20])
    for name in ("train-images", "train-labels"):  # EnsNet learns 16 images a second
        write_array(SPLIT / f"{name}.npy", np.load(SPLIT / f"{name}.npy")[:32])
    for name in ("pretrain", "validation", "mini-train", "mini-validation"):
        write_array(SPLIT / f"{name}.npy", np.arange(16) + 16 * ("validation" in name))
    for stage in DEPENDS_ON_THE_MODEL:
        importlib.import_module(f"stages.{stage}").main(load_params())
    assert load_weights("data/weights/transfer.safetensors")[1]["model"] == model
    assert shape(metrics(pipeline)) == shape(metrics(finished_pipeline))
    assert metrics(pipeline)["export"]["float32"]["largest_difference"] < 1e-5


def test_a_change_of_code_re_runs_the_stages_of_this_architecture_and_none_of_another(pipeline):
    # Up to the first of them; the test above runs them all.
    for model, target, expected in (("ensnet", "", set()), ("lenet", "search", {"search"})):
        with open(pipeline / f"emnist/architectures/{model}.py", "a") as file:
            file.write("\n# another thought\n")
        assert stages_run(run(f"dvc repro {target}", pipeline).stdout) == expected


def test_averaging_over_shifts_is_scored_apart_and_changes_no_other_result(pipeline):
    before = outputs(pipeline)
    set_params(pipeline, **{"evaluate.tta": 1})
    assert stages_run(run("dvc repro", pipeline).stdout) == {"check", "evaluate"}
    after = outputs(pipeline)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"dvc.lock", "metrics/evaluate.json"}
    scores = json.loads(after["metrics/evaluate.json"])
    assert scores.pop("test_tta").keys() == scores["test"].keys() - PROBABILISTIC
    assert scores == json.loads(before["metrics/evaluate.json"])


def test_the_transfer_and_pre_training_start_from_a_pretrained_network(pipeline):
    before = metrics(pipeline)["pretrain"]["train_accuracy"]
    done = run("dvc exp run -S pretrained=lenet -S transfer.weights=initial transfer", pipeline)
    assert stages_run(done.stdout) == {"check", "initialise", "transfer"}  # the transfer needs no other training
    assert stages_run(run("dvc repro pretrain", pipeline).stdout) == {"pretrain"}
    assert metrics(pipeline)["pretrain"]["train_accuracy"] > before + 0.2


def test_a_new_network_re_runs_no_training_that_starts_from_random_weights(pipeline):
    for suffix in ("md", "safetensors"):
        (pipeline / f"emnist/pretrained/lenet.{suffix}").unlink()
    assert stages_run(run("dvc repro", pipeline).stdout) == {"check", "initialise"}


def test_without_a_model_of_its_own_the_command_reads_by_a_pretrained_network(pipeline):
    glyph().save(pipeline / "four.png")
    own = run("emnist predict four.png", pipeline).stdout
    (pipeline / "data/model/emnist.onnx").unlink()
    done = run("emnist predict --json four.png 2> said", pipeline)
    said = (pipeline / "said").read_text()
    assert said == "the pretrained network handwriting reads; --model names others\n"
    assert json.loads(done.stdout)[0]["predictions"][0]["character"] == "4"
    assert run("emnist predict --model lenet four.png", pipeline).stdout != own
    done = run("emnist predict --model lenit four.png", pipeline, check=False)
    assert done.returncode == 1 and "(did you mean lenet?)" in done.stdout
