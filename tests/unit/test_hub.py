"""The cards are what the Hugging Face Hub takes, and the folders for it hold all that their example needs."""

import subprocess
import sys

import numpy as np
import pytest
from glyphs import glyph
from PIL import Image

from emnist.models.pretrained import FOLDER, load_card, pretrained_names
from emnist.reading.pictures import read_character
from emnist.reading.reader import Reader
from emnist.utils.errors import UserError
from tools import publish


@pytest.mark.parametrize("name", pretrained_names())
def test_the_hub_finds_in_a_card_each_score_with_its_data_set(name):
    hub = pytest.importorskip("huggingface_hub", reason="needs huggingface_hub, which `make test` installs")
    card = hub.ModelCard((FOLDER / f"{name}.md").read_text(encoding="utf-8")).data
    assert (card.license, card.library_name, card.pipeline_tag) == ("mit", "onnx", "image-classification")
    found = {}
    for result in card.eval_results:
        found.setdefault(result.dataset_name, {})[result.metric_name] = result.metric_value
        assert result.metric_type in card.metrics
    assert card.model_name == name and found == load_card(name)[1]["scores"]


def test_a_folder_for_the_hub_holds_a_network_that_its_example_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["publish", "hub", str(tmp_path / "hub")])
    publish.main()
    assert sorted(each.name for each in (tmp_path / "hub").iterdir()) == pretrained_names()
    image = read_character(255 - np.asarray(glyph()))
    Image.fromarray(image).save(tmp_path / "four.png")
    done = subprocess.run(
        [sys.executable, "-P", "example.py", tmp_path / "four.png"],
        cwd=tmp_path / "hub/lenet",
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    (prediction,) = Reader("lenet").predict_images(image[np.newaxis])
    assert done.stdout.splitlines() == [f"{character} {value:.1%}" for character, value in prediction.probabilities[:3]]
    with pytest.raises(UserError, match="should be an empty folder, but is not: name another"):
        publish.main()
