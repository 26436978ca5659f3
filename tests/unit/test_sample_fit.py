import numpy as np

from benchmarks import sample as fit
from emnist.sources import sample


def test_shares_of_forms_are_found_though_forms_look_alike():
    rng = np.random.default_rng(1)
    truth = np.array([0.6, 0.1, 0.3, 0.0])
    # The second form is often taken for the first one, and each for the fourth now and then.
    read_as = np.array([[0.8, 0.1, 0.0, 0.1], [0.4, 0.5, 0.0, 0.1], [0.0, 0.0, 0.9, 0.1], [0.1, 0.1, 0.1, 0.7]])
    seen = np.concatenate([rng.choice(4, 20000, p=read_as[form])[: int(20000 * truth[form])] for form in range(4)])
    probabilities = (read_as / read_as.sum(axis=0)).T[seen]
    assert np.abs(np.bincount(seen) / len(seen) - truth).max() > 0.08
    np.testing.assert_allclose(fit.mixture_shares(probabilities), truth, atol=0.02)


def test_each_form_is_rendered_as_often():
    pool = [(character, form) for character in "7g" for character, form, _ in sample.FORMS[character]]
    images, numbers = fit.render_forms(pool)
    assert np.bincount(numbers).tolist() == [fit.IMAGES_PER_FORM] * len(pool)
    assert len(images) == len(numbers)
    assert sample.FORMS == sample.load_forms()
