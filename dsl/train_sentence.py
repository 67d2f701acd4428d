"""The sentence `train`: how long, how fast and on what a net is trained."""

from __future__ import annotations

from typing import Any

from . import syntax
from .constants import NotConstantError
from .options import bind
from .scope import Scope
from .syntax import Argument
from .words import Kind, Option

WHOLE = Kind("whole", "a whole number of at least 1", 1)
SEED = Kind("whole", "a whole number of at least 0", 0)
SHARE = Kind("real", "a share from 0 to below 1", 0, 1, high_open=True)
STEPS = Kind("whole", "a number of steps of at least 1", 1)
PATIENCE = Kind("whole", "a number of epochs of at least 1", 1)
BOUND = Kind("real", "a number above 0", 0, low_open=True)
WEIGHTS = Kind("weights", "a list of a number above 0 for each class")
TARGET = Kind("identifier", "the name of a target that holds each example's weight")

TRAIN = {
    o.name: o
    for o in (
        Option("epochs", WHOLE, 10, False, "how often all training rows are seen"),
        Option("batch", WHOLE, 32, False, "the rows of one step; a solver takes all"),
        Option("seed", SEED, 1, False, "what every random number follows from"),
        Option("validation", SHARE, 0.0, False, "the rows that are held out of training"),
        Option("window", STEPS, None, False, "the steps of each example that is cut out of a series"),
        Option("early_stop", PATIENCE, None, False, "ends after so many epochs without a lower validation loss"),
        Option("clip_norm", BOUND, None, False, "scales gradients down to this norm"),
        Option("clip_value", BOUND, None, False, "brings each element of a gradient between its negative and itself"),
        Option("renormalize", Kind("flag", "true or false"), False, False, "divides gradients by their norm"),
        Option(
            "norm_per", Kind("choice", "all, layer or weight"), None, False, "of what a norm is taken, by default all"
        ),
        Option("class_weight", WEIGHTS, None, False, "what an example of each class weighs in the loss"),
        Option("sample_weight", TARGET, None, False, "what each example weighs in the loss"),
    )
}
# What is done with the gradients before l1 and l2 are added: one of these, or nothing.
NORMALISATIONS = ("clip_norm", "clip_value", "renormalize")
LATER_TRAIN = ("test",)


def train_of(sentence: syntax.Train | None, scope: Scope) -> dict[str, Any]:
    """The settings of training, with defaults; faults go to the report."""
    defaults = {name: option.default for name, option in TRAIN.items()}
    if sentence is None:
        return defaults
    arguments: list[Argument] = []
    for argument in sentence.options:
        if argument.key in LATER_TRAIN:
            message = f"this version of netc has no {argument.key} in training"
            scope.report.error("not-yet", message, argument.place, f"take {argument.key} away")
        else:
            arguments.append(argument)
    try:
        options = bind("train", TRAIN, arguments, sentence.place, scope)
    except NotConstantError:
        return defaults
    if options["early_stop"] and not options["validation"]:
        message = "early_stop watches the loss of the validation rows, and there are none"
        scope.report.error("missing-validation", message, sentence.place, "add validation=20%")
    _check_normalisation(options, sentence, scope)
    return options


def _check_normalisation(options: dict[str, Any], sentence: syntax.Train, scope: Scope) -> None:
    """One way of bounding gradients at most, and a norm to take where it is said of what."""
    given = [name for name in NORMALISATIONS if options[name]]
    places = {a.key: a.place for a in sentence.options}
    if len(given) > 1:
        message = f"{given[0]} and {given[1]} both bound the gradients"
        scope.report.error("bad-option", message, places[given[1]], "keep one of them")
    if options["norm_per"] and not {"clip_norm", "renormalize"} & {*given}:
        message = "norm_per says of what a norm is taken, and none is taken"
        scope.report.error("unknown-option", message, places["norm_per"], "add clip_norm=1 or renormalize=true")
