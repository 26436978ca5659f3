"""Summary of the last run."""

from contextlib import suppress

from emnist.utils.errors import UserError
from emnist.utils.git import GitError, git

EXAMPLE = "emnist summary"


def add_arguments(parser):
    pass


def main(options):
    from emnist.data.classes import check_dataset, classes_of
    from emnist.data.files import load_json

    split, scores, transfer = (load_json(f"metrics/{name}.json") for name in ("split", "evaluate", "transfer"))
    test, merged = scores["test"], ""
    if "bymerge_accuracy" in test:
        merged = f"  {test['bymerge_accuracy']:7.2%}  where letters whose cases look alike count as one (ByMerge)\n"
    params = scored_params()
    print(f"""
{params["model"]}, trained on {split["images"]["train"]:,} images ({split["source"]})
  {test["accuracy"]:7.2%}  test accuracy, {len(classes_of(check_dataset(params["dataset"])))} characters
{merged}  {test["top3_accuracy"]:7.2%}  where any of the three most probable characters counts
  {transfer["test"]["accuracy"]:7.2%}  test accuracy of the transfer to digits, with a new head

Pictures: plots/*.png    All figures: dvc metrics show
Next:     dvc exp run -S model=spinalnet    another architecture
          dvc exp show                      runs side by side
          emnist predict IMAGE              predict the characters of your own pictures""")
    differs = ""
    with suppress(OSError, GitError):  # where git or its repository is missing
        differs = git("status", "--porcelain", "dvc.lock", "metrics", "plots")
    if differs:
        print("""
This run differs from the committed one, as on another processor. To compare experiments with it, commit it:
          git commit -am "My run"           from then on, `main` is this run""")


def scored_params():
    """Return the model and the data set whose scores are in metrics, as DVC recorded them; params.yaml may name others."""
    from emnist.utils.schema import load_mapping

    try:
        stages = load_mapping("dvc.lock")["stages"]
        used = {"model": "pretrain", "dataset": "evaluate"}  # by which stage
        return {name: stages[stage]["params"]["params.yaml"][name] for name, stage in used.items()}
    except (KeyError, TypeError):
        raise UserError("dvc.lock should name the model that was scored, but does not: run `dvc repro`") from None
