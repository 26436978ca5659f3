"""A page of static files that reads in the browser."""

import os

from emnist.cli import comma_separated

EXAMPLE = "emnist page my-page && python -m http.server --directory my-page"


def add_arguments(parser):
    from emnist.page.runtime import REGISTRY

    parser.add_argument("folder", metavar="OUT", help="where to write it: a folder that is empty, or not there yet")
    parser.add_argument(
        "--model",
        type=comma_separated,
        default=["handwriting"],
        metavar="A,B,...",
        help="pretrained networks, such as resnet, or exported ones, such as data/model/emnist.onnx "
        "(default: the pretrained handwriting)",
    )
    parser.add_argument("--force", action="store_true", help="write into a folder that holds files")
    parser.add_argument(
        "--runtime",
        metavar="FOLDER",
        help="take ONNX Runtime's files from there, such as node_modules/onnxruntime-web/dist (default: fetch them)",
    )
    parser.add_argument(
        "--registry",
        default=os.environ.get("npm_config_registry", REGISTRY),
        metavar="URL",
        help=f"where npm packages are (default: npm_config_registry of the environment, or {REGISTRY})",
    )


def main(options):
    from emnist.cli.serve import find_networks
    from emnist.page.runtime import fetch_runtime, load_runtime
    from emnist.page.write import write_static_page

    def runtime():
        return load_runtime(options.runtime) if options.runtime else fetch_runtime(options.registry)

    sizes = write_static_page(options.folder, find_networks(options.model), runtime, options.force)
    print(f"{options.folder} is written, {sum(sizes.values()) / 1e6:.1f} MB, to be served from any web server")
