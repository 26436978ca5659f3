"""A web server with a page to draw on."""

import re
from pathlib import Path

from emnist.cli import comma_separated
from emnist.cli.predict import EXPORTED
from emnist.utils.errors import UserError

EXAMPLE = "emnist serve --keep my-drawings"


def add_arguments(parser):
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, which only this computer reaches")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="default: %(default)s; 0: any that is free")
    parser.add_argument(
        "--model",
        type=comma_separated,
        metavar="A,B,...",
        help="pretrained networks, such as resnet, or exported ones, such as mine.onnx; the first predicts unless a "
        f"request names others (default: {EXPORTED}, if it is there, and all pretrained ones of the same characters)",
    )
    parser.add_argument(
        "--keep",
        metavar="FOLDER",
        help="let the page keep misread drawings there, for training (default: no file is written)",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the server may be reached too, such as read.example or read.example:8443, as behind a "
        "proxy; may be given several times",
    )
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="where the page is behind a proxy, such as /emnist"
    )
    parser.add_argument(
        "--log", action="store_true", help="print method, path, status and milliseconds of each request"
    )


def main(options):
    if not 0 <= options.port < 2**16:
        raise UserError(f"--port should be a number from 0 to 65535, but is {options.port}")
    for name in options.allowed_host:
        if not re.fullmatch(r"[\w.-]+(:\d+)?", name):
            raise UserError(
                f"--allowed-host should be a name, such as read.example or read.example:8443, but is {name}"
            )
    if not re.fullmatch(r"(/[\w.~-]+)*", options.root_path):
        raise UserError(
            f"--root-path should begin with / and not end with it, such as /emnist, but is {options.root_path}"
        )

    from emnist.reading.network import load_network
    from emnist.serve.drawings import Drawings
    from emnist.serve.server import serve

    networks = find_networks(options.model)
    drawings = Drawings(options.keep, load_network(next(iter(networks.values()))).classes) if options.keep else None
    serve(networks, options.host, options.port, drawings, options.allowed_host, options.root_path, options.log)


def find_networks(given):
    """Return each network's source, for `emnist.Reader`, by the name that the page shows; the first is the default."""
    from emnist.models.pretrained import pretrained_names
    from emnist.reading.network import DEFAULT, load_network

    if given is None:
        own = [EXPORTED] if Path(EXPORTED).exists() else []
        given = [*own, DEFAULT, *(name for name in pretrained_names() if name != DEFAULT)]
        if own and load_network(EXPORTED).classes != load_network(DEFAULT).classes:
            given = own  # the pretrained ones read other characters
    networks = {Path(source).stem: source for source in given}
    if len(networks) < len(given):
        raise UserError(f"--model should name different networks, but is {','.join(given)}: name each once")
    return networks
