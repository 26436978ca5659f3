"""Loss functions, looked up by name."""

import torch.nn.functional as F

from emnist.params import Fraction, Section, check_options
from emnist.utils.names import check_name


class CrossEntropy(Section):
    """Cross-entropy of the true class, in nats."""

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels)


class LabelSmoothing(Section):
    """Cross-entropy with a fraction of each label spread over all classes (Szegedy et al., 2015, arXiv:1512.00567)."""

    smoothing: Fraction

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


# By their names in params.yaml. Each is called with logits (N, classes) and labels (N,) of int64, and returns the mean
# loss of the batch.
LOSSES = {"cross_entropy": CrossEntropy, "label_smoothing": LabelSmoothing}


def build_loss(name, options):
    """Build a loss function.

    Parameters
    ----------
    name : str
        A key of `LOSSES`.
    options : dict
        Values for all fields of its class.

    Returns
    -------
    callable
        As described at `LOSSES`.

    Raises
    ------
    UserError
        If the name or an option is unknown, or a value is out of range.
    """
    check_name(name, LOSSES, "the loss")
    return check_options(LOSSES[name], options, f"losses.{name}")
