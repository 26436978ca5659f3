"""Checks of the names in params.yaml and of their options."""

from emnist.models import ARCHITECTURES
from emnist.models.pretrained import load_card, pretrained_names
from emnist.params import RECIPES, as_list, check_options
from emnist.search import check_trials
from emnist.sources import SOURCES, load_source
from emnist.training.augmentation import AUGMENTATIONS, build_augmentations
from emnist.training.losses import LOSSES
from emnist.training.optimizers import OPTIMIZERS
from emnist.training.schedule import SCHEDULES
from emnist.utils.errors import UserError
from emnist.utils.names import check_name


def check_names(params):
    """Check every name in params.yaml and all options, used or not.

    Parameters
    ----------
    params : emnist.params.Params

    Raises
    ------
    UserError
        If a name is unknown, an option is wrong, the pretrained network does not fit the model, or the search has more
        trials than combinations.
    """
    check_name(params.model, ARCHITECTURES, "params.yaml: model")
    schemas = {name: load_source(name).Options for name in SOURCES}
    check_chosen(params.source, params.download, schemas, "source", "download")
    for name in params.augmentation:
        check_name(name, AUGMENTATIONS, "params.yaml: augmentation")
    build_augmentations(params.augmentation)
    for recipe in RECIPES:
        for name in params.dropout[recipe]:
            check_name(name, ARCHITECTURES, f"params.yaml: dropout.{recipe}")
    check_chosen(params.loss, params.losses, LOSSES, "loss", "losses")
    for section in ("pretrain", "finetune"):
        check_chosen(params[section].optimizer, params.optimizers, OPTIMIZERS, f"{section}.optimizer", "optimizers")
        for recipe in RECIPES:
            check_name(params[section][recipe].schedule, SCHEDULES, f"params.yaml: {section}.{recipe}.schedule")
    check_pretrained(params)
    check_trials(params)


def check_pretrained(params):
    """Check that the pretrained network exists and has the architecture of the model.

    Raises
    ------
    UserError
        If it does not, or if the transfer should start from a pretrained network and none is named.
    """
    if params.pretrained is None:
        if params.transfer.weights == "initial":
            raise UserError(
                "params.yaml: transfer.weights is initial, but pretrained is null: name a pretrained network, or set "
                "transfer.weights to finetune"
            )
        return
    check_name(params.pretrained, pretrained_names(), "params.yaml: pretrained")
    architecture = load_card(params.pretrained)[1]["architecture"]
    if architecture != params.model:
        raise UserError(
            f"params.yaml: pretrained is {params.pretrained}, which is a {architecture}, but model is {params.model}: "
            f"set model to {architecture}"
        )


def check_chosen(chosen, options, schemas, place, section):
    """Check one or several chosen names, and the options that are given for them and for others.

    Parameters
    ----------
    chosen : str or list of str
    options : dict of str to dict
        The options of each name.
    schemas : dict of str to subclass of emnist.params.Section
        What the options of each known name may be.
    place, section : str
        The parameters that hold `chosen` and `options`.

    Raises
    ------
    UserError
        If a name is unknown, a chosen one has no options, or an option is wrong.
    """
    for name in as_list(chosen):
        check_name(name, schemas, f"params.yaml: {place}")
    for other, values in options.items():
        check_name(other, schemas, f"params.yaml: {section}")
        check_options(schemas[other], values, f"{section}.{other}")
    for name in as_list(chosen):
        check_name(name, options, f"params.yaml: {place}, whose options are in {section},")
