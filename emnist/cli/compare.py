"""Train every architecture as DVC experiments, and compare them. Not a stage: it queues whole runs of the pipeline.

What is missing is queued, what was interrupted continues, what is done is only shown, all from DVC's own records.
"""

import argparse
import copy
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import reduce
from itertools import count
from pathlib import Path

import pandas as pd
import torch
import yaml
from dvc.api import DVCFileSystem

from emnist.comparison import figures
from emnist.comparison import report as comparison
from emnist.data.classes import CHARACTERS
from emnist.evaluation.cost import count_parameters, images_per_second, multiply_adds
from emnist.figures import style
from emnist.models import ARCHITECTURES, build_model
from emnist.params import check_params, read_params
from emnist.training.hardware import cores, setup_hardware
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError, run_cli
from emnist.utils.progress import log

FOLDER = Path("plots/comparison")
SLOW = {
    "ensnet": [  # 18 images a second on two cores: few images in small batches, so that it makes more steps
        "split.small.train=1000",
        "split.small.test=500",
        "search.small.trials=2",
        "search.small.epochs=1",
        "search.annealed.space.batch_size=[16]",
        "search.annealed.space.learning_rate=[0.03,0.1]",
        "pretrain.small.epochs=3",
        "finetune.small.epochs=2",
        "finetune.batch_size=16",
    ]
}
STATES = ["failed", "dead", "queued", "running", "success"]
LOOK = 60  # seconds, at most, between two looks at the queue


def main():
    options = arguments()
    common = [setting for model, setting in options.set if not model]
    params = check_params(with_settings(common))
    special = {model: [setting for name, setting in options.set if name == model] for model in options.models}
    if params.size == "small" and not torch.cuda.is_available():
        special = {model: SLOW.get(model, []) + settings for model, settings in special.items()}
    wanted = {
        (model, seed): [f"model={model}", f"seed={seed}", *common, *special[model]]
        for model in options.models
        for seed in options.seeds
    }
    values = {key: with_settings(settings) for key, settings in wanted.items()}
    found = finish(wanted, values, options.jobs)
    show(params, found, special, options.speed)


def arguments():
    parser = argparse.ArgumentParser(prog="python -m emnist.cli.compare", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models",
        type=lambda text: text.split(","),
        default=list(ARCHITECTURES),
        metavar="A,B,...",
        help="default: all",
    )
    parser.add_argument(
        "--seeds",
        type=lambda text: [int(seed) for seed in text.split(",")],
        default=[42, 43, 44],
        metavar="N,M,...",
        help="default: 42,43,44",
    )
    parser.add_argument(
        "-S",
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="[MODEL:]NAME=VALUE",
        help="a parameter, for all models or for one",
    )
    parser.add_argument(
        "-j", "--jobs", type=int, help="runs side by side; default: one a core, or one if there is a GPU"
    )
    parser.add_argument("--speed", action="store_true", help="also measure images a second on this machine")
    return parser.parse_args()


def setting(text):
    """Split ``model:name=value`` into the model, None for all, and the rest."""
    model, _, rest = text.rpartition(":") if text.split(":")[0] in ARCHITECTURES else ("", "", text)
    if "=" not in rest:
        raise argparse.ArgumentTypeError(f"{text!r} should be NAME=VALUE or MODEL:NAME=VALUE")
    return model or None, rest


def with_settings(settings):
    """Give the values of params.yaml with some set, checked."""
    values = read_params()
    for each in settings:
        name, _, value = each.partition("=")
        *sections, last = name.split(".")
        section = reduce(
            lambda section, part: section.get(part) if isinstance(section, dict) else None, sections, values
        )
        if not isinstance(section, dict):
            raise UserError(f"params.yaml has no {'.'.join(sections)} in which {last} could be set")
        section[last] = yaml.safe_load(value)
    check_params(values)
    return values


