"""The package as it is built and installed, away from the checkout."""

import importlib.metadata
import shlex
import sys
import venv

import pytest
from glyphs import glyph, on_paper
from packaging.requirements import Requirement
from pipeline_helpers import checkout, run

from emnist.models import PRETRAINED
from emnist.reading.pictures import FORMATS

PROJECT = "emnist-dvc"
PIP = f"{sys.executable} -m pip --quiet --disable-pip-version-check --retries 0"


def requirements(name):
    """List the distributions that one needs, itself included, without extras."""
    found = {name}
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= requirements(requirement.name)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package, built from its source distribution."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    checkout(source, tiny=False)
    run(f"{sys.executable} -c 'from setuptools import build_meta; build_meta.build_sdist(\"{built}\")'", source)
    [archive] = built.glob("*.tar.gz")
    run(f"{PIP} wheel --no-index --no-deps --no-build-isolation --wheel-dir {built} {archive}", built)
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment that holds the package and what that alone needs."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    [packages] = environment.glob("lib/python*/site-packages")
    run(f"{PIP} --python {environment}/bin/python install --no-index --no-deps {wheel}", environment)
    for name in requirements(PROJECT) - {PROJECT}:  # as installed here, since an index may be out of reach
        for file in importlib.metadata.files(name):
            part = file.parts[0]
            if part != ".." and not (packages / part).exists():
                (packages / part).symlink_to(importlib.metadata.distribution(name).locate_file(part))
    return environment / "bin"


def install_from_index(packages, *options):
    """Install packages (str), as pip names them; skip the test without an index."""
    done = run(f"{PIP} {shlex.join(options)} --only-binary :all: --no-compile {packages}", ".", check=False)
    if "Connection" in done.stdout or "Temporary failure" in done.stdout:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout


def test_an_installed_package_reads_pictures_with_every_network_and_without_pytorch(installed, tmp_path):
    glyph().save(tmp_path / "four.png")
    lines = run(f"{installed}/emnist predict --model {','.join(PRETRAINED)} four.png", tmp_path).stdout.splitlines()
    assert len(lines) == len(PRETRAINED) and all(": 4 " in line for line in lines)
    assert run(f"{installed}/python -c 'import torch'", tmp_path, check=False).returncode == 1


def test_an_installed_package_has_the_weights_and_card_of_every_network(installed):
    [folder] = installed.parent.glob("lib/python*/site-packages/emnist/pretrained")
    assert (folder.parent / "py.typed").exists() and (folder.parent / "__init__.pyi").exists()
    for suffix in ("safetensors", "onnx", "md"):
        assert sorted(path.stem for path in folder.glob(f"*.{suffix}")) == list(PRETRAINED)


@pytest.mark.parametrize("command, extra", [("compare", "train"), ("report", "train"), ("serve", "serve")])
def test_a_command_that_needs_more_says_what_to_install(command, extra, installed, tmp_path):
    done = run(f"{installed}/emnist {command}", tmp_path, check=False)
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert done.stdout.endswith(f"which is not installed: run `pip install '.[{extra}]'` in the clone\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the oldest versions have wheels for Python 3.11")
def test_the_oldest_versions_allowed_read_all_formats(wheel, tmp_path):
    venv.create(tmp_path, symlinks=True)
    needed = [Requirement(line) for line in importlib.metadata.requires(PROJECT) if "extra" not in line]
    oldest = [f"{each.name}=={str(each.specifier).removeprefix('>=')}" for each in needed]
    install_from_index(f"{wheel} {' '.join(oldest)}", "--python", f"{tmp_path}/bin/python", "install")
    names = [f"four.{kind.lower()}" for kind in FORMATS]
    for name in names:
        on_paper(glyph()).save(tmp_path / name)
    lines = run(f"bin/emnist predict --model {PRETRAINED[0]} {' '.join(names)}", tmp_path).stdout.splitlines()
    assert [line[: len(name) + 3] for line, name in zip(lines, names, strict=True)] == [f"{name}: 4" for name in names]


@pytest.mark.slow
@pytest.mark.parametrize(
    "package, sentence",
    [
        ("pillow==11.0.0", "pillow should be at least 11.3, but 11.0.0 is installed: run `pip install 'pillow>=11.3'`"),
        ("emnist", "emnist/__init__.py is found: run `pip uninstall emnist`, then install this project again"),
    ],
)
def test_a_package_that_does_not_fit_is_named(package, sentence, installed, tmp_path, monkeypatch):
    install_from_index(package, "install", "--no-deps", "--target", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run(f"{installed}/emnist predict four.png", tmp_path, check=False)
    assert done.returncode == 1 and sentence in done.stdout and done.stdout.splitlines()[-1].startswith("error: ")
