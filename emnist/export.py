"""Export of a trained network to ONNX."""

import warnings

import numpy as np
import torch

OPSET = 20
MIN_HALF = 256  # values of a tensor that is worth storing in half precision


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
        Further entries of the file's metadata, such as the data and the recipe.

    Returns
    -------
    onnx.ModelProto
        Maps ``images``, uint8 (N, 28, 28), upright, white on black, to ``probabilities``, float32 (N, classes). Its
        metadata holds ``architecture``, ``classes`` and `about`. The same network gives the same bytes.
    """
    from onnx import helper

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about code of the exporter
        program = torch.onnx.export(
            Classifier(model, metadata["mean"], metadata["std"]).eval(),
            (torch.zeros(2, 28, 28, dtype=torch.uint8),),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim("N")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    for node in proto.graph.node:  # which holds the lines of code, with their paths, that the node comes from
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    helper.set_model_props(proto, {"architecture": metadata["model"], "classes": metadata["classes"], **about})
    return proto


def halve(proto):
    """Store the large tensors of an exported network in half precision, in place; they are computed with in single.

    Parameters
    ----------
    proto : onnx.ModelProto
        As from `to_onnx`.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_HALF:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.value_info[:]
