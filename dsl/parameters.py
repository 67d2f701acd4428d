"""The parameters of a user's word: which of them are values, and what the others take as options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .constants import NotConstantError
from .declared import Names, a_kind
from .diagnostics import listed
from .options import convert
from .scope import Scope
from .syntax import Boolean, Call, Definition, Name, Parameter
from .universal import UNIVERSAL
from .words import Kind, Option

# The values that the formula of a kind is given, as first parameters; what each is, for messages.
VALUES = {"activation": ("the value",), "loss": ("the prediction", "the target")}
VALUES["metric"] = VALUES["loss"]

# Names that mean something in the formulas of a kind, and what they are.
MEANINGS: dict[str, dict[str, str]] = {
    "layer": {"in": "the input of the layer"},
    "cell": {"in": "what a step is given"},
    "init": {"fan_in": "the weight's number of inputs", "fan_out": "the weight's number of outputs"},
    "schedule": {"t": "the time", "epoch": "the epoch, with fractions", "step": "the number of the step"},
    "updater": {"w": "the weight", "g": "its gradient", "t": "the number of the step", "epoch": "the epoch"},
}
# Options that every use of a kind takes, so that no parameter may have their name.
COMMON = {"layer": tuple(UNIVERSAL), "cell": tuple(UNIVERSAL)}

NUMBER = Kind("number", "a number")
EITHER = Kind("scalar", "a number, or true or false")
FLAG = Kind("flag", "true or false")
INIT = Kind("init", "an initializer")
# The numbers of updaters and schedules print as named settings; a schedule may stand for one of an updater's.
SETTINGS = {"updater": Kind("scheduled", "a number, or a schedule"), "schedule": Kind("setting", "a number")}

# What a weight of a user's layer takes; all but its initializer replaces what the use of the layer says.
OF_WEIGHTS = {
    "init": Option("init", INIT, None, False),
    **{name: UNIVERSAL[name] for name in ("l1", "l2", "weight_decay", "lr_scale", "frozen")},
}
# Names of the first value of a state.
FIRSTS = {"zeros": 0.0, "ones": 1.0}


def values_of(definition: Definition, values: tuple[Any, ...]) -> dict[str, Any]:
    """The values that a use is given, by the names of the parameters that take them."""
    return {p.name: value for p, value in zip(definition.parameters, values, strict=False)}


def options_of(definition: Definition, scope: Scope) -> dict[str, Option] | None:
    """The options; None, after diagnostics, where a parameter is at fault."""
    values = VALUES.get(definition.kind, ())
    first, rest = definition.parameters[: len(values)], definition.parameters[len(values) :]
    failed = not _check_values(definition, first, scope)
    failed |= not _check_names(definition, scope)
    options: dict[str, Option] = {}
    for parameter in rest:
        try:
            options[parameter.name] = _option(definition, parameter, scope)
        except NotConstantError:
            failed = True
    required = [p for p in rest if p.default is None]
    late = next((p for p in required if any(q.default for q in rest[: rest.index(p)])), None)
    if late:
        message = f"{late.name} has no default, but stands after a parameter that has one"
        scope.report.error("bad-definition", message, late.place, "parameters without a default stand first")
    return None if failed or late else options


def _check_values(definition: Definition, given: tuple[Parameter, ...], scope: Scope) -> bool:
    """Whether there is a parameter for each value that a use is given, and none of them has a default."""
    values, report = VALUES.get(definition.kind, ()), scope.report
    if len(given) < len(values):
        message = f"{a_kind(definition.kind)} has a parameter for {listed(values)}"
        example = "(x) = x * sigmoid(x)" if definition.kind == "activation" else "(p, y) = mean(abs(p - y))"
        help = f"as in: def {definition.kind} {definition.name}{example}"
        report.error("bad-definition", message, definition.name_place, help)
        return False
    for parameter, value in zip(given, values, strict=False):
        if parameter.default is not None:
            message = f"{parameter.name} is {value} of {definition.name}, and no option, so it has no default"
            report.error("bad-definition", message, parameter.place, "take the default away")
    return all(parameter.default is None for parameter in given)


def _check_names(definition: Definition, scope: Scope) -> bool:
    """Whether each parameter has a name of its own that nothing else has in these formulas."""
    taken = dict(MEANINGS.get(definition.kind, {}))
    taken |= dict.fromkeys(COMMON.get(definition.kind, ()), f"an option that every {definition.kind} has")
    fine = True
    for parameter in definition.parameters:
        name = parameter.name
        if name in taken:
            message = f"{name} is {taken[name]}"
            scope.report.error("duplicate-name", message, parameter.place, "choose another name")
            fine = False
        fine &= Names(scope.report).check(name, parameter.place)
        taken[name] = f"already a parameter of {definition.name}"
    return fine


def _option(definition: Definition, parameter: Parameter, scope: Scope) -> Option:
    """A parameter as an option, which takes what its default is."""
    default, subject = parameter.default, definition.name
    kind = SETTINGS.get(definition.kind, EITHER if default is None else NUMBER)
    if default is None:
        return Option(parameter.name, kind, None, required=True)
    if isinstance(default, Name | Call) and definition.kind in ("layer", "cell"):
        name = default.id if isinstance(default, Name) else default.word
        kind = INIT if name not in scope.constants and scope.find("init", name) else kind
    constant = scope.constants.get(default.id) if isinstance(default, Name) else None
    if isinstance(default, Boolean) or isinstance(constant, bool):
        kind = FLAG
    option = Option(parameter.name, kind, None, required=False)
    return replace(option, default=convert(option, default, subject, scope))
