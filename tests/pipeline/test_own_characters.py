"""From a folder of pictures of one's own alphabet to the page that reads it, by the commands of docs/data.md."""

import json
import re

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw, ImageFont
from pipeline_helpers import REPOSITORY, checkout, commands, metrics, run, set_params, stages_run
from server_helpers import serving

from emnist.data.fonts import font_path

CHARACTERS = "абж"
PER_CLASS = 30

pytestmark = pytest.mark.slow


def draw(path, character, number):
    """Draw a letter at an angle and in a size of its own."""
    rng = np.random.default_rng([ord(character), number])
    font = ImageFont.truetype(font_path("Caveat[wght].ttf"), int(rng.integers(60, 100)))
    picture = Image.new("L", (140, 150), 240)
    ImageDraw.Draw(picture).text((70, 75), character, fill=30, font=font, anchor="mm", stroke_width=number % 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.rotate(rng.uniform(-15, 15), fillcolor=240).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alphabet")
    mine = checkout(folder / "checkout", model="resnet", architectures__resnet__epoch_factor=2.0)
    for character in CHARACTERS:
        for number in range(1, PER_CLASS + 1):
            draw(folder / "mine" / character / f"{number}.png", character, number)
    text = (REPOSITORY / "docs/data.md").read_text()
    train, predict, serve = commands(re.search("## Your own alphabet.*?```bash\n(.*?)```", text, re.DOTALL)[1])
    assert serve == "emnist serve"
    return mine, run(train, mine).stdout, json.loads(run(f"{predict} --json", mine).stdout)


def test_the_pictures_are_trained_on_and_the_titles_say_what_was_set_aside(trained):
    mine, said, _ = trained
    split = metrics(mine)["split"]
    assert split["images"]["train"] == 72 and split["source"] == "images from a folder, 20% set aside for testing"
    assert "holds no MNIST: the transfer uses scikit-learn's 1,797 digits" in said
    assert (mine / "plots/classes.csv").read_text().startswith("character,images\nа,24\n")
    scores = metrics(mine)["evaluate"]["test"]
    assert "bymerge_accuracy" not in scores and scores["accuracy"] > 0.6
    assert metrics(mine)["export"]["float32"]["largest_difference"] < 1e-4
    assert "test accuracy, 3 characters" in run("emnist summary", mine).stdout


def test_ones_own_network_predicts_the_characters(trained):
    (prediction,) = trained[2]
    assert prediction["network"] == "data/model/emnist.onnx"
    assert {each["character"] for each in prediction["predictions"]} == set(CHARACTERS)


def test_the_page_reads_with_ones_own_network_alone(trained):
    mine, *_ = trained
    picture = (mine / "../mine/ж/1.png").read_bytes()
    with serving(cwd=mine) as (url, _):
        assert [each["classes"] for each in requests.get(f"{url}/models").json()["models"]] == [CHARACTERS]
        answer = requests.post(f"{url}/predict", picture, headers={"Content-Type": "image/png"}).json()
    assert set(re.findall('"character": "(.)"', json.dumps(answer, ensure_ascii=False))) <= set(CHARACTERS)


def test_a_new_picture_runs_the_download_again_and_an_untouched_folder_does_not(trained):
    mine, *_ = trained
    assert not stages_run(run("dvc repro", mine).stdout)
    draw(mine.parent / "mine/ж/31.png", "ж", 31)
    assert stages_run(run("dvc repro split", mine).stdout) == {"download", "split"}
    assert metrics(mine)["split"]["images"]["train"] == 73


def test_a_change_of_the_characters_refuses_pictures_of_others(trained):
    mine, *_ = trained
    set_params(mine, dataset=["а", "б"])
    done = run("dvc repro split", mine, check=False)
    assert done.returncode and "ж is of the character 'ж', which dataset in params.yaml lacks" in done.stdout
