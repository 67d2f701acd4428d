"""`netc build`: the artifacts of a spec, each executed and compared before it is said to be built."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import click

from ..dsl import Net
from ..dsl.diagnostics import as_json
from . import show
from .exits import BUG, FAULT
from .options import fold_option, json_option, read_spec, refuse_fold, spec_options

OPSETS = (18, 23)


@click.command("build")
@spec_options
@click.option("-o", "folder", type=click.Path(path_type=Path), help="The folder for the artifacts [build/NAME].")
@click.option("--weights", type=click.Path(path_type=Path), help="An .npz of weights to export.")
@click.option("--opset", type=click.IntRange(*OPSETS), default=21, show_default=True, help="The ONNX opset.")
@fold_option
@click.option("--force", is_flag=True, help="Overwrite files that were edited.")
@json_option
def command(
    spec: str,
    defines: tuple[str, ...],
    memory: float | None,
    folder: Path | None,
    weights: Path | None,
    opset: int,
    fold: bool,
    force: bool,
    as_object: bool,
) -> None:
    """Build the artifacts of a spec, execute them and prove them equal."""
    from .alphabets import with_alphabet
    from .artifacts import compile_net, file_names, given_weights, refuse_edited, trainer, write
    from .proof import prove
    from .show_proof import render

    net, report = read_spec(spec, defines, memory)
    if fold:
        refuse_fold(net)
    folder = folder or Path("build") / net.name
    if not as_object:
        show.diagnostics(report.ordered())
    from ..codegen import to_numpy
    from ..runtime import Fault

    text = to_numpy(net)
    first = trainer(net, text).init(net.train["seed"])
    given = given_weights(net, weights, first) if weights else first
    if not force:
        _refuse_run(folder, net.name)
        refuse_edited(folder, file_names(net))
    net, beside = with_alphabet(net, weights) if weights else (net, None)
    made = compile_net(net, given, weights is not None, opset, text, fold)
    proof = prove(net, text, made.model, made.step, given, weights is not None, made.folded)
    files = made.files()
    if proof.ok:
        write(folder, files, force)
    if as_object:
        result = _result(net, folder, files) if proof.ok else {}
        result |= {"alphabet": str(beside)} if proof.ok and beside else {}
        diagnostics = [as_json(d) for d in report.ordered()]
        show.report({"ok": proof.ok, **result, "proof": proof.to_json(), "diagnostics": diagnostics})
        if not proof.ok:
            raise click.exceptions.Exit(FAULT if isinstance(proof.refusal(), Fault) else BUG)
    else:
        click.echo("\n".join(render(proof)))
        if not proof.ok:
            raise proof.refusal()
        click.echo("\n".join(_said(net, folder, files, weights is not None, beside)))


def _refuse_run(folder: Path, name: str) -> None:
    """Fault where the folder holds what `netc train` wrote: its weights would be overwritten with untrained ones."""
    from ..runtime import Fault
    from ..runtime.checkpoint import path_of

    if path_of(folder, name).exists():
        help = "build into another folder with -o, or overwrite its artifacts with --force"
        raise Fault("run-exists", f"it holds the results of training {name}", str(folder), help)


def _result(net: Net, folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    return {"name": net.name, "artifacts": {name: str(folder / name) for name in files}}


def _said(net: Net, folder: Path, files: dict[str, bytes], trained: bool, beside: Path | None) -> list[str]:
    from .alphabets import said

    lines = [""] + [f"{folder / name}  {show.size(len(content))}" for name, content in files.items()]
    if not trained:
        cure = "netc train, or build with --weights" if net.trains else "build with --weights"
        untrained = "the weights are untrained"
        waiting = [name for name, state in net.states.items() if state.of_data]
        if waiting:
            untrained += f", and {', '.join(waiting)} wait for data"
        lines += ["", *textwrap.wrap(f"{untrained}: {cure}", 80)]
    elif alphabet := said(net, beside):
        lines += ["", *textwrap.wrap(alphabet, 80)]
    return lines