def finish(wanted, values, jobs):
    """Queue the runs that are missing, wait until all have ended, and give the experiment of each."""
    found = find(values)

    def state(key):
        return found[key]["state"] if key in found else "failed"

    for experiment in found.values():
        if experiment["state"] == "dead":
            dvc("queue", "kill", experiment["name"])  # which only notes that its process is gone
        if experiment["state"] in ("dead", "failed"):
            dvc("queue", "remove", experiment["name"])
    missing = [key for key in wanted if state(key) in ("dead", "failed")]
    unfinished = [key for key in wanted if state(key) != "success"]
    if not unfinished:
        return found
    jobs = jobs or (1 if torch.cuda.is_available() else min(cores(), len(unfinished)))
    log(
        f"compare: {len(wanted) - len(unfinished)} of {len(wanted)} runs are done; {jobs} of the others at a time. They "
        "run in the background: `dvc queue status` lists them, `dvc queue logs NAME` shows one, "
        "`dvc queue stop --kill` ends them"
    )
    taken = {experiment["name"] for experiment in experiments()}
    for model, seed in missing:
        name = next(name for name in (f"{model}-{seed}" + f"-{n}" * (n > 1) for n in count(1)) if name not in taken)
        dvc(
            "exp",
            "run",
            "--queue",
            "--name",
            name,
            *(part for each in [*shares(values[model, seed], jobs), *wanted[model, seed]] for part in ("-S", each)),
        )
    while unfinished:
        before, found = finished(), find(values)
        for key in [key for key in unfinished if state(key) == "success"]:
            unfinished.remove(key)
            accuracy = found[key]["metrics"]["metrics/evaluate.json"]["data"]["test"]["accuracy"]
            log(f"compare: {found[key]['name']} reads {accuracy:.2%} of its test images")
        states = {state(key) for key in unfinished}
        if not states & {"queued", "running"}:
            break
        if "running" not in states:
            dvc("queue", "start", "--jobs", str(jobs))
        for _ in range(LOOK):  # DVC takes seconds to look at a queue, git hardly any time to see that a run has ended
            if finished() != before:
                time.sleep(3)  # while the run's folder is taken away
                break
            time.sleep(1)
    if unfinished:
        raise UserError(
            f"{' and '.join(f'{model} with seed {seed}' for model, seed in unfinished)} did not end well: "
            "`dvc queue status` names them, `dvc queue logs NAME` says why, and the same command runs them again"
        )
    return found


def finished():
    return subprocess.run(["git", "for-each-ref", "refs/exps"], stdout=subprocess.PIPE, check=True).stdout


