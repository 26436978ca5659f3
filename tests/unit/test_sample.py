import numpy as np
import pytest

from emnist.data.classes import CHARACTERS, classes_of
from emnist.sources import sample
from emnist.sources._digits import digits
from emnist.utils.errors import UserError


def render(train, test, seed):
    """Render the sample, and return the images and labels of the training part, then those of the test part."""
    parts = sample.render(train, test, seed, workers=1)
    return [array for labels, pages in parts for array in (np.concatenate(list(pages)), labels)]


@pytest.fixture(scope="module")
def rendered():
    return render(train=600, test=120, seed=3)


def test_images_are_like_emnists(rendered):
    for images, labels, count in [(*rendered[:2], 600), (*rendered[2:], 120)]:
        assert (images.dtype, images.shape) == (np.uint8, (count, 28, 28))
        assert (labels.dtype, labels.shape) == (np.uint8, (count,))
        assert (images.max(axis=(1, 2)) == 255).all()
        assert not images[:, :2].any()
    # EMNIST ByClass has a mean of 0.1736; a lighter or heavier hand would teach little about it.
    assert 0.13 < rendered[0].mean() / 255 < 0.22


def test_every_class_is_there_and_they_are_unbalanced(rendered):
    counts = np.bincount(rendered[1], minlength=len(CHARACTERS))
    assert counts.min() >= 3
    assert counts[:10].min() > 4 * counts.min()
    assert counts[CHARACTERS.index("e")] > 2 * counts[CHARACTERS.index("z")]


def test_classes_are_mixed(rendered):
    assert len(set(rendered[1][:30])) > 10


def test_images_depend_on_the_seed_and_test_images_not_on_the_size_of_the_training_part(rendered):
    images, _, test_images, _ = render(train=70, test=120, seed=4)
    assert (images != rendered[0][:70]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(render(train=70, test=120, seed=3)[2], rendered[2])
    assert (test_images != rendered[2]).any(axis=(1, 2)).all()


def test_no_writer_is_in_both_parts_or_twice():
    train, test = sample.writers(train=600, test=120, seed=3)
    seeds = [(seed.entropy, seed.spawn_key) for seed, _ in train + test]
    assert len(set(seeds)) == len(seeds)


def test_a_writer_is_consistent_and_differs_from_others():
    (one, _), (other, _) = sample.writers(train=50, test=20, seed=3)[0]
    page = np.repeat(np.arange(62, dtype=np.uint8), 2)
    mine, theirs = (sample.render_writer(seed, page).astype(float) for seed in (one, other))
    within = np.abs(mine[::2] - mine[1::2]).mean()
    between = np.abs(mine[::2] - theirs[::2]).mean()
    assert 0 < within < 0.8 * between


@pytest.mark.parametrize("character", CHARACTERS)
def test_several_forms_of_every_character_draw_ink(character):
    forms = sample.FORMS[character]
    assert len({(drawn, form) for drawn, form, _ in forms}) == len(forms) >= 7
    assert sum(share for *_, share in forms) == pytest.approx(1, abs=0.02)
    for drawn, form, share in forms:
        assert share > 0
        distance, *_ = sample.outline(drawn, form)
        assert (distance > 0).any()
        assert (distance[[0, -1]] < 0).all()


def test_a_form_is_drawn_as_often_as_its_share(monkeypatch):
    bar, ring = "10 19", "50 05 59 95 50"
    monkeypatch.setattr(sample, "FORMS", sample.FORMS | {"7": [("7", bar, 0.2), ("7", ring, 0.6), ("7", bar, 0.2)]})
    monkeypatch.setattr(sample, "OWN_ASPECT", "7")
    seven = np.array([7], np.uint8)
    images = [sample.render_writer(seed, seven)[0] for seed in np.random.SeedSequence(1).spawn(200)]
    rings = sum(image.any(axis=0).sum() > 14 for image in images)
    assert 100 < rings < 140


def test_digits_look_like_mnists():
    train_images, train_labels, test_images, test_labels = digits()
    assert (len(train_images), len(test_images)) == (len(train_labels), len(test_labels)) == (1437, 360)
    for images, labels in [(train_images, train_labels), (test_images, test_labels)]:
        assert (images.dtype, labels.dtype, images.shape[1:]) == (np.uint8, np.uint8, (28, 28))
        assert np.ptp(np.bincount(labels, minlength=10) / len(labels)) < 0.01
        frame = images.copy()
        frame[:, 4:-4, 4:-4] = 0
        assert not frame.any()
        assert 0.05 < images.mean() / 255 < 0.25
    one = train_images[train_labels == 1].sum(axis=0, dtype=float)
    # Upright: a 1 is taller than wide.
    assert one.sum(axis=1).std() < one.sum(axis=0).std()


@pytest.mark.parametrize("dataset", ["bymerge", "balanced", "letters", "digits", ["ж", "é", "क", "क्ष", "א", "7"]])
def test_other_characters_are_rendered_each_with_its_label(dataset):
    labels, pages = next(sample.render(300, 1, seed=1, workers=1, dataset=dataset))
    counts = np.bincount(labels)
    assert len(counts) == len(classes_of(dataset)) and counts.min() > 0 and len(np.concatenate(list(pages))) == 300
    if dataset == "balanced" or isinstance(dataset, list):
        assert np.ptp(counts) <= 2


def test_both_cases_of_a_letter_have_its_label():
    characters, labels, _ = sample.plan("letters")
    assert "".join(characters) == CHARACTERS[10:] and labels.tolist() == 2 * list(range(26))


def test_characters_that_no_font_has_are_named():
    with pytest.raises(UserError, match="but none has 漢, plus: leave them out, or use `source: folder`"):
        sample.plan(["ж", "漢", "plus"])
