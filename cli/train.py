"""`netc train`: compile, train, export, and run the exported model on the rows held out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ..dsl import Net
from ..dsl.diagnostics import as_json, refuse
from ..dsl.series import labelled
from . import scores, show
from .check import summary
from .options import fold_option, json_option, provider_option, read_spec, refuse_fold, resize_option, spec_options

if TYPE_CHECKING:
    from ..runtime import Examples, Metadata, Result, Trainer


@click.command("train")
@spec_options
@click.option("--data", "sources", multiple=True, metavar="[NAME=]FILE", help="The data, in place of the spec's.")
@resize_option
@click.option("--engine", type=click.Choice(["numpy", "onnx"]), default="numpy", show_default=True)
@provider_option
@click.option("--weights", type=click.Path(path_type=Path), help="An .npz of weights to start from.")
@click.option("-o", "folder", type=click.Path(path_type=Path), help="The folder of the run [runs/NAME].")
@fold_option
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--force", is_flag=True, help="Overwrite another run's results.")
@json_option
def command(
    spec: str,
    defines: tuple[str, ...],
    memory: float | None,
    sources: tuple[str, ...],
    resize: bool,
    engine: str,
    provider: Any,
    threads: int | None,
    weights: Path | None,
    folder: Path | None,
    fold: bool,
    resume: bool,
    force: bool,
    as_object: bool,
) -> None:
    """Train a spec on its data; write the trained artifacts and run the exported model."""
    from ..codegen import to_numpy
    from ..runtime import claimed, prepare_folder, read, train
    from .alphabets import said, with_alphabet
    from .artifacts import file_names, given_weights, refuse_edited, trainer
    from .progress import Bar, watcher

    net, report = read_spec(spec, defines, memory)
    _refuse_untrainable(net, engine)
    if fold:
        refuse_fold(net)
    folder = folder or Path("runs") / net.name
    text = to_numpy(net)
    known, beside = with_alphabet(net, weights) if weights else (net, None)
    metadata = _metadata(known)
    own = trainer(net, text)
    examples = read(metadata, sources, None if spec == "-" else Path(spec).parent, resize=resize)
    if not force:
        refuse_edited(folder, file_names(net))
    first = own.init(own.seed)
    started = given_weights(net, weights, first) if weights else None
    chosen = _engine(net, own, engine, provider, threads)
    if provider == "cuda":
        _open(net, first, provider, threads)
    click.get_current_context().with_resource(claimed(folder))
    # What an earlier run left goes only when nothing is in the way of this one.
    prepare_folder(folder, net.name, resume=resume, force=force)
    if not as_object:
        show.diagnostics(report.ordered())
        alphabet = [said(net, beside)] if beside else []
        click.echo("\n".join([*summary(net), "", *examples.notes, *alphabet]))
    observer = watcher(as_object)
    try:
        result = train(
            own, metadata, examples, engine=chosen, folder=folder, resume=resume, weights=started, observer=observer
        )
    finally:
        if isinstance(observer, Bar):
            observer.stop()
    finished = _finish(
        labelled(net, examples.labels), own, text, metadata, examples, result, folder, provider, threads, fold
    )
    if as_object:
        del finished["tables"]
        show.report({"ok": True, **finished, "diagnostics": [as_json(d) for d in report.ordered()]})
    else:
        click.echo("\n".join(_said(finished)))


def _refuse_untrainable(net: Net, engine: str) -> None:
    if not net.trains:
        help = "add numpy or step to its targets, and a loss and an updater"
        raise refuse("not-trainable", f"{net.name} is exported alone: targets {' '.join(net.wanted)}", help)
    if net.solver and engine == "onnx":
        message = f"{net.solver.name} has no step graph, which the onnx engine needs"
        raise refuse("not-trainable", message, "train with --engine numpy, or choose another updater")
    wanted = {"numpy": "numpy", "onnx": "step"}[engine]
    if wanted not in net.wanted:
        raise refuse("not-trainable", f"the {engine} engine needs the target {wanted}", f"add {wanted} to targets")


def _metadata(net: Net) -> Metadata:
    import json

    from ..codegen.onnx_file import metadata
    from ..runtime import Metadata

    return Metadata.from_json(json.dumps(metadata(net, [], False)))


def _engine(net: Net, own: Trainer, engine: str, provider: Any, threads: int | None) -> Any:
    from ..codegen import serialized, to_step
    from ..runtime import NumpyEngine, OnnxEngine

    return NumpyEngine(own) if engine == "numpy" else OnnxEngine(serialized(to_step(net)), provider, threads)


def _open(net: Net, weights: Mapping[str, Any], provider: Any, threads: int | None) -> None:
    """Refuse a provider that the exported model will not get, before hours of training."""
    from ..codegen import serialized, to_onnx
    from ..runtime import Session

    Session(serialized(to_onnx(net, weights)), provider, threads)


def _finish(
    net: Net,
    own: Trainer,
    text: str,
    metadata: Metadata,
    examples: Examples,
    result: Result,
    folder: Path,
    provider: Any,
    threads: int | None,
    fold: bool,
) -> dict[str, Any]:
    """Export the trained weights, prove the artifacts, write them, and run the model on the rows held out."""
    from ..codegen import serialized
    from ..runtime import Session
    from .artifacts import compile_net, write
    from .proof import prove

    made = compile_net(net, result.weights, True, 21, text, fold)
    proof = prove(net, text, made.model, made.step, result.weights, True, made.folded)
    if not proof.ok:
        raise proof.refusal()
    files = made.files()
    write(folder, files, force=True)
    session = Session(serialized(made.model), provider, threads)
    served = _served(net, own, metadata, examples, result, session)
    last = dict(result.history[-1].validation) if result.history else {}
    own_report = served.pop("own", None)
    if served and not served.pop("same") and not scores.agree(served["metrics"], own_report):
        raise refuse("artifact-differs", f"the exported model scores {served['metrics']}, the trainer {own_report}")
    return {
        "name": net.name,
        "steps": result.steps,
        "epochs": len(result.history),
        "stopped_early": result.stopped_early,
        "best_epoch": result.best_epoch,
        "last": last,
        "validation": own_report or {},
        "served": served,
        "thresholds": scores.thresholds(session.outputs),
        "tables": scores.tables(net, own_report or {}),
        "folded": list(made.folded.notes) if made.folded else [],
        "provider": session.provider,
        "provider_reason": session.provider_reason,
        "proof": proof.to_json(),
        "artifacts": {name: str(folder / name) for name in (*files, "history.csv")},
    }


def _served(
    net: Net, own: Trainer, metadata: Metadata, examples: Examples, result: Result, session: Any
) -> dict[str, Any]:
    """The exported model's metrics on the rows held out, or on all rows, beside the trainer's `own`.

    `same` says whether the predictions are the same up to rounding. Where losses and metrics look at more than the
    outputs, there are only the trainer's.
    """
    import numpy as np

    from ..runtime.module import time_of
    from ..runtime.watching import Watch

    if own.evaluate is None:
        return {}
    inputs, targets = examples.pick(metadata.inputs), examples.pick(metadata.targets)
    rows = own.split(examples.count)[1] if own.split else np.arange(examples.count)
    held, wanted = [x[rows] for x in inputs], [y[rows] for y in targets]
    epoch = result.best_epoch or len(result.history)
    drops = Watch(own, result.history[: epoch - 1]).drops
    clock = time_of(own.evaluate, result.steps // len(result.history) * epoch, epoch, drops)
    report = own.evaluate(result.weights, tuple(held), tuple(wanted), **clock)
    if own.metrics is None or "compared" in net.programs or "inference" not in net.wanted:
        return {"own": report}
    given = _given(net, own, dict(zip((f.name for f in metadata.inputs), held, strict=True)), len(rows))
    outputs = session.run(**given)
    tuned = {i.name: result.weights[i.name] for i in net.programs["metrics"].of("state")}
    metrics = own.metrics(*(outputs[o.name] for o in net.outputs), *wanted, **tuned)
    # What l1 and l2 add is the weights', not the predictions'.
    predicted = _tuple(own.predict(result.weights, *given.values()))
    plain = own.metrics(*predicted, *wanted, **tuned)
    metrics |= {each.name: metrics[each.name] + report[each.name] - plain[each.name] for each in own.losses}
    # A loss may magnify what rounding does to predictions, such as log(1 - p) near 1, and a decision flip at a tie.
    own_outputs = {o.name: values for o, values in zip(net.outputs, predicted, strict=True)}
    same = scores.agree({name: outputs[name] for name in own_outputs}, own_outputs)
    return {"rows": len(rows), "metrics": metrics, "own": report, "same": same}


def _given(net: Net, own: Trainer, inputs: dict[str, Any], count: int) -> dict[str, Any]:
    """What the model is asked with: the inputs that it needs, and the noise on which the trainer judges it."""
    noises = [f.name for f in net.given if f.role == "noise"]
    drawn = own.noise(count) if own.noise else []
    every = inputs | dict(zip(noises, drawn, strict=True))
    return {f.name: every[f.name] for f in net.given}


def _tuple(value: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)


def _said(finished: dict[str, Any]) -> list[str]:
    lines = [""]
    if finished["best_epoch"]:
        lines.append(f"the weights are those of epoch {finished['best_epoch']}, the best of {finished['epochs']}")
    served = finished["served"]
    if served:
        said = scores.numbers(served["metrics"])
        lines.append(
            f"{finished['name']}.onnx on ONNX Runtime ({finished['provider']}), {served['rows']:,} rows: {said}"
        )
        lines.append("the same as the trainer's own")
    elif finished["validation"]:
        lines.append(f"{finished['name']}.npz by its trainer: {scores.numbers(finished['validation'])}")
    lines += [*finished["tables"], ""] if finished["tables"] else []
    lines += finished["thresholds"]
    lines += [line for note in finished["folded"] for line in textwrap.wrap(f"note: {note}", 80)]
    proof = finished["proof"]
    lines.append(proof["summary"])
    lines += [f"NOT FINITE: {each['name']}: {each['reason']}" for each in proof["not_finite"]]
    lines += [f"not proven: {each['name']}: {each['reason']}" for each in proof["unproven"]]
    lines += textwrap.wrap(f"the model ran on {finished['provider']}: {finished['provider_reason']}", 79)
    return [*lines, "", *finished["artifacts"].values()]
