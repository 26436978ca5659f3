"""Experiments on a real Dask cluster on loopback, with its faults: in the end the same bytes as without them."""

import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from cluster_helpers import OWN_MOUNTS, SHORT_LOCKS, Cluster, marks, small_project, wait_for
from kill_helpers import after, interrupted
from pipeline_helpers import REPOSITORY, commit, environment, run, set_params

pytest.importorskip("distributed")

import dask  # noqa: E402

from emnist.cluster import bundles, coordinator  # noqa: E402
from emnist.cluster.compare import run_on_cluster  # noqa: E402
from emnist.cluster.connection import connect, warn_without_tls  # noqa: E402
from emnist.cluster.coordinator import Run, run_all  # noqa: E402
from emnist.comparison import runs  # noqa: E402
from emnist.utils.errors import UserError  # noqa: E402


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def cluster_with_short_locks(tmp_path):
    """A cluster in which a lock that a killed worker had is soon free again; under load it may be free too early."""
    with Cluster(tmp_path, SHORT_LOCKS) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project, in which the test runs."""
    monkeypatch.chdir(small_project(tmp_path))
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return tmp_path / "project"


def run_on(cluster, wanted, remote="../remote", **options):
    """Run experiments, given by name and settings; return the error of each, None where there is none."""
    remote = {"url": str((cluster.folder / "project" / remote).resolve())}
    with connect(str(cluster.file)) as (client, _):
        ended = run_all(client, [Run(name, settings.split()) for name, settings in wanted.items()], remote, **options)
        return {each.name: error for each, _, error in ended}


def tree(project, name):
    """The files of an experiment, as git shows them."""
    return run(f"git ls-tree -r $(git for-each-ref --format='%(refname)' 'refs/exps/*/*/{name}')", project).stdout


def test_workers_killed_at_each_stage_change_no_byte_and_leave_nothing_behind(cluster_with_short_locks, project):
    cluster, kept = cluster_with_short_locks, project.parent / "kept"
    cluster.start_workers(3)
    with ThreadPoolExecutor() as pool:
        result = pool.submit(run_on, cluster, {"a": "seed=1", "b": "seed=2"}, checkpoints=str(kept))
        cluster.kill_worker(wait_for(lambda: cluster.worker_at("download")))
        cluster.start_worker("w3")
        pushes = wait_for(lambda: cluster.worker_at("download"))
        wait_for(lambda: list(project.parent.glob("remote/files/md5/*/*")))
        cluster.kill_worker(pushes)
        cluster.kill_worker(wait_for(lambda: cluster.worker_at("search")))
        cluster.start_worker("w4")
        trained = wait_for(lambda: list(kept.glob("train-*/1")))[0].parent.name
        wait_for(lambda: not cluster.starting())
        cluster.kill_worker()
        for number in (5, 6):
            cluster.start_worker(f"w{number}")
        assert result.result() == {"a": None, "b": None}
    began = [path.read_text().splitlines() for path in project.parent.glob(f"marks/{trained}-*")]
    assert len(began) == 2 and sum("1" in epochs for epochs in began) == 1  # no epoch that had ended is repeated
    wait_for(lambda: not cluster.remains())
    run("dvc exp run --quiet --name local -S seed=1", project)
    assert tree(project, "a") == tree(project, "local")
    assert run("dvc exp list --name-only", project).stdout.split() == ["a", "b", "local"]
    run("dvc exp apply b; dvc pull --quiet", project)
    assert (project / "data/weights").read_text() == "train none 2\n"


def test_two_coordinators_run_each_stage_once_and_both_get_all(cluster, project):
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(run_on, cluster, {"a": "seed=1", "b": "seed=2", "c": "seed=3"}) for _ in range(2)]
        wait_for(lambda: cluster.count_coordinators() == 2)
        cluster.start_workers(2)
        assert [result.result() for result in results] == 2 * [{"a": None, "b": None, "c": None}]
    began = marks(project)
    assert len([name for name in began if name.startswith("download")]) == 1  # which is the same of all runs
    assert len(began) == len(set(began)) == 1 + 3 + 3


def test_two_coordinators_each_tell_of_a_lost_worker_and_of_no_other(
    cluster_with_short_locks, project, capsys, monkeypatch
):
    cluster = cluster_with_short_locks
    cluster.start_workers(3)
    # Dask's client refreshes its own list of workers so often, and for a moment that is empty.
    with dask.config.set({"distributed.client.scheduler-info-interval": "20ms"}), ThreadPoolExecutor() as pool:
        wanted = {name: f"seed={seed} seconds=2" for name, seed in (("a", 1), ("b", 2), ("c", 3))}
        results = [pool.submit(run_on, cluster, wanted) for _ in range(2)]
        cluster.kill_worker(wait_for(lambda: cluster.worker_at("search")))
        assert [result.result() for result in results] == 2 * [{"a": None, "b": None, "c": None}]
    assert capsys.readouterr().out.count("is given to another worker, because its worker is gone") == 2


def test_comparisons_at_once_use_all_workers(cluster, project):
    cluster.start_workers(2)
    wait_for(lambda: cluster.count_workers() == 2)

    def busy():
        return {path.parts[-5] for path in cluster.folder.glob("w*/dask-scratch-space/*/emnist/run-*")}

    with ThreadPoolExecutor() as pool:
        results = [pool.submit(run_on, cluster, {f"run-{seed}": f"seed={seed} seconds=2"}) for seed in (1, 2)]
        wait_for(lambda: len(busy()) == 2)
        assert [result.result() for result in results] == [{f"run-{seed}": None} for seed in (1, 2)]


def test_a_worker_gets_a_commit_once(cluster, project, monkeypatch):
    sent = []
    pack_commit = coordinator.pack_commit
    monkeypatch.setattr(coordinator, "pack_commit", lambda commit: sent.append(commit) or pack_commit(commit))
    cluster.start_worker("w0")
    assert run_on(cluster, {"a": "seed=1"}) == {"a": None}
    assert run_on(cluster, {"b": "seed=2"}) == {"b": None}
    assert sent == [bundles.commit_to_run()]


def test_a_worker_that_comes_later_runs_the_commit_of_the_start(cluster, project):
    start = bundles.commit_to_run()
    with ThreadPoolExecutor() as pool:
        result = pool.submit(run_on, cluster, {"a": "seed=1"})
        wait_for(lambda: cluster.count_coordinators() == 1)
        run("git commit -q --amend -m Meanwhile", project)
        cluster.start_worker("w0")
        assert result.result() == {"a": None}
    assert run(f"git rev-parse {bundles.experiment_ref(start, 'a')}^", project).stdout.strip() == start


def test_a_stage_runs_whose_committed_results_are_nowhere(cluster, project):
    run("dvc repro -q && git add -A && git commit -qm Results && rm -r .dvc/cache data", project)
    cluster.start_worker("w0")
    assert run_on(cluster, {"a": "seed=1"}) == {"a": None}
    assert marks(project, "download-*") == ["download-0", "download-1"]


def test_a_run_that_fails_and_a_worker_that_differs_are_named_and_the_others_go_on(
    cluster, project, tmp_path, capsys, monkeypatch
):
    (tmp_path / "other/numpy-9.9.dist-info").mkdir(parents=True)
    (tmp_path / "other/numpy-9.9.dist-info/METADATA").write_text("Name: numpy\nVersion: 9.9\n")
    cluster.start_worker("differs", PYTHONPATH=str(tmp_path / "other"))
    with monkeypatch.context() as patience:
        patience.setattr(coordinator, "PATIENCE_SECONDS", 0)
        with pytest.raises(UserError, match="no worker can be used: worker differs has numpy 9.9"):
            run_on(cluster, {"good": "seed=1"})
    cluster.start_worker("full", max_file_bytes=2**20)
    errors = run_on(cluster, {"fails": "model=search", "large": "lines=100000 seed=1", "good": "seed=1"})
    assert errors == {
        "fails": "the model should not be search (worker full)",
        "large": "OSError: [Errno 27] File too large (worker full)",
        "good": None,
    }
    assert "worker differs has numpy 9.9 where this machine has 2" in capsys.readouterr().out
    (tmp_path / "file").touch()
    error = run_on(cluster, {"unshared": "seed=2"}, remote="../file/remote")["unshared"]
    assert error.startswith("the DVC remote cannot be written: ") and error.endswith("(worker full)")
    assert run("dvc exp list --name-only", project).stdout.split() == ["good"]
    assert run_on(cluster, {"unshared": "seed=2"}) == {"unshared": None}


def test_after_the_schedulers_end_the_same_command_repeats_no_stage_that_had_ended(
    cluster, project, monkeypatch, capsys
):
    cluster.start_worker("w1")
    with ThreadPoolExecutor() as pool:
        result = pool.submit(run_on, cluster, {"a": "seed=1"})
        wait_for(lambda: marks(project, "train*"))
        cluster.scheduler.kill()
        with pytest.raises(UserError, match="the scheduler has ended: start it again"):
            result.result()
    cluster.workers["w1"].wait(120)  # a worker ends with its scheduler
    assert not cluster.remains()
    cluster.start_scheduler()
    cluster.start_worker("w2")
    arrived = []

    def damage_first(bundle, *of):
        arrived.append(bundle)
        return bundles.add_experiment(bundle[:-50] if len(arrived) == 1 else bundle, *of)

    monkeypatch.setattr(coordinator, "add_experiment", damage_first)
    assert run_on(cluster, {"a": "seed=1"}) == {"a": None}
    assert "a is given to another worker, because the bundle of a is damaged" in capsys.readouterr().out
    began = marks(project)
    assert began.count("download-1") == began.count("search-1") == 1


def test_a_remote_that_is_full_or_read_only_is_one_sentence_with_the_worker_and_loses_nothing(cluster, project):
    (project.parent / "remote").mkdir()
    if subprocess.run(
        [*OWN_MOUNTS, "mount -t tmpfs none remote"], cwd=project.parent, stderr=subprocess.PIPE
    ).returncode:
        pytest.skip("needs Linux with namespaces in which a user may mount")
    cluster.start_worker("one", remote="-t tmpfs -o size=64k")
    cluster.start_worker("two", remote="-t tmpfs -o ro")
    # Both would run the first stage with the same inputs, so those differ.
    errors = run_on(cluster, {"a": "lines=20000", "b": "lines=20001"})
    full, read_only = sorted(errors.values(), key=lambda error: "worker two" in error)
    assert re.fullmatch(r"the DVC remote cannot be written: .*No space left on device.* \(worker one\)", full)
    assert re.fullmatch(r"the DVC remote cannot be written: .*Read-only file system.* \(worker two\)", read_only)
    wait_for(lambda: not cluster.remains())
    cluster.kill_worker()
    cluster.start_worker("three")
    assert run_on(cluster, {"a": "lines=20000"}) == {"a": None}
    assert run("dvc exp list --name-only", project).stdout.split() == ["a"]


@pytest.fixture
def experiment(project):
    """Make commits, as an experiment of DVC is one, and pack them: gives a function from files to a bundle."""
    head = run("git rev-parse HEAD", project).stdout.strip()

    def pack(name="a", **files):
        for path, content in files.items():
            (project / path).parent.mkdir(exist_ok=True)
            (project / path).write_text(content)
        ref = bundles.experiment_ref(head, name)
        run(
            f"git add -f {' '.join(files)} && git commit -qm x && git update-ref {ref} HEAD && git reset -q --hard {head}",
            project,
        )
        bundle = bundles.pack_experiment(head, name)
        run(f"git update-ref -d {ref} && git reflog expire --expire=now --all && git gc -q --prune=now", project)
        return bundle  # whose objects this repository now lacks

    return head, pack


def test_a_bundle_adds_one_experiment_and_nothing_else(project, experiment):
    head, pack = experiment
    before = run("git for-each-ref", project).stdout
    good, other = (pack(**{"metrics/train.yaml": content}) for content in "12")
    damaged = bytearray(good)
    damaged[-50] ^= 1
    for bundle, name, sentence in [
        (damaged, "a", "the bundle of a is damaged"),
        (good[:-50], "a", "the bundle of a is damaged"),
        (b"", "a", "the bundle of a is damaged"),
        (good, "b", f"should hold refs/exps/{head[:2]}/{head[2:]}/b, but holds refs/exps"),
        (pack(**{"work.py": "evil"}), "a", r"should hold results of one run, but changes \['work.py'\]"),
        (pack(**{".dvc/tmp/repro.dat": "a pickle"}), "a", r"but changes \['.dvc/tmp/repro.dat'\]"),
    ]:
        with pytest.raises(UserError, match=sentence):
            bundles.add_experiment(bundle, head, name)
    assert run("git for-each-ref", project).stdout == before
    rev = bundles.add_experiment(good, head, "a")
    assert bundles.add_experiment(good, head, "a") == rev  # from another coordinator
    with pytest.raises(UserError, match="there is another experiment a"):
        bundles.add_experiment(other, head, "a")
    assert run("git status --porcelain", project).stdout == ""


def test_all_that_is_missing_is_told_at_once(project):
    run("dvc remote remove storage", project)
    (project / "work.py").write_text("")
    with pytest.raises(UserError) as told:
        next(run_on_cluster(None, [("lenet", 42)], "tcp://127.0.0.1:1"))
    remote, changed, scheduler = str(told.value).split("; and ")
    assert remote.startswith("a cluster needs a default DVC remote, but there is none")
    assert changed.startswith("a cluster runs what is committed, but .dvc/config has changes")
    assert "'tcp://127.0.0.1:1' cannot be reached" in scheduler


@pytest.mark.parametrize(
    "address, warns",
    [("tcp://127.0.0.1:8786", False), ("tls://192.0.2.1:8786", False), ("tcp://192.0.2.1:8786", True)],
)
def test_a_connection_over_a_network_without_tls_is_warned_of(capsys, address, warns):
    warn_without_tls(address)
    assert ("whoever reaches this scheduler can run any code" in capsys.readouterr().out) == warns


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "nowhere/scheduler.json"])
def test_a_scheduler_that_is_not_there_is_one_sentence(address):
    code = (
        "from emnist.cluster.connection import connect; from emnist.utils.errors import run_cli;"
        f"run_cli(connect({address!r}).__enter__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"{address!r} cannot be reached: " in done.stderr


def test_a_scheduler_with_tls_is_used_by_dasks_own_settings(project, tmp_path, monkeypatch):
    name = "-days 2 -subj /CN=cluster -addext subjectAltName=IP:127.0.0.1"
    run(f"openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem {name}", tmp_path)
    pair = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}  # its own authority
    roles = dict.fromkeys(("scheduler", "worker", "client"), pair)
    comm = {"default-scheme": "tls", "require-encryption": True, "tls": {"ca-file": pair["cert"], **roles}}
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask/distributed.yaml").write_text(yaml.safe_dump({"distributed": {"comm": comm}}))
    with Cluster(tmp_path, {"DASK_CONFIG": str(tmp_path / "dask")}) as cluster:
        address = json.loads(cluster.file.read_text())["address"]
        assert address.startswith("tls://")
        with pytest.raises(UserError, match="needs certificates"), connect(address):
            pass
        cluster.start_worker("w0")
        here = {"ca-file": pair["cert"], "client.cert": pair["cert"], "client.key": pair["key"]}
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in here.items()}):
            assert run_on(cluster, {"a": "seed=1"}) == {"a": None}


def test_gpus_and_cores_are_shared_by_the_queues_workers(project, monkeypatch):
    for seed in (1, 2):
        run(f"dvc exp run --queue -S seed={seed} -S seconds=60", project)
    monkeypatch.setattr(runs, "gpus", lambda: ["3", "5"])
    monkeypatch.setattr(runs, "cores", lambda: 8)
    runs.start_workers(2)
    began = wait_for(lambda: len(marks(project, "download*")) == 2 and list(project.parent.glob("marks/download*")))
    assert {path.read_text().splitlines()[0] for path in began} == {"3 4", "5 4"}
    run("dvc queue stop --kill", project)


def test_a_comparison_that_is_interrupted_continues_and_gives_the_bytes_of_a_run_here(cluster, pipeline):
    run("dvc remote add --quiet --default storage ../remote", pipeline)
    commit(pipeline, "Name the remote")
    run("dvc push --quiet --run-cache", pipeline)
    # Somebody's own, which keeps its name.
    run("dvc exp run --quiet --name lenet-42 -S seed=7 check && git checkout -q .", pipeline)
    cluster.start_worker("w0")
    options = f"--cluster {cluster.file} --models lenet --seeds 42 -S evaluate.tta=1"
    first = interrupted(
        f"emnist compare {options}", pipeline, after("stage 'evaluate'"), signal.SIGINT, whole_group=False
    )
    assert first.returncode == 128 + signal.SIGINT
    _, rest = re.split("stage 'evaluate'\n", first.stdout, maxsplit=1)
    # Before the signal arrives, `evaluate` may end and the next stages begin.
    assert re.fullmatch(r"(compare: lenet-42-2 .*\n)*interrupted: run the same command again to continue\n", rest)
    wait_for(lambda: not cluster.remains())
    status = run(f"emnist compare --status {options}", pipeline).stdout
    assert re.fullmatch(r"lenet-42 +(Stage|Running stage|\w+: epoch) .* \(worker w\d\)\n", status)

    said = run(f"emnist compare {options}", pipeline).stdout
    assert re.findall(r"lenet-42-2 on w\d: stage '(\w+)'", said) == [
        "scan",
        "evaluate",
    ]  # the commit has the others' results
    assert "| test accuracy (%) |" in said
    assert re.fullmatch(r"lenet-42-2 +done, .*\n", run(f"emnist compare --status {options}", pipeline).stdout)
    assert "test_tta" in run("dvc exp diff main lenet-42-2", pipeline).stdout
    set_params(pipeline, **{"evaluate.tta": 1})  # which leaves another layout
    run("dvc repro --quiet && git commit -qam Here", pipeline)
    results = "dvc.lock metrics plots"
    there = "$(git for-each-ref --format='%(refname)' 'refs/exps/*/*/lenet-42-2')"
    assert (
        run(f"git ls-tree -r {there} {results}", pipeline).stdout
        == run(f"git ls-tree -r HEAD {results}", pipeline).stdout
    )
