"""Checks of the names in params.yaml and of their options."""

from emnist.models import ARCHITECTURES
from emnist.params import RECIPES, check_options
from emnist.search import check_trials
from emnist.sources import SOURCES, load_source
from emnist.training.augmentation import AUGMENTATIONS, build_augmentations
from emnist.training.losses import LOSSES
from emnist.training.optimizers import OPTIMIZERS
from emnist.training.schedule import SCHEDULES
from emnist.utils.names import check_name


def check_names(params):
    """Check every name in params.yaml and all options, used or not.

    Parameters
    ----------
    params : emnist.params.Params

    Raises
    ------
    UserError
        If a name is unknown, an option is wrong, or the search has more trials than combinations.
    """
    check_name(params.model, ARCHITECTURES, "params.yaml: model")
    check_chosen(params.source, params.download, SOURCES, "source", "download")
    for name, options in params.download.items():
        check_options(load_source(name).Options, options, f"download.{name}")
    for name in params.augmentation:
        check_name(name, AUGMENTATIONS, "params.yaml: augmentation")
    build_augmentations(params.augmentation)
    for recipe in RECIPES:
        for name in params.dropout[recipe]:
            check_name(name, ARCHITECTURES, f"params.yaml: dropout.{recipe}")
    check_chosen(params.loss, params.losses, LOSSES, "loss", "losses")
    for name, options in params.losses.items():
        check_options(LOSSES[name], options, f"losses.{name}")
    for section in ("pretrain", "finetune"):
        check_chosen(params[section].optimizer, params.optimizers, OPTIMIZERS, f"{section}.optimizer", "optimizers")
        for recipe in RECIPES:
            check_name(params[section][recipe].schedule, SCHEDULES, f"params.yaml: {section}.{recipe}.schedule")
    for name, options in params.optimizers.items():
        check_options(OPTIMIZERS[name], options, f"optimizers.{name}")
    check_trials(params)


def check_chosen(name, options, known, place, section):
    """Check a chosen name, the names for which options are given, and that the chosen one is among them.

    Parameters
    ----------
    name : str
    options : dict of str to dict
        The options of each name.
    known : iterable of str
    place, section : str
        The parameters that hold `name` and `options`.

    Raises
    ------
    UserError
        If a name is unknown, or `name` has no options.
    """
    check_name(name, known, f"params.yaml: {place}")
    for other in options:
        check_name(other, known, f"params.yaml: {section}")
    check_name(name, options, f"params.yaml: {place}, whose options are in {section},")
