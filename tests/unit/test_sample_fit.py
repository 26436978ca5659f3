import numpy as np

from benchmarks import sample as fit


def test_shares_of_forms_are_found_though_forms_look_alike():
    rng = np.random.default_rng(1)
    truth = np.array([0.6, 0.1, 0.3, 0.0])
    # The second form is often taken for the first one, and each for the fourth now and then.
    read_as = np.array([[0.8, 0.1, 0.0, 0.1], [0.4, 0.5, 0.0, 0.1], [0.0, 0.0, 0.9, 0.1], [0.1, 0.1, 0.1, 0.7]])
    seen = np.concatenate([rng.choice(4, 20000, p=read_as[form])[: int(20000 * truth[form])] for form in range(4)])
    probabilities = (read_as / read_as.sum(axis=0)).T[seen]
    assert np.abs(np.bincount(seen) / len(seen) - truth).max() > 0.08
    np.testing.assert_allclose(fit.mixture_shares(probabilities), truth, atol=0.02)
