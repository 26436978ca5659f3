"""Export of a trained network to ONNX."""

import json
import tempfile
import warnings
from pathlib import Path

import torch

OPSET = 20
CALIBRATION_BATCH = 64

# Of the file, not of the release: the first version of this project that exports so. Later ones keep it, so that a
# release alone changes no file.
PRODUCER, PRODUCER_VERSION = "emnist-dvc", "0.2.0"
DESCRIPTION = (
    "Recognises handwritten characters: maps images, upright and white on black, with pixels from 0 to 255, to the "
    "probability of each class. Normalisation and softmax are inside."
)
# By the keys of the ONNX standard (its IR.md and MetadataProps.md). `Classifier` takes the grey levels that a picture
# stores, so they are coded as its are.
STANDARD = {
    "Image.BitmapPixelFormat": "Gray8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "NominalRange_0_255",
}


class Classifier(torch.nn.Module):
    """Maps images as they are stored to probabilities: normalises the pixels, and applies softmax to the logits.

    Parameters
    ----------
    model : torch.nn.Module
    mean, std : float
        Of pixels in [0, 1], by which the model's images were normalised.
    """

    def __init__(self, model, mean, std):
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, images):
        """Map uint8 images (N, 28, 28) to float32 probabilities (N, classes)."""
        return self.model((images.unsqueeze(1).float() / 255 - self.mean) / self.std).softmax(dim=1)


def to_onnx(model, metadata, **about):
    """Export a network, with its normalisation and softmax, by PyTorch's exporter.

    Parameters
    ----------
    model : torch.nn.Module
        In ``eval()`` mode, on the CPU.
    metadata : dict
        As from `emnist.models.load_model`.
    **about : str
        Further entries of the file's metadata, such as the data, the recipe, ``model_author`` and ``model_license``.

    Returns
    -------
    onnx.ModelProto
        Maps ``images``, uint8 (N, 28, 28), upright, white on black, to ``probabilities``, float32 (N, classes). Its
        metadata holds ``architecture``, ``classes``, `STANDARD` and `about`. The same network gives the same bytes.
    """
    proto = export_module(Classifier(model, metadata["mean"], metadata["std"]), "images", (28, 28))
    classes = metadata["classes"]
    if not isinstance(classes, str):  # some are longer than a character
        classes = json.dumps(classes, ensure_ascii=False)
    return _describe(proto, {"architecture": metadata["model"], "classes": classes} | STANDARD | about)


def export_module(module, name, shape):
    """Export a module that maps uint8 to ``probabilities``, by PyTorch's exporter; return an onnx.ModelProto.

    `name` is that of its one input, and `shape` that of each of N (tuple of int).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about code of the exporter
        program = torch.onnx.export(
            module.eval(),
            (torch.zeros(2, *shape, dtype=torch.uint8),),
            input_names=[name],
            output_names=["probabilities"],
            dynamic_shapes={name: {0: torch.export.Dim("N")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    for node in proto.graph.node:  # it holds the lines of code, with their paths, that it comes from
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return proto


def _describe(proto, metadata):
    """Set what the file says of itself, in place of what the exporter and the quantiser, each in its version, say."""
    from onnx import helper

    proto.producer_name, proto.producer_version, proto.doc_string = PRODUCER, PRODUCER_VERSION, DESCRIPTION
    helper.set_model_props(proto, metadata)
    images = proto.graph.input[0].type
    images.denotation = "IMAGE"  # without which the standard's entries on images say nothing
    for dimension, denotation in zip(images.tensor_type.shape.dim, ("DATA_BATCH", "DATA_FEATURE", "DATA_FEATURE")):
        dimension.denotation = denotation
    return proto


def quantize(proto, images):
    """Quantise an exported network to 8-bit integers, by ONNX Runtime's static quantisation [1]_.

    Weights are quantised by channel to 7 bits: with 8, processors without VNNI would saturate, and predict otherwise. The
    softmax stays in float32.

    Parameters
    ----------
    proto : onnx.ModelProto
        As from `to_onnx`.
    images : numpy.ndarray of uint8, shape (N, 28, 28)
        Training images, which set the ranges of the activations.

    Returns
    -------
    onnx.ModelProto
        With the inputs, outputs and metadata of `proto`. The same network and images give the same bytes.

    References
    ----------
    .. [1] Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
       inference", 2018, CVPR, arXiv:1712.05877.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    starts = range(0, len(images), CALIBRATION_BATCH)
    batches = iter([{"images": images[start : start + CALIBRATION_BATCH]} for start in starts])

    class Images(CalibrationDataReader):
        def get_next(self):
            return next(batches, None)

    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        exported, quantized = Path(folder, "exported.onnx"), Path(folder, "quantized.onnx")
        # The exporter has done what `quant_pre_process` does; without this entry, ONNX Runtime warns.
        prepared = onnx.ModelProto()
        prepared.CopyFrom(proto)
        onnx.helper.set_model_props(prepared, {"onnx.quant.pre_process": "onnxruntime.quant"})
        exported.write_bytes(to_bytes(prepared))
        quantize_static(
            exported,
            quantized,
            Images(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[proto.graph.node[-1].name],
        )
        return _describe(onnx.load(quantized), metadata)


def to_bytes(proto):
    """Serialise an exported network, so that the same network gives the same bytes."""
    return proto.SerializeToString(deterministic=True)
