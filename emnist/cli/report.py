"""Report of the runs of a comparison that are there."""

from emnist.cli.compare import add_run_arguments
from emnist.utils.errors import UserError
from emnist.utils.progress import log

EXAMPLE = "emnist report --models lenet,resnet --seeds 42,43"
add_arguments = add_run_arguments


def main(options):
    from emnist.comparison.experiments import finished_experiments
    from emnist.comparison.report import write_report
    from emnist.comparison.runs import name_runs, plan_runs

    plan = plan_runs(options.models, options.seeds, options.set)
    found = finished_experiments(plan.values)
    missing = [key for key in plan.values if key not in found]
    if not found:
        raise UserError(
            f"a report needs at least one complete run, but there is none of the {len(missing)} asked for: "
            "run `emnist compare` with the same options"
        )
    print(write_report(plan, found, options.speed))
    if missing:
        log(f"report: without {name_runs(missing)}, which `emnist compare` runs")
