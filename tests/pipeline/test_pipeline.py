"""The whole pipeline with real DVC, at a tiny size."""

import csv
import json
import re

import numpy as np
import onnx
import pytest
from dvc.repo import Repo
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, write_official
from PIL import Image
from pipeline_helpers import checkout, metrics, outputs, run, set_params, stages_run

from emnist.data.classes import CHARACTERS
from emnist.export import STANDARD
from emnist.serve.drawings import Drawings


def test_after_a_run_from_a_clone_nothing_has_changed_in_git(finished_pipeline):
    assert run("git status --short", finished_pipeline).stdout == ""
    assert not list((finished_pipeline / ".dvc/tmp/continue").iterdir())


def test_every_output_says_what_it_should(finished_pipeline):
    scores = metrics(finished_pipeline)["evaluate"]
    for part in ("train", "test"):
        assert {"accuracy", "precision", "recall", "f1", "macro_f1", "top3_accuracy", "bymerge_accuracy"} < set(
            scores[part]
        )
        assert all(0 <= scores[part][name] <= 1 for name in scores[part] if name != "negative_log_likelihood")
    with open(finished_pipeline / "plots/classes.csv") as file:
        counts = [int(row["images"]) for row in csv.DictReader(file)]
    assert len(counts) == 62 and sum(counts) == 400 and min(counts) > 0
    for name in ("train", "test"):
        with open(finished_pipeline / f"data/predictions/{name}.csv") as file:
            rows = list(csv.DictReader(file))
        right = sum(row["actual"] == row["predicted"] for row in rows)
        assert right / len(rows) == pytest.approx(scores[name]["accuracy"], abs=1e-6)
    confusions = ["confusion-train", "confusion-test", "confused-pairs"]
    for picture in [*confusions, "predictions", "augmentation", "reliability", "curves", "search"]:
        Image.open(finished_pipeline / f"plots/{picture}.png").verify()


def test_the_exported_networks_read_the_test_images_as_the_model_does(finished_pipeline):
    scores = metrics(finished_pipeline)["export"]
    assert scores["images"] == 100
    assert scores["float32"]["differing_predictions"] == 0 and scores["float32"]["largest_difference"] < 1e-4
    assert scores["int8"]["bytes"] < scores["float32"]["bytes"] / 2
    loss = scores["float32"]["accuracy"] - scores["int8"]["accuracy"]
    assert scores["int8"]["recommended"] == (loss < 0.0025)
    for name in ("emnist", "emnist-int8"):
        exported = onnx.load(finished_pipeline / f"data/model/{name}.onnx")
        onnx.checker.check_model(exported, full_check=True)
        about = {entry.key: entry.value for entry in exported.metadata_props}
        assert about.pop("classes") == CHARACTERS
        assert about == STANDARD | {"architecture": "lenet", "data": "rendered sample", "recipe": "annealed"}


def test_outputs_hold_no_path_and_no_date(finished_pipeline):
    for name, content in outputs(finished_pipeline).items():
        assert str(finished_pipeline).encode() not in content, name
        if name.endswith((".json", ".csv", ".lock")):
            assert not re.search(rb"20\d\d-\d\d-\d\d|localhost|/home/", content), name


def test_several_sources_and_folders_are_put_together(tmp_path):
    mixed = checkout(tmp_path / "checkout", sizes__small__train=None, sizes__small__test=None)
    write_official(tmp_path / "mine", [*EMNIST_NAMES, *MNIST_NAMES])
    write_official(tmp_path / "yours", EMNIST_NAMES, count=65)
    kept = Drawings(tmp_path / "kept")  # as `emnist serve --keep` writes them
    for character in "A7b":
        kept.keep(np.eye(28, dtype=np.uint8), character)
    run(
        "dvc exp run -S 'source=[folder,sample]' -S 'download.folder.emnist=[../mine,../yours,../kept]' "
        "-S download.sample.train=300 split",
        mixed,
    )
    split = metrics(mixed)["split"]
    assert split["images"]["train"] == 70 + 65 + 2 + 300
    assert split["source"] == "images from a folder and the rendered sample"
    assert set(json.loads((mixed / "data/sources.json").read_text())) == {"folder", "sample"}
    assert {path.name for path in (mixed / "data/raw").iterdir()} == {*EMNIST_NAMES, *MNIST_NAMES, "source.json"}
    with Repo(mixed) as repo:
        assert repo.artifacts.read()["dvc.yaml"]["emnist-byclass"].meta["source"] == ["folder", "sample"]
    set_params(mixed, **{"download.emnist.mnist_mirrors": ["https://example.org/"]})  # of a source that is not used
    assert stages_run(run("dvc repro split", mixed).stdout) == {"check"}
