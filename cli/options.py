"""Options that several commands share."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..dsl import Net, Source, check
from ..dsl.diagnostics import Report
from ..dsl.load import MEMORY_BUDGET
from ..dsl.spec_file import decoded, read_text

Command = TypeVar("Command", bound=Callable[..., Any])


def spec_options(function: Command) -> Command:
    """SPEC, -D and --memory: whatever reads a spec takes them."""
    function = click.option(
        "--memory",
        type=click.FloatRange(min=0, min_open=True),
        metavar="GIB",
        help="The memory that training may take.",
    )(function)
    return click.argument("spec", metavar="SPEC")(define_option(function))


def define_option(function: Command) -> Command:
    """-D, wherever a spec is read."""
    help = "Set a constant of the spec's let."
    return click.option("-D", "defines", multiple=True, metavar="NAME=VALUE", help=help)(function)


def json_option(function: Command) -> Command:
    """--json, on every command that reports."""
    return click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")(function)


def resize_option(function: Command) -> Command:
    """--resize, wherever images are read."""
    help = "Bring images of another size to the declared one."
    return click.option("--resize", is_flag=True, help=help)(function)


def fold_option(function: Command) -> Command:
    """--fold, wherever a model is written."""
    help = "Fold batchnorm into the weights before it, in the model alone."
    return click.option("--fold", is_flag=True, help=help)(function)


def refuse_fold(net: Net) -> None:
    """Refuse --fold where no model is written."""
    if "inference" not in net.wanted:
        message = f"{net.name} has no model that could be folded: add inference to its targets"
        raise click.BadParameter(message, param_hint="--fold")


def provider_option(function: Command) -> Command:
    """--provider and --threads of ONNX Runtime."""
    function = click.option("--threads", type=click.IntRange(min=1), help="Threads inside one operator.")(function)
    return click.option(
        "--provider",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where ONNX Runtime runs; cuda is refused where it cannot be had.",
    )(function)


def parse_defines(defines: tuple[str, ...]) -> dict[str, str]:
    """The -D options by name."""
    found: dict[str, str] = {}
    for define in defines:
        name, equals, value = define.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{define!r} is not NAME=VALUE", param_hint="-D")
        if name in found:
            raise click.BadParameter(f"{name} is set twice", param_hint="-D")
        found[name] = value
    return found


def read_spec(spec: str, defines: tuple[str, ...], memory: float | None) -> tuple[Net, Report]:
    """The net of a spec file, or of standard input for `-`, with its warnings; SpecError where there are errors."""
    source, folder = spec_source(spec)
    if memory is not None and not math.isfinite(memory):
        raise click.BadParameter(f"{memory} is not a number of GiB", param_hint="--memory")
    budget = MEMORY_BUDGET if memory is None else int(memory * 2**30)
    net, report = check(source, parse_defines(defines), folder, budget)
    report.raise_errors()
    assert net is not None
    return net, report


def spec_source(spec: str) -> tuple[Source, str | None]:
    """The text of a spec, and the folder to which its files are relative."""
    if spec == "-":
        return Source("<stdin>", decoded(sys.stdin.buffer.read(), "standard input")), None
    return Source(spec, read_text(Path(spec))), str(Path(spec).parent)
