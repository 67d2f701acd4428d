"""`netc check`: types, shapes, parameters, work and memory of a spec, without running it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator
from typing import Any

import click

from ..dsl.assemble import ALL_ROWS
from ..dsl.diagnostics import as_json
from ..dsl.net import Field, Net
from . import show
from .options import json_option, read_spec, spec_options


@click.command("check")
@spec_options
@json_option
def command(spec: str, defines: tuple[str, ...], memory: float | None, as_object: bool) -> None:
    """Check a spec and show its types, shapes, parameters, work and memory."""
    with _kept():
        net, report = read_spec(spec, defines, memory)
        if as_object:
            show.report({"ok": True, **describe(net), "diagnostics": [as_json(d) for d in report.ordered()]})
            return
        show.diagnostics(report.ordered())
        click.echo("\n".join(summary(net)))


@contextlib.contextmanager
def _kept() -> Generator[None]:
    """What a check makes lives until its end, so that looking for what can be freed takes a fifth of it for nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def summary(net: Net) -> list[str]:
    """The net as lines of text."""
    from ..codegen.memory import memory

    work = sum(layer.flops for layer in net.layers)
    lines = [f"{net.name}: {', '.join(map(_declared, net.inputs))} -> {', '.join(o.name for o in net.outputs)}"]
    lines += ["", *layer_table(net), ""]
    lines.append(
        f"{net.parameters:,} parameters, {show.amount(work, 'FLOP')} {'a step' if net.steps else 'an example'}"
    )
    size = f"at batch {net.train['batch']}" if net.train["batch"] else f"on {ALL_ROWS:,} rows at once"
    if net.steps:
        steps = net.train["window"]
        size += f" of {steps} steps" if steps else ", one step an example,"
    taken = [f"{show.size(need)} with {engine}" for engine, need in memory(net).items()]
    lines.append(f"training {size} takes about {', '.join(taken)}")
    return lines


def layer_table(net: Net) -> list[str]:
    """The layers with what they give, their parameters and their work."""
    rows = [("layer", "gives", "parameters", "FLOP")]
    width = max([3, *(len(layer.section.mark) for layer in net.layers)])
    for layer in net.layers:
        shape = f"[{', '.join(map(str, layer.type.shape[1:]))}]"
        text = f"{layer.section.mark:<{width}} {layer.section.title}"
        rows.append((text, shape, f"{layer.parameters:,}", f"{layer.flops:,}"))
    return show.table(rows, right="  rr")


def _declared(field: Field) -> str:
    if field.counts:
        return f"{field.name} ({field.text})"
    of = f"({field.classes})" if field.classes else ""
    shape = f"[{', '.join(map(str, field.shape))}]" if field.shape not in ((), (1,)) else ""
    return f"{field.name} {field.kind}{of}{shape}"


def describe(net: Net) -> dict[str, Any]:
    """The net as JSON."""
    from ..codegen.memory import memory

    return {
        "name": net.name,
        "inputs": [_declared(f) for f in net.inputs],
        "targets": [_declared(f) for f in net.targets],
        "outputs": [
            {"name": o.name, "shape": list(o.type.shape[1:]), "domain": str(o.type.domain)} for o in net.outputs
        ],
        "layers": [
            {
                "within": "_".join(layer.section.path),
                "number": layer.section.number,
                "text": layer.section.title,
                "shape": list(layer.type.shape[1:]),
                "parameters": layer.parameters,
                "flops": layer.flops,
            }
            for layer in net.layers
        ],
        "parameters": net.parameters,
        "flops": sum(layer.flops for layer in net.layers),
        "memory": memory(net),
    }
