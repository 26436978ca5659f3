"""Fuzzing of one parser, guided by the lines of Python that its inputs reach.

    pip install atheris
    python -m benchmarks.fuzz_guided "zip archive" --seconds 60 --seed 0

Atheris changes files at random and keeps those that reach new code of this package, of Python's modules for archives and
JSON, of PyYAML and Pillow. What counts as a fault is the same as in `benchmarks.fuzz`, from whose sound files it
begins; the file that caused it is saved as crash-*.
"""

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["emnist", "zipfile", "gzip", "json", "yaml", "PIL"]):
    import gzip  # noqa: F401
    import json  # noqa: F401
    import zipfile  # noqa: F401

    import PIL.Image  # noqa: F401
    import yaml  # noqa: F401

    from benchmarks import fuzz, make_parser


def main():
    parser = make_parser(__doc__)
    parser.add_argument("parser", help="as benchmarks.fuzz names it")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    each = fuzz.parsers()[options.parser]
    path = Path(each.path)
    Path("corpus").mkdir()
    for number in range(200):
        content = fuzz.file_of(each, options.parser, number, options.seed) if number else each.sound[0]
        Path("corpus", str(number)).write_bytes(content)

    def parse(content):
        path.write_bytes(content)
        if fuzz.outcome_of(each.parse, path) == fuzz.FAULT:
            raise RuntimeError(f"{options.parser}: see above")

    limits = [f"-timeout={5 * fuzz.SECONDS}", "-rss_limit_mb=2000", "-max_len=40000"]
    counted = [f"-max_total_time={options.seconds}", f"-seed={options.seed + 1}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *counted, f"-artifact_prefix={fuzz.PROJECT}/", "corpus"], parse)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
