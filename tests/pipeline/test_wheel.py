"""The package as it is built and installed, away from the checkout."""

import importlib.metadata
import sys
import venv

import pytest
from glyphs import glyph
from packaging.requirements import Requirement
from pipeline_helpers import checkout, run

from emnist.models import PRETRAINED

PIP = f"{sys.executable} -m pip --quiet --disable-pip-version-check"


def requirements(name):
    """List the distributions that one needs, itself included, without extras."""
    found = {name}
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= requirements(requirement.name)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment that holds the package, built from its source distribution, and what that alone needs."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    environment = tmp_path_factory.mktemp("environment")
    checkout(source, tiny=False)
    run(f"{sys.executable} -c 'from setuptools import build_meta; build_meta.build_sdist(\"{built}\")'", source)
    [archive] = built.glob("*.tar.gz")
    run(f"{PIP} wheel --no-index --no-deps --no-build-isolation --wheel-dir {built} {archive}", built)
    [wheel] = built.glob("*.whl")
    venv.create(environment, symlinks=True)
    [packages] = environment.glob("lib/python*/site-packages")
    run(f"{PIP} --python {environment}/bin/python install --no-index --no-deps {wheel}", built)
    for name in requirements("emnist") - {"emnist"}:  # as installed here, since an index may be out of reach
        for file in importlib.metadata.files(name):
            part = file.parts[0]
            if part != ".." and not (packages / part).exists():
                (packages / part).symlink_to(importlib.metadata.distribution(name).locate_file(part))
    return environment / "bin"


def test_an_installed_package_reads_pictures_with_every_network_and_without_pytorch(installed, tmp_path):
    glyph().save(tmp_path / "four.png")
    lines = run(f"{installed}/emnist predict --model {','.join(PRETRAINED)} four.png", tmp_path).stdout.splitlines()
    assert len(lines) == len(PRETRAINED) and all(": 4 " in line for line in lines)
    assert run(f"{installed}/python -c 'import torch'", tmp_path, check=False).returncode == 1


def test_an_installed_package_has_the_weights_and_card_of_every_network(installed):
    [folder] = installed.parent.glob("lib/python*/site-packages/emnist/pretrained")
    for suffix in ("safetensors", "onnx", "md"):
        assert sorted(path.stem for path in folder.glob(f"*.{suffix}")) == list(PRETRAINED)


@pytest.mark.parametrize("command, extra", [("compare", "train"), ("report", "train"), ("serve", "serve")])
def test_a_command_that_needs_more_says_what_to_install(command, extra, installed, tmp_path):
    done = run(f"{installed}/emnist {command}", tmp_path, check=False)
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert done.stdout.endswith(f"which is not installed: run `pip install 'emnist[{extra}]'`\n")
