"""The package as it is built and installed, away from the checkout."""

import sys

import pytest
from pipeline_helpers import checkout, run

from emnist.models import PRETRAINED


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the built package is installed, without what it depends on."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    checkout(source, tiny=False)
    options = "--quiet --no-index --no-deps --no-build-isolation --disable-pip-version-check"
    run(f"{sys.executable} -m pip install {options} --target {folder} {source}", folder)
    return folder


def test_an_installed_package_has_every_network_and_reads_by_them(installed, tmp_path):
    (tmp_path / "load.py").write_text("""
import emnist.models
for name in emnist.models.PRETRAINED:
    model, metadata = emnist.models.load_pretrained(name)
    print(name, metadata["model"], emnist.models.__file__)
""")
    lines = run(f"PYTHONPATH={installed} {sys.executable} load.py", tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(PRETRAINED) and PRETRAINED
    assert all(line.endswith(f"{installed}/emnist/models/__init__.py") for line in lines)
