"""Random search: distinct configurations, and a diverged trial only loses."""

import json
import subprocess
import sys

import pytest
from search_helpers import small_search

from emnist.search import best_config, random_search, sample_configs
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.errors import UserError

SPACE = dict(small_search(1)[0].recipes["baseline"].space)


def test_draws_are_distinct_and_from_the_space():
    chosen = sample_configs(SPACE, 28, seed=42)
    assert len({tuple(draw.items()) for draw in chosen}) == 28
    assert all(draw[name] in SPACE[name] for draw in chosen for name in SPACE)
    assert chosen == sample_configs(SPACE, 28, seed=42) != sample_configs(SPACE, 28, seed=43)


def test_each_value_is_drawn_about_as_often_as_the_others():
    for seed in range(20):
        chosen = sample_configs(SPACE, 8, seed)
        for name, values in SPACE.items():
            times = [sum(draw[name] == value for draw in chosen) for value in values]
            assert max(times) - min(times) <= 2, f"{name} of seed {seed}: {times}"


SHORT_OF_MEMORY = """
import re, resource, scipy.stats.qmc
from emnist.search import sample_configs
has = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (has + {more}, resource.RLIM_INFINITY))
try:
    sample_configs({{"learning_rate": [0.1, 0.2]}}, 2, seed=42)
except MemoryError:
    print("short of memory")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited as Linux does it")
@pytest.mark.parametrize("more", [500_000, 3_000_000])
def test_draws_end_where_scipy_ignores_that_memory_is_short(more):
    command = [sys.executable, "-c", SHORT_OF_MEMORY.format(more=more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "short of memory\n"


def test_more_trials_than_combinations_are_refused():
    assert small_search(144, model="vggnet")[0].sizes["small"].trials == 144
    with pytest.raises(UserError, match="sizes.small.trials should be at most 144, .* baseline for vggnet, but is 145"):
        small_search(145, model="vggnet")


STEEP = {"momentum": [0.0], "weight_decay": [0.9], "batch_size": [16]}  # diverges at the highest learning rate


def test_a_diverged_trial_only_loses():
    trials = random_search(*small_search(2, learning_rate=[0.01, 1e6], **STEEP), workers=1)
    losses = {trial["learning_rate"]: trial["validation_loss"] for trial in trials}
    assert losses[1e6] is None and losses[0.01] > 0
    assert best_config(trials)["learning_rate"] == 0.01


def test_the_best_configuration_is_that_of_the_lowest_loss():
    losses = {0.1: 0.5, 0.2: 0.3, 0.3: None, 0.4: 0.4}
    trials = [{"learning_rate": rate, "validation_loss": loss} for rate, loss in losses.items()]
    assert best_config(trials) == {"learning_rate": 0.2}


def test_a_search_in_which_all_diverge_says_what_to_do():
    with pytest.raises(UserError, match="all 1 trials of the search diverged: add smaller learning rates"):
        random_search(*small_search(1, learning_rate=[1e6], **STEEP), workers=1)


def test_trials_that_ended_before_a_kill_are_not_run_again(tmp_path, capsys):
    checkpoint = Checkpoint("search-key", tmp_path)
    undisturbed = random_search(*small_search(3), workers=1)
    *config, (_, loss) = undisturbed[1].items()
    checkpoint.save({}, [[json.dumps(dict(config)), loss]])
    assert random_search(*small_search(3), 1, checkpoint) == undisturbed
    output = capsys.readouterr().out
    assert "continues after 1 of 3 trials" in output
    assert "trial 2 of 3" not in output.split("continues")[1]
