"""ONNX Runtime for browsers: the files that the page needs of its npm package."""

import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path

from emnist.utils.errors import UserError

VERSION = "1.19.2"  # the later ones are a quarter larger
SHA256 = {  # of files in the package's folder dist
    "ort.wasm.min.mjs": "037db9f11eb741550e17ad5ace4e1401155c8ee0f6d8281c75bc6475d974881c",
    "ort-wasm-simd-threaded.mjs": "d870a377322c3053fb97432d548423f165dd15e2af232947592fc07b0d2f3639",
    "ort-wasm-simd-threaded.wasm": "1bf0b9ed7ad025cf9ca88ce6da29e54df3f128a169f8241d71823e81f078d578",
}
REGISTRY = "https://registry.npmjs.org"
PACKAGE = f"onnxruntime-web {VERSION}"
SECONDS = 60  # without an answer
MAX_BYTES = 100_000_000  # of the package


def load_runtime(folder):
    """Read the files from a folder, such as ``node_modules/onnxruntime-web/dist``.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict of str to bytes
        By the names in `SHA256`.

    Raises
    ------
    UserError
        If a file is missing, or of another version.
    """
    try:
        files = {name: Path(folder, name).read_bytes() for name in SHA256}
    except OSError as error:
        raise UserError(
            f"{folder} should hold {', '.join(SHA256)} of {PACKAGE}, but {Path(error.filename).name} cannot be read "
            f"({error.strerror}): name the package's folder dist, or leave out --runtime"
        ) from None
    return check(files, folder, "name that version's folder dist, or leave out --runtime")


def fetch_runtime(registry=REGISTRY):
    """Fetch the package from a registry of npm packages; as `load_runtime`."""
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    remedy = "name a folder that has its files with --runtime, or another registry with --registry"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            package = tarfile.open(fileobj=io.BytesIO(answer.read(MAX_BYTES)))
            files = {name: package.extractfile(f"package/dist/{name}").read(MAX_BYTES) for name in SHA256}
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UserError(f"{PACKAGE} cannot be fetched from {url} ({reason}): {remedy}") from None
    return check(files, url, remedy)


def check(files, place, remedy):
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise UserError(
                f"{place} should hold {name} of {PACKAGE}, but holds another (its SHA-256 differs): {remedy}"
            )
    return files
