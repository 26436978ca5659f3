"""params.yaml is checked before any work, and what is wrong is said in one sentence."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emnist.check import check_names
from emnist.params import as_list, load_params
from emnist.utils.errors import UserError

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def changed(tmp_path, **changes):
    """Write params.yaml with dotted keys set to other values."""
    values = yaml.safe_load(TEXT)
    for key, value in changes.items():
        *parents, last = key.split("__")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def sentence(path):
    with pytest.raises(UserError) as error:
        load_params(path)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_the_projects_own_parameters_are_valid(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    params = load_params(path)
    check_names(params)
    assert params.model == "resnet"
    assert params.split[params.size].train == params.split.small.train
    assert json.loads(params.model_dump_json()) == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"size": "smal"}, ["size", "did you mean small?"]),
        ({"source": 3}, ["source should be a string or a list of strings", "3"]),
        ({"source": []}, ["source should be a string or a list of strings", "[]"]),
        ({"source": ["sample", 3]}, ["source should be a string or a list of strings", "['sample', 3]"]),
        ({"source": ["sample", "sample"]}, ["source should name nothing twice", "['sample', 'sample']"]),
        ({"sed": 1}, ["sed is not a parameter", "did you mean seed?"]),
        ({"finetune__learning_rat": 1}, ["finetune.learning_rat is not a parameter", "learning_rate?"]),
        ({"seed": "42"}, ["seed", "integer", "'42'"]),
        ({"seed": True}, ["seed", "True"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"finetune__learning_rate": float("nan")}, ["finetune.learning_rate", "finite"]),
        ({"finetune__learning_rate": 1e300}, ["finetune.learning_rate", "1e+300"]),
        ({"pretrain__small__epochs": 0}, ["pretrain.small.epochs", "0"]),
        ({"pretrain__small__epochs": 10**30}, ["pretrain.small.epochs"]),
        ({"compute__threads": "many"}, ["compute.threads", "'many'"]),
        ({"compute__threads": 0}, ["compute.threads", "0"]),
        ({"search__baseline__space__momentum": []}, ["search.baseline.space.momentum", "at least 1 item"]),
        (
            {"search__baseline__space__batch_size": [16, 1]},
            ["search.baseline.space.batch_size.1", "greater than or equal to 2"],
        ),
        ({"transfer": None}, ["transfer", "None"]),
        ({"recipe": "aneal"}, ["recipe should be annealed or baseline", "did you mean annealed?"]),
        ({"transfer__learning_rate": "1e-3"}, ["transfer.learning_rate", "write 0.001"]),
        ({"split__small__train": 99}, ["split.small.train", "100"]),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_found(tmp_path, changes, expected):
    message = sentence(changed(tmp_path, **changes))
    for part in expected:
        assert part in message
    assert message.count("params.yaml: ") == 1


def test_one_or_several_sources_and_folders_may_be_named(tmp_path):
    params = load_params(changed(tmp_path, source=["folder", "sample"], download__folder__emnist=["../a", "../b"]))
    check_names(params)
    assert as_list(params.source) == ["folder", "sample"]
    assert as_list("sample") == ["sample"]


def test_a_missing_key_is_named(tmp_path):
    values = yaml.safe_load(TEXT)
    del values["finetune"]["batch_size"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    assert "finetune.batch_size is missing" in sentence(path)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"model": "spinalnt"}, ["model", "'spinalnt'", "did you mean spinalnet?"]),
        ({"source": "smaple"}, ["source should be one of emnist, folder, sample", "did you mean sample?"]),
        ({"source": ["folder", "smaple"]}, ["source should be one of emnist, folder, sample", "did you mean sample?"]),
        ({"download__smaple": {}}, ["download should be", "did you mean sample?"]),
        ({"download__emnist__mirrors": [{"url": "https://example.org/gzip.zip"}]}, ["mirrors.0", "md5"]),
        ({"download__folder__emnist": "data/raw"}, ["download.folder", "emptied"]),
        ({"download__folder__emnist": ["../mine", "data/raw"]}, ["download.folder", "emptied"]),
        ({"download__folder__emnist": ["../mine", "../mine"]}, ["download.folder.emnist should name nothing twice"]),
        ({"download__sample__trian": 3}, ["download.sample.trian is not a parameter", "did you mean train?"]),
        ({"augmentation__affin": None}, ["augmentation should be one of", "did you mean affine?"]),
        ({"augmentation__affine__scale": [1.1, 0.9]}, ["augmentation.affine", "smaller number first"]),
        ({"augmentation__elastic": {"displacement": 1.0}}, ["augmentation.elastic.sigma is missing"]),
        ({"dropout__annealed": {"lennet": 0.1}}, ["dropout.annealed should be one of", "did you mean lenet?"]),
        ({"loss": "cross_entrpy"}, ["loss should be one of", "did you mean cross_entropy?"]),
        ({"losses__label_smoothing__smoothing": 1.5}, ["losses.label_smoothing.smoothing", "1.5"]),
        ({"losses": {"label_smoothing": {"smoothing": 0.1}}}, ["loss, whose options are in losses", "label_smoothing"]),
        ({"finetune__optimizer": "adamm"}, ["finetune.optimizer should be one of", "did you mean adam?"]),
        ({"pretrain__optimizer": "sdg"}, ["pretrain.optimizer", "did you mean sgd?"]),
        ({"optimizers__sgd__momentum": 1.0}, ["optimizers.sgd.momentum", "less than 1"]),
        ({"finetune__annealed__unaugmented": 2}, ["finetune.annealed.unaugmented should be less than or equal to 1"]),
        ({"finetune__annealed__schedule": "cosin"}, ["finetune.annealed.schedule", "did you mean cosine?"]),
    ],
)
def test_a_wrong_name_or_option_is_refused_with_the_nearest(tmp_path, changes, expected):
    with pytest.raises(UserError) as error:
        check_names(load_params(changed(tmp_path, **changes)))
    for part in ["params.yaml: ", *expected]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("model: [", "YAML"),
        ("seed: 1\nseed: 2\n", "'seed' is given twice in line 1"),
        ("split: {small: {train: 1, train: 2}}", "'train' is given twice"),
        ("just words", "a mapping"),
        ("", "a mapping"),
        ("\x00", "YAML"),
        ("a: !!python/object/apply:os.system ['true']", "YAML"),
        ("&a [*a]", "a mapping"),
        ("? [1, 2]\n: 3", "YAML"),
        ("[" * 5000, "YAML"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(tmp_path, text, expected):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert expected in sentence(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "YAML" in sentence(path)


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.yaml is missing" in sentence(tmp_path / "nowhere.yaml")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=4))
def test_any_damage_is_either_valid_or_one_sentence(tmp_path_factory, position, noise):
    path = tmp_path_factory.mktemp("damaged") / "params.yaml"
    data = TEXT.encode()
    path.write_bytes(data[:position] + noise + data[position + len(noise) :])
    try:
        load_params(path)
    except UserError as error:
        assert "\n" not in str(error)
