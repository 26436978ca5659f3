"""Commits as git packs and experiments as git bundles, which travel through Dask."""

from emnist.utils.errors import UserError
from emnist.utils.git import GitError, git, head_commit

# What an experiment may change of its commit. Nothing in it is ever run or unpickled.
RESULTS = ("params.yaml", "dvc.lock", "metrics/", "plots/")


def commit_to_run():
    """Return the hash (str) of the checkout's commit.

    `UserError` if tracked files of this folder have changes that are not committed, other than a comparison's report.
    """
    report = ":!plots/comparison"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", report).decode().splitlines()
    if changed:
        raise UserError(
            f"a cluster runs what is committed, but {changed[0][3:]} has changes that are not: commit them, or restore "
            "the file with `git checkout`"
        )
    return head_commit()


def pack_commit(commit):
    """Pack a commit (its hash) without its history; return bytes, as `git index-pack` reads them."""
    wanted = f"--shallow {commit}\n{commit}\n"
    return git("pack-objects", "--quiet", "--revs", "--shallow", "--stdout", stdin=wanted.encode())


def project_folder():
    """Return where this folder is in its repository (str), empty if it is all of it."""
    return git("rev-parse", "--show-prefix").decode().strip()


def experiment_ref(commit, name):
    """Return the reference of an experiment, as DVC names it."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def pack_experiment(commit, name):
    """Pack an experiment without the commit that it starts from; return a bundle (bytes)."""
    top = git("rev-parse", "--show-cdup").decode().strip()  # elsewhere, git before 2.41 writes to a file named `-`
    return git("-C", top, "bundle", "create", "--quiet", "-", experiment_ref(commit, name), f"^{commit}")


def add_experiment(bundle, commit, name):
    """Add the experiment of a bundle (bytes), as `pack_experiment` returned it, to the checkout; return its hash (str).

    `commit` is the one that it starts from, and `name` its own. `UserError` if git finds the bundle damaged, if it
    holds anything but results of this one experiment, or if there is another experiment of this name. The checkout is
    then as it was.
    """
    ref = experiment_ref(commit, name)
    head, _, pack = bytes(bundle).partition(b"\n\n")
    try:
        signature, *lines = head.decode().splitlines()
        ((rev, found),) = (line.split() for line in lines if not line.startswith("-"))
        if found != ref:
            raise UserError(f"the bundle of {name} should hold {ref}, but holds {found:.80}")
        # git checks the pack's digest and each object, and that nothing is missing that an object refers to.
        git("unpack-objects", "-q", "--strict", stdin=pack)
        shown = git("log", "--max-count=1", "--first-parent", "-m", "--format=%P%x00", "--name-only", "-z", rev)
        parents, *changed = shown.decode().replace("\n", "").rstrip("\0").split("\0")
    except (GitError, ValueError):
        raise UserError(f"the bundle of {name} is damaged") from None
    results = tuple(project_folder() + path for path in RESULTS)
    foreign = [path for path in changed if path and not path.startswith(results)]
    if foreign or parents != commit:
        raise UserError(f"the bundle of {name} should hold results of one run, but changes {foreign or parents}")
    try:
        git("update-ref", "--no-deref", ref, rev, "0" * 40)  # fails if there is one
    except GitError:
        there = git("rev-parse", ref).decode().strip()
        if git("diff", "--name-only", there, rev):
            raise UserError(f"there is another experiment {name}: rename it with `dvc exp rename`") from None
        return there
    return rev
