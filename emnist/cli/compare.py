"""Comparison of architectures: its missing runs, and its report."""

import argparse
from functools import partial

from emnist.cli import comma_separated
from emnist.models import ARCHITECTURES
from emnist.utils.errors import UserError

SEEDS = [42, 43, 44]
EXAMPLE = "emnist compare --models lenet,resnet --seeds 42,43 -S sizes.small.pretrain_epochs=5"


def add_arguments(parser):
    add_run_arguments(parser)
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        metavar="N",
        help="number of runs side by side (default: one for each GPU, or for each core without a GPU); with a queueing "
        "system, the number of its jobs (default: one for each run)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run on the workers of a Dask cluster: its scheduler's address or scheduler file, or slurm, pbs, sge, lsf, "
        "htcondor, oar or moab (docs/cluster.md)",
    )
    parser.add_argument(
        "--checkpoints",
        metavar="FOLDER",
        help="a folder that all workers of the cluster reach: a run that loses its worker continues after its last epoch",
    )
    parser.add_argument("--status", action="store_true", help="print how far each run is, and run nothing")


def add_run_arguments(parser):
    """Add the arguments by which `compare` and `report` name the runs."""
    parser.add_argument(
        "--models",
        type=comma_separated,
        default=list(ARCHITECTURES),
        metavar="A,B,...",
        help="default: all architectures",
    )
    parser.add_argument(
        "--seeds",
        type=numbers,
        default=SEEDS,
        metavar="N,M,...",
        help=f"one run of each model with each seed; default: {','.join(map(str, SEEDS))}, "
        f"with all architectures {len(ARCHITECTURES) * len(SEEDS)} runs",
    )
    parser.add_argument(
        "-S",
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="[MODEL:]NAME=VALUE",
        help="set a parameter of params.yaml, for all models or for one",
    )
    parser.add_argument("--speed", action="store_true", help="also measure images a second on this machine")


def numbers(text):
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} should be whole numbers with commas between them") from None


def setting(text):
    """Split ``model:name=value`` into the model, None for all, and the rest, without the ``++`` that DVC may need."""
    model, _, rest = text.partition(":") if text.split(":")[0] in ARCHITECTURES else ("", "", text)
    if "=" not in rest:
        raise argparse.ArgumentTypeError(f"{text!r} should be NAME=VALUE or MODEL:NAME=VALUE")
    return model or None, rest.lstrip("+")


def main(options):
    if options.jobs is not None and options.jobs < 1:
        raise UserError(f"--jobs should be at least 1, but is {options.jobs}")
    if options.checkpoints and not options.cluster:
        raise UserError("--checkpoints is for --cluster: runs on this machine keep theirs in .dvc/tmp/continue")

    from emnist.comparison.runs import describe_runs, plan_runs, run_in_queue, run_missing

    plan = plan_runs(options.models, options.seeds, options.set)
    execute = partial(run_in_queue, plan, jobs=options.jobs)
    if options.cluster:
        try:
            from emnist.cluster.compare import read_progress, run_on_cluster
        except ModuleNotFoundError as error:
            raise UserError(f"--cluster needs {error.name}: run `pip install -e '.[cluster]'`") from None
        cluster = {"address": options.cluster, "jobs": options.jobs, "checkpoints": options.checkpoints}
        execute = partial(run_on_cluster, plan, **cluster)
    if options.status:
        print("\n".join(describe_runs(plan, read_progress(options.cluster) if options.cluster else {})))
        return
    found = run_missing(plan, execute)

    from emnist.comparison.report import write_report  # brings pandas and Seaborn, which take seconds

    print(write_report(plan, found, options.speed))
