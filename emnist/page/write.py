"""Writing the page: the HTML of `emnist serve`, JavaScript that computes, ONNX Runtime and the networks."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np

from emnist.data import convert
from emnist.models.pretrained import FOLDER
from emnist.reading import ink, pictures
from emnist.reading.network import load_network
from emnist.serve.policy import hashes
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError

SOURCES = Path(__file__).parent
HTML = SOURCES.parent / "serve/page.html"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {script}; style-src {style}; img-src data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'"
)


def write_static_page(folder, networks, runtime, force=False):
    """Write a folder that any web server can serve.

    Parameters
    ----------
    folder : path-like
        Created if it is missing.
    networks : dict of str to str
        For each name, the name or the path by which `emnist.Reader` finds the network.
    runtime : callable
        Returns ONNX Runtime's files, bytes by their names, as `emnist.page.runtime.fetch_runtime` does.
    force : bool
        Whether the folder may hold files. Those with the names of the page's are replaced.

    Returns
    -------
    dict of str to int
        The size of each file in bytes.

    Raises
    ------
    UserError
        If the folder is none or holds files, for a network as `load_network` does, or for what `runtime` raises.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} should be a folder, but is a file: name another")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UserError(f"{folder} should be empty, but holds files: name another folder, or add --force")
    files, listed = {}, []
    for number, (name, source) in enumerate(networks.items(), 1):
        path = Path(source) if Path(source).suffix == ".onnx" else FOLDER / f"{source}.onnx"
        file, network = f"network{number}.onnx", load_network(source)
        listed.append({"name": name, "file": file, "classes": list(network.classes)})
        files[file] = path.read_bytes()
    files["networks.js"] = f"export default {json.dumps(listed)}\n".encode()
    files["constants.js"] = constants().encode()
    files |= {
        name: (SOURCES / name).read_bytes() for name in ("alphabet.js", "grids.js", "conversion.js", "reading.js")
    }
    # By names whose types every web server knows. It is packed here, since not every web server does that.
    files |= {name.replace(".mjs", ".js"): content for name, content in runtime().items()}
    files["runtime.bin"] = gzip.compress(files.pop("ort-wasm-simd-threaded.wasm"), mtime=0)
    files["index.html"] = html().encode()
    digest = hashlib.sha256(b"".join(hashlib.sha256(files[name]).digest() for name in sorted(files))).hexdigest()
    kept = ["./", *sorted(files.keys() - {"index.html"})]
    head = f'const VERSION = "{digest[:16]}"\nconst FILES = {json.dumps(kept)}\n\n'
    files["worker.js"] = head.encode() + (SOURCES / "worker.js").read_bytes()
    for name, content in files.items():
        write_bytes(folder / name, content)
    return {name: len(content) for name, content in files.items()}


def constants():
    """Return the numbers that the conversion uses, as a module of JavaScript."""
    named = {}
    for module in (convert, ink, pictures):
        named |= {name: value for name, value in vars(module).items() if name.isupper()}
    values = {
        name: np.asarray(value).tolist()
        for name, value in named.items()
        if np.asarray(value).dtype.kind in "fi" and np.asarray(value).ndim < 2
    }
    return "".join(f"export const {name} = {json.dumps(value)}\n" for name, value in values.items())


def html():
    """Return the page of `emnist serve`, which loads `start.js` before its own script."""
    page, start = HTML.read_text(encoding="utf-8"), (SOURCES / "start.js").read_text(encoding="utf-8")
    page = page.replace("<script>", f"<script>{start}</script>\n<script>", 1)
    policy = POLICY.format(**{tag: hashes(tag, page) for tag in ("script", "style")})
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}', 1)
