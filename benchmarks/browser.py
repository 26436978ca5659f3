"""Predictions of the pretrained networks in a browser, by ONNX Runtime Web, against ONNX Runtime in Python.

    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python -m benchmarks.browser FOLDER package/dist

FOLDER holds test images in the official layout. Needs the test dependencies (Playwright) and Chromium, as Debian's
package `chromium` installs it. Everything is served from loopback.
"""

import base64
import functools
import http.server
import shutil
import threading
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks import make_parser, print_header, print_row
from emnist.data.datasets import load_emnist
from emnist.models.pretrained import FOLDER, pretrained_names
from emnist.reading.network import Network
from emnist.utils.atomic import temporary_folder
from emnist.utils.errors import UserError, run_cli

PAGE = '<!doctype html><script src="ort.wasm.min.js"></script>'
PREDICT = """async ([name, text]) => {
  ort.env.wasm.numThreads = 1;
  const pixels = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(name, {executionProviders: ["wasm"]});
  const images = new ort.Tensor("uint8", pixels, [pixels.length / 784, 28, 28]);
  const start = performance.now();
  const {probabilities} = await session.run({images});
  return {milliseconds: performance.now() - start, values: Array.from(probabilities.data)};
}"""


def main():
    parser = make_parser(__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("dist", metavar="DIST", type=Path, help="folder dist of the package onnxruntime-web")
    parser.add_argument("networks", metavar="FILE", nargs="*", type=Path, help=".onnx; default: the pretrained ones")
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    if not (options.dist / "ort.wasm.min.js").exists():
        raise UserError(f"{options.dist} should hold ort.wasm.min.js, but does not: run `npm pack onnxruntime-web`")
    images, _ = load_emnist("test", options.count, folder=options.folder)
    text = base64.b64encode(images.tobytes()).decode()
    paths = options.networks or [FOLDER / f"{name}.onnx" for name in pretrained_names()]
    with temporary_folder(".", "browser") as folder, sync_playwright() as playwright:
        for path in [*options.dist.glob("ort-wasm-simd-threaded.*"), options.dist / "ort.wasm.min.js", *paths]:
            shutil.copy(path, folder)
        (folder / "index.html").write_text(PAGE)
        http.server.SimpleHTTPRequestHandler.log_message = lambda *arguments: None
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            print(f"{len(images)} images, Chromium {browser.version}\n")
            print_header("network", "differing predictions", "largest difference", "images/s in the browser")
            for path in paths:
                answer = page.evaluate(PREDICT, [path.name, text])
                probabilities = np.array(answer["values"], np.float32).reshape(len(images), -1)
                expected = Network(path).probabilities(images)
                differing = np.sum(probabilities.argmax(1) != expected.argmax(1))
                difference = np.abs(probabilities - expected).max()
                rate = 1000 * len(images) / answer["milliseconds"]
                print_row(path.stem, differing, f"{difference:.1g}", f"{rate:,.0f}")
            browser.close()
            server.shutdown()


if __name__ == "__main__":
    run_cli(main)
