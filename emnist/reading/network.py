"""Exported networks, run by ONNX Runtime: no PyTorch is needed."""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnxruntime

from emnist.data.classes import parse_classes
from emnist.models.pretrained import FOLDER, pretrained_names
from emnist.utils.environment import check_version
from emnist.utils.errors import UserError
from emnist.utils.names import check_name

check_version("onnxruntime", onnxruntime.__version__, "1.18")

DEFAULT = "handwriting"  # the pretrained network for a person's own pictures
BATCH = 256  # images computed at once


def make_session(content):
    """Load an exported network, bytes, for one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; nothing is printed
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


class Network:
    """A trained network that maps images to probabilities.

    Parameters
    ----------
    path : path-like
        A file as the stage ``export`` writes it.

    Attributes
    ----------
    classes : tuple of str
        The character of each output.
    metadata : dict of str to str
        ``architecture``, ``classes``, ``data`` and ``recipe``.

    Raises
    ------
    UserError
        If the file is missing, damaged, or no network of this kind.
    """

    def __init__(self, path):
        if Path(path).parent == FOLDER:
            remedy = "restore it from git, or install the package again"
        else:
            remedy = "run `dvc repro`, or name another"
        try:
            # Of bytes, not of a path, so that the file cannot name others.
            self.session = make_session(Path(path).read_bytes())
            self.metadata = self.session.get_modelmeta().custom_metadata_map
            self.classes = parse_classes(self.metadata["classes"])
            (images,), (probabilities,) = self.session.get_inputs(), self.session.get_outputs()
            fits = (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [28, 28])
            fits &= (probabilities.name, probabilities.shape[1:]) == ("probabilities", [len(self.classes)])
            fits = fits and np.allclose(self.probabilities(np.zeros((2, 28, 28), np.uint8)).sum(axis=1), 1)
        except OSError as error:
            raise UserError(
                f"{path} should be an exported network, but cannot be read ({error.strerror}): {remedy}"
            ) from None
        except Exception:  # ONNX Runtime's errors have no class in common
            fits = False
        if not fits:
            raise UserError(f"{path} should hold a network as the stage export writes it, but does not: {remedy}")

    def probabilities(self, images):
        """Compute the probability of each class.

        Parameters
        ----------
        images : numpy.ndarray of uint8, shape (N, 28, 28)
            Upright, white on black.

        Returns
        -------
        numpy.ndarray of float32, shape (N, classes)
        """
        parts = [images[start : start + BATCH] for start in range(0, max(len(images), 1), BATCH)]
        return np.concatenate([self.session.run(["probabilities"], {"images": part})[0] for part in parts])


def load_network(name):
    """Load a network by the name of a pretrained one, or by the path of an exported file.

    Parameters
    ----------
    name : str or path-like
        A path is what ends in ``.onnx``.

    Returns
    -------
    Network

    Raises
    ------
    UserError
        As for `Network`, or if there is no pretrained network of that name, or its card describes another.
    """
    if Path(name).suffix == ".onnx":
        return Network(name)
    check_name(name, pretrained_names(), "the network")
    path, card = FOLDER / f"{name}.onnx", FOLDER / f"{name}.md"
    with suppress(OSError):  # of a file that is missing, `Network` tells
        found, described = hashlib.sha256(path.read_bytes()).hexdigest(), card.read_text(encoding="utf-8")
        if f"\nonnx_sha256: {found}\n" not in described:
            raise UserError(
                f"{card} describes another network than {path.name} (its SHA-256 differs): restore both from "
                "git, or install the package again"
            )
    return Network(path)