def shares(values, jobs):
    """Give the settings by which runs side by side share the cores, where a person left that to be chosen."""
    threads = max(cores() // jobs, 1)
    return [
        f"{name}={threads}"
        for name, chosen in [
            ("compute.threads", values["compute"]["threads"]),
            ("search.workers", values["search"]["workers"]),
        ]
        if chosen == "auto" and jobs > 1
    ]


def find(values):
    """Find the experiment of each run, if there is any: one that is done, or else one that runs, and so on."""
    found = {}
    for experiment in sorted(experiments(), key=lambda each: STATES.index(each["state"])):
        for key, each in values.items():
            if what(experiment["params"]) == what(each) and (
                experiment["state"] != "success" or complete(experiment["rev"], each)
            ):
                found[key] = experiment
    return {key: found[key] for key in values if key in found}


def experiments():
    """Give the experiments that start from this commit, as `dvc exp show` knows them."""
    records = None
    while not records:  # it can wait for ever for a file of a run that ends while it looks
        with suppress(subprocess.TimeoutExpired):
            records = json.loads(dvc("exp", "show", "--json", seconds=LOOK))
    for shown in records[1]["experiments"] or []:
        about, executor = shown["revs"][0], shown["executor"] or {"state": "success"}
        data, state = about["data"] or {}, executor["state"]
        # What ends is still said to run until a worker has fetched its results, and for ever if no worker is left.
        if state == "running" and executor["local"] and not alive(executor["local"]["pid"]) and not workers():
            state = "dead"
        yield {
            "name": shown["name"],
            "rev": about["rev"],
            "state": state,
            "metrics": data.get("metrics"),
            "params": data["params"]["params.yaml"]["data"] if data.get("params") else {},
        }


def workers():
    """Count the queue's workers."""
    return sum(map(int, re.search(r"Worker status: (\d+) active, (\d+) idle", dvc("queue", "status")).groups()))


def what(values):
    """Leave out of parameters what says how a run is computed: it changes only how numbers are rounded."""
    values = copy.deepcopy(values)
    values.pop("compute", None)
    values.get("search", {}).pop("workers", None)
    return values


def complete(rev, values):
    """Whether every stage of an experiment ran with these parameters, and on what the stage before it wrote."""
    lock = yaml.safe_load(subprocess.run(["git", "show", f"{rev}:dvc.lock"], stdout=subprocess.PIPE, check=True).stdout)
    stages = lock["stages"].values()
    made = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    ran_with = {
        name: value
        for stage in stages
        for name, value in stage.get("params", {}).get("params.yaml", {}).items()
        if name != "compute"
    }
    return all(value == reduce(dict.get, name.split("."), values) for name, value in ran_with.items()) and all(
        dep["md5"] == made.get(dep["path"], dep["md5"]) for stage in stages for dep in stage["deps"]
    )


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def dvc(*command, seconds=None):
    """Run DVC, and give what it printed."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        # Not pipes, which the workers that `dvc queue start` leaves behind would hold open.
        code = subprocess.run(
            [sys.executable, "-m", "dvc", *command], stdout=printed, stderr=said, timeout=seconds
        ).returncode
        for file in (printed, said):
            file.seek(0)
        if code:
            raise UserError(f"`dvc {' '.join(command)}` failed: {' '.join(said.read().split())[-500:]}")
        return printed.read()


def show(params, found, special, speed):
    """Write the table, the pictures and the page, and print the table and what it says."""
    runs, curves, trials, read, settings = [], {}, {}, {}, {}
    for (model, seed), experiment in found.items():
        files = DVCFileSystem(rev=experiment["rev"])

        def table(path, **types):
            return pd.read_csv(io.StringIO(files.read_text(path)), dtype=types)

        metrics = {Path(path).stem: each["data"] for path, each in experiment["metrics"].items()}
        scores = {
            "train": metrics["evaluate"]["train"],
            "test": metrics["evaluate"]["test"],
            "transfer": metrics["transfer"]["test"],
            "search": metrics["search"]["best"],
            "pretrain": metrics["pretrain"],
        }
        runs.append(flat({"model": model, "seed": seed, **scores}))
        settings[experiment["name"]] = flat(experiment["params"] | {"found by the search": metrics["search"]["best"]})
        curves.setdefault(model, []).append(table("plots/pretrain.csv"))
        trials.setdefault(model, []).append(table("plots/trials.csv"))
        read.setdefault(model, []).append(table("data/predictions/test.csv", actual=str, predicted=str))
    runs = pd.DataFrame(runs)
    read = {
        model: [pd.concat(tables)[column].map(CHARACTERS.index).to_numpy() for column in ("actual", "predicted")]
        for model, tables in read.items()
    }
    trials = {model: pd.concat(tables) for model, tables in trials.items()}
    models = {model: build_model(model) for model in read}
    costs = {
        model: {"parameters": count_parameters(built), "multiply-adds an image": multiply_adds(built)}
        for model, built in models.items()
    }
    accuracies = {model: 100 * group["test.accuracy"] for model, group in runs.groupby("model", sort=False)}
    alike = [model for model in accuracies if not special[model]]
    best = sorted(alike, key=lambda model: -accuracies[model].mean())[:2]

    seeds = len({seed for _, seed in found})
    title = f"{len(read)} architecture{'s' * (len(read) > 1)} on {style.SOURCES[params.source]}, {seeds} run{'s' * (seeds > 1)} of each"
    sentences = [comparison.summarize(runs[runs["model"].isin(alike)], costs)] if len(best) == 2 else []
    sentences += [
        f"{model} does not compare with the others: it was run with {', '.join(settings)}."
        for model, settings in special.items()
        if settings
    ]
    pictures = {
        "cost": (figures.accuracy_by_cost, (accuracies, costs), "Test accuracy against what a model costs"),
        "curves": (figures.curves_of_models, (curves,), "Validation while the models were pre-trained"),
        "search": (figures.searches_of_models, (trials,), "What mattered in the search for SGD's hyperparameters"),
        "confusion": (figures.confusions_of_models, (read, CHARACTERS), "What each model takes for what"),
    }
    if len(best) == 2:
        pictures["difference"] = (
            figures.confusion_difference,
            (*(read[model] for model in best), CHARACTERS, best),
            f"Where {best[1]} and {best[0]}, the best two, differ",
        )
    else:
        (FOLDER / "difference.png").unlink(missing_ok=True)
    for name, (draw, what_to_draw, shows) in pictures.items():
        draw(FOLDER / f"{name}.png", *what_to_draw, f"{shows}: {title}")
    markdown = comparison.table(runs, costs)
    write_bytes(
        FOLDER / "table.md", "\n\n".join([f"**{title[0].upper()}{title[1:]}**", markdown, *sentences, ""]).encode()
    )
    write_bytes(FOLDER / "runs.csv", runs.to_csv(index=False, lineterminator="\n").encode())
    if speed:  # of this machine at this time, and so only for what is printed and mailed
        for model, built in models.items():
            hardware = setup_hardware(params.compute, built)
            training, inference = images_per_second(
                hardware.to_device(built), hardware, params.augmentation, params.pretrain.clip_norm
            )
            costs[model] |= {"images a second, training": training, "images a second, inference": inference}
        markdown = comparison.table(runs, costs)
    comparison.report(
        FOLDER / "report.html",
        title[0].upper() + title[1:],
        sentences,
        markdown,
        {FOLDER / f"{name}.png": shows for name, (_, _, shows) in pictures.items()},
        pd.DataFrame(settings),
    )
    print(f"\n{markdown}\n" + "\n".join(sentences))
    log(f"compare: {FOLDER}/report.html holds this, the pictures and all parameters; the rest of {FOLDER} is for git")


def flat(values, prefix=""):
    """Give nested values under dotted names."""
    flattened = {}
    for name, value in values.items():
        flattened |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flattened


if __name__ == "__main__":
    run_cli(main)
