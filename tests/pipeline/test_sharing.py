"""Results shared by a DVC remote, by the commands of docs/sharing.md: another machine gets all and runs nothing."""

import getpass
import os
import re
import shlex
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import free_port, running
from pipeline_helpers import REPOSITORY, commands, outputs, run, stages_run

PAGE = (REPOSITORY / "docs/sharing.md").read_text()
FOLDER, SSH, S3, SEND, RECEIVE = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def folder(tmp_path):
    yield FOLDER, {"FOLDER": tmp_path / "a folder that all mount"}


@contextmanager
def ssh(tmp_path):
    """OpenSSH as a process of this user, with keys and a port of its own."""
    if not SSHD:
        pytest.skip("needs OpenSSH's server")
    for key in ("host", "user"):
        run(f"ssh-keygen -q -t ed25519 -N '' -f {tmp_path / key}", tmp_path)
    port = free_port()
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server locks itself up before a login
    with running([SSHD, "-D", "-f", tmp_path / "sshd_config"], port, tmp_path / "sshd.log"):
        words = {"HOST": "127.0.0.1", "PORT": port, "FOLDER": f"{tmp_path}/remote".lstrip("/")}
        yield SSH, words | {"USER": getpass.getuser(), "KEY": tmp_path / "user"}


@contextmanager
def s3(tmp_path):
    server = shutil.which("moto_server")
    if not server:
        pytest.skip("needs moto's server: pip install 'moto[server]', in an environment of its own")
    port = free_port()
    with running([server, "-p", port], port, tmp_path / "moto.log"):
        url = f"http://127.0.0.1:{port}"
        run(f"curl --silent --fail -X PUT {url}/bucket", tmp_path)
        yield S3, {"BUCKET": "bucket", "FOLDER": "results", "URL": url}


@pytest.mark.parametrize("remote", [folder, ssh, s3])
def test_another_machine_gets_all_results_and_experiments_and_runs_no_stage(pipeline, tmp_path, monkeypatch, remote):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    run("git init --quiet --bare -b main ../origin && git remote add origin ../origin", pipeline)
    with remote(tmp_path) as (naming, words):
        words |= {"REPOSITORY": tmp_path / "origin"}

        def lines(block):
            pattern = rf"\b({'|'.join(words)})\b"
            return commands(re.sub(pattern, lambda match: shlex.quote(str(words[match[0]])), block))

        run("\n".join(["set -e", *lines(naming)]), pipeline)
        (pipeline / "data/predictions/test.csv").write_text("an experiment's own\n")
        run("dvc exp save --name other && git checkout --quiet . && dvc checkout --quiet", pipeline)
        run("\n".join(["set -e", *lines(SEND)]), pipeline)
        made = outputs(pipeline)
        pipeline.rename(tmp_path / "gone")
        (tmp_path / "home").mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        clone, install, *receive = lines(RECEIVE)
        run(clone, tmp_path / "home")
        assert install == "make .venv/installed"  # the tests' own environment takes its place
        private = [line for line in lines(naming) if "--local" in line]
        said = run("\n".join(["set -e", *private, *receive]), tmp_path / "home/origin").stdout
    assert "Running stage 'scan'" in said and not stages_run(said)
    assert outputs(tmp_path / "home/origin") == made
    run("dvc exp apply other", tmp_path / "home/origin")
    assert (tmp_path / "home/origin/data/predictions/test.csv").read_text() == "an experiment's own\n"
