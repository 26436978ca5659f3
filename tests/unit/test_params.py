"""params.yaml is checked before any work, and what is wrong is said in one sentence."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_helpers import REPOSITORY, set_params

from emnist.params import load_params
from emnist.utils.errors import UserError

TEXT = (REPOSITORY / "params.yaml").read_text()
LENET = yaml.safe_load(TEXT)["architectures"]["lenet"]


def changed(tmp_path, **changes):
    """Write params.yaml with other values; a dot in a name is written as two underscores."""
    (tmp_path / "params.yaml").write_text(TEXT)
    set_params(tmp_path, **{name.replace("__", "."): value for name, value in changes.items()})
    return tmp_path / "params.yaml"


def sentence(path):
    with pytest.raises(UserError) as error:
        load_params(path)
    return str(error.value)


def test_the_projects_own_parameters_are_valid():
    params = load_params(REPOSITORY / "params.yaml")
    assert params.model == "resnet" and params.sizes[params.size].train == 40000


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"size": "smal"}, ["size should be one of", "entries of sizes", "did you mean small?"]),
        ({"dataset": "letter"}, ["dataset should be one of byclass,", "did you mean letters?), but is 'letter'"]),
        ({"dataset": ["a"]}, ["dataset should list 2 to 256 characters (not 1), but is ['a']"]),
        ({"source": 3}, ["source should be a valid list", "3"]),
        ({"source": []}, ["source", "at least 1 item", "[]"]),
        ({"source": ["sample", "sample"]}, ["source should name nothing twice", "['sample', 'sample']"]),
        ({"transfer__learning_rat": 1}, ["transfer.learning_rat is not a parameter", "learning_rate?"]),
        ({"seed": "42"}, ["seed", "integer", "'42'"]),
        ({"seed": True}, ["seed", "True"]),
        ({"transfer__learning_rate": float("nan")}, ["transfer.learning_rate", "finite"]),
        ({"transfer__learning_rate": 1e300}, ["transfer.learning_rate", "1e+300"]),
        ({"sizes__small__trials": 0}, ["sizes.small.trials", "0"]),
        ({"compute__threads": "many"}, ["compute.threads", "'many'"]),
        ({"recipes__baseline__space__momentum": []}, ["recipes.baseline.space.momentum", "at least 1 item"]),
        ({"recipes__baseline__space__batch_size": [16, 1]}, ["recipes.baseline.space.batch_size.1", "or equal to 2"]),
        ({"transfer": None}, ["transfer", "None"]),
        ({"recipe": "aneal"}, ["recipe should be one of annealed, baseline", "did you mean annealed?"]),
        ({"sizes__small__train": 99}, ["sizes.small.train", "100"]),
        ({"architectures__lenet__dropout": {"aneal": 0.0}}, ["architectures.lenet", "did you mean annealed?"]),
        ({"recipes__annealed__space": {"batch_size": [32]}, "model": "resnet"}, ["annealed.space", "learning_rate"]),
        ({"architectures__ensnet__compare_size": {"small": "tny"}}, ["ensnet.compare_size", "did you mean tiny?"]),
        ({"transfer__weights": "initial"}, ["transfer.weights is initial, but pretrained is null"]),
        ({"pretrained": "lenet"}, ["pretrained is lenet", "set model to lenet"]),
        ({"pretrained": "lennet"}, ["pretrained should be", "did you mean lenet?"]),
        ({"sizes__small__trials": 999}, ["sizes.small.trials should be at most", "but is 999"]),
        ({"model": "spinalnt"}, ["model should be", "'spinalnt'", "did you mean spinalnet?"]),
        ({"source": ["folder", "smaple"]}, ["source.1 should be one of emnist, folder", "did you mean sample?"]),
        ({"download__emnist__mirrors": [{"url": "https://example.org/gzip.zip"}]}, ["mirrors.0", "md5"]),
        ({"download__folder__emnist": ["../mine", "data/raw"]}, ["download.folder", "emptied"]),
        ({"download__folder__emnist": ["../mine", "../mine"]}, ["download.folder.emnist should name nothing twice"]),
        ({"download__sample__trian": 3}, ["download.sample.trian is not a parameter", "did you mean train?"]),
        ({"recipes__annealed__augmentation__affin": None}, ["augmentation.affin is not", "did you mean affine?"]),
        ({"recipes__annealed__augmentation__affine__scale": [1.1, 0.9]}, ["affine", "smaller number first"]),
        ({"recipes__annealed__augmentation__elastic": {"displacement": 1.0}}, ["elastic.sigma is missing"]),
        ({"architectures__lennet": LENET}, ["architectures.lennet", "did you mean lenet?"]),
        ({"loss": "cross_entrpy"}, ["loss should be", "did you mean cross_entropy?"]),
        ({"losses__label_smoothing__smoothing": 1.5}, ["losses.label_smoothing.smoothing", "1.5"]),
        ({"losses__label_smoothing": {}}, ["losses.label_smoothing.smoothing is missing"]),
        ({"optimizer__finetune": "adamm"}, ["optimizer.finetune should be", "did you mean adam?"]),
        ({"optimizers__sgd__momentum": 1.0}, ["optimizers.sgd.momentum", "less than 1"]),
        ({"recipes__annealed__finetune__without_augmentation": 2}, ["without_augmentation", "less than or equal to 1"]),
        ({"recipes__annealed__finetune__schedule": "cosin"}, ["finetune.schedule", "did you mean cosine?"]),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_found(tmp_path, changes, expected):
    message = sentence(changed(tmp_path, **changes))
    for part in expected:
        assert part in message
    assert message.count("params.yaml: ") == 1


def test_one_or_several_sources_and_folders_may_be_named(tmp_path):
    params = load_params(changed(tmp_path, source=["folder", "sample"], download__folder__emnist=["../a", "../b"]))
    assert params.source == ["folder", "sample"] and params.download.folder.emnist == ["../a", "../b"]
    assert load_params(changed(tmp_path, source="sample")).source == ["sample"]


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
        ("\xff\xfe\x00", "YAML"),  # no UTF-8
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(tmp_path, text, expected):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    assert expected in sentence(path)


def test_a_file_of_an_earlier_version_is_told_what_each_section_is_called_now(tmp_path):
    message = sentence(changed(tmp_path, split={"small": {"train": 40000}}, finetune={"batch_size": 64}))
    assert "split is now sizes" in message and "finetune is now sizes (finetune_epochs)" in message
    assert "git checkout params.yaml" in message and "search is now" not in message


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.yaml is missing" in sentence(tmp_path / "nowhere.yaml")


@settings(max_examples=50)
@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=4))
def test_any_damage_is_either_valid_or_one_sentence(tmp_path_factory, position, noise):
    path = tmp_path_factory.mktemp("damaged") / "params.yaml"
    data = TEXT.encode()
    path.write_bytes(data[:position] + noise + data[position + len(noise) :])
    try:
        load_params(path)
    except UserError:
        pass
