"""The process of a stage: its signals, its environment, and checks of its inputs."""

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from emnist.utils.checksum import file_checksum
from emnist.utils.environment import end_with_parent
from emnist.utils.errors import UserError, exit_on_signals, explain_memory_errors, run_cli


def prepare_process():
    """End a stage that is run by ``python -m`` with one sentence on a signal, and together with DVC.

    If DVC runs the stage, it runs in DVC's environment, and its inputs are checked.
    """
    if sys.argv[0] == "-m":  # its value while Python looks for the module to run
        sys.excepthook = explain_memory_errors
        exit_on_signals()  # during the imports of the stage, which take seconds
        if "DVC_STAGE" in os.environ:
            use_own_environment()
            # A stage that outlives DVC would run beside the one that the next `dvc repro` starts.
            end_with_parent(signal.SIGTERM)
            try:
                check_inputs(os.environ["DVC_STAGE"].rpartition(":")[2])
            except UserError as error:
                sys.exit(f"error: {error}")


def run_stage(main):
    """Run a stage: call its ``main`` with `emnist.params.Params`, and exit as `emnist.utils.errors.run_cli` does."""
    # A stage should handle signals before these imports, which take time.
    from emnist.params import load_params
    from emnist.utils.checkpoint import remove_stale_files

    def run():
        params = load_params()
        remove_stale_files()
        main(params)

    run_cli(run)


def use_own_environment():
    """Start this stage again in the environment that has PyTorch, where `python3` is of another.

    That is so where DVC is started from an environment that is not activated, as ``.venv/bin/dvc`` by cron or an editor:
    a stage inherits the PATH, not DVC's own Python.
    """
    activated = sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ
    if activated and find_spec("torch"):
        return
    try:
        dvc = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")[0]  # the Python that runs it
    except OSError:  # no Linux
        dvc = ""
    here = Path.cwd()  # of a queued experiment, below the project's folder
    for folder in [Path(dvc).parent.parent, *(each / ".venv" for each in [here, *here.parents])]:
        if any(folder.glob("lib/python3*/site-packages/torch")):
            if folder.resolve() != Path(sys.prefix).resolve():
                python, stage = str(folder / "bin/python"), os.environ["DVC_STAGE"].split(":")[-1]
                os.execv(python, [python, "-m", f"stages.{stage}"])
            return
    if not find_spec("torch"):
        sys.exit(
            f"error: python3 should be that of the environment that has PyTorch, but is {sys.executable}: activate "
            "that, as by `source .venv/bin/activate`, then run the same command again"
        )


def check_inputs(stage):
    """Check that a stage's inputs in ``data`` have the bytes that ``dvc.lock`` records of the stages that wrote them.

    DVC itself believes a file whose size and time of modification are those of the record. Whoever may write to a
    shared folder or cache can change the bytes and keep both. `UserError` names such a file.
    """
    # A stage should handle signals before these imports, which take time.
    from emnist.utils.stage import load_stage
    from emnist.utils.yaml import load_yaml

    declared, recorded = [], {}
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):  # others tell of these
        declared = load_stage(stage, load_yaml(Path("params.yaml").read_bytes()))["deps"]
        stages = load_yaml(Path("dvc.lock").read_bytes())["stages"]
        recorded = {out["path"]: out["md5"] for each in stages.values() for out in each.get("outs", [])}
    for path in declared:
        if not path.startswith("data/") or path not in recorded or not Path(path).is_file():
            continue
        if (found := file_checksum(path)) != (expected := recorded[path]):
            raise UserError(
                f"{path} should have the MD5 {expected} that dvc.lock records, but has {found}, so something other than "
                f"the pipeline changed it: delete it and, if that does not help, files/md5/{expected[:2]}/{expected[2:]} "
                "in DVC's cache (`dvc cache dir` names it), then run `dvc repro`"
            )
