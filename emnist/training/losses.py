"""Loss functions, looked up by name."""

import torch.nn.functional as F

from emnist.utils.schema import Fraction, Section


class CrossEntropy(Section):
    """Cross-entropy of the true class, in nats."""

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels)


class LabelSmoothing(Section):
    """Cross-entropy with a fraction of each label spread over all classes (Szegedy et al., 2015, arXiv:1512.00567)."""

    smoothing: Fraction

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


# The losses, by their names in params.yaml. Each is called with logits (N, classes) and labels (N,) of int64, and returns
# the mean loss of the batch.
LOSSES = {"cross_entropy": CrossEntropy, "label_smoothing": LabelSmoothing}
