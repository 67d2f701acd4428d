"""`netc train`: compile, train, export, and run the exported model on the rows held out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ..dsl import Net
from ..dsl.diagnostics import as_json, refuse
from . import show
from .check import summary
from .options import json_option, provider_option, read_spec, spec_options

if TYPE_CHECKING:
    from ..runtime import Examples, Metadata, Result, Trainer


@click.command("train")
@spec_options
@click.option("--data", "sources", multiple=True, metavar="[NAME=]FILE", help="The data, in place of the spec's.")
@click.option("--engine", type=click.Choice(["numpy", "onnx"]), default="numpy", show_default=True)
@provider_option
@click.option("--weights", type=click.Path(path_type=Path), help="An .npz of weights to start from.")
@click.option("-o", "folder", type=click.Path(path_type=Path), help="The folder of the run [runs/NAME].")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--force", is_flag=True, help="Overwrite another run's results.")
@json_option
def command(
    spec: str,
    defines: tuple[str, ...],
    memory: float | None,
    sources: tuple[str, ...],
    engine: str,
    provider: Any,
    threads: int | None,
    weights: Path | None,
    folder: Path | None,
    resume: bool,
    force: bool,
    as_object: bool,
) -> None:
    """Train a spec on its data; write the trained artifacts and run the exported model."""
    from ..codegen import to_numpy
    from ..runtime import load_weights, prepare_folder, read, train
    from .artifacts import file_names, refuse_edited, trainer
    from .progress import Bar, watcher

    net, report = read_spec(spec, defines, memory)
    _refuse_untrainable(net, engine)
    folder = folder or Path("runs") / net.name
    text = to_numpy(net)
    metadata = _metadata(net)
    own = trainer(net, text)
    examples = read(metadata, sources, None if spec == "-" else Path(spec).parent)
    if not force:
        refuse_edited(folder, file_names(net))
    first = own.init(own.seed)
    started = load_weights(weights, first) if weights else None
    chosen = _engine(net, own, engine, provider, threads)
    if provider == "cuda":
        _open(net, first, provider, threads)
    # What an earlier run left goes only when nothing is in the way of this one.
    prepare_folder(folder, net.name, resume=resume, force=force)
    if not as_object:
        show.diagnostics(report.ordered())
        click.echo("\n".join([*summary(net), "", *examples.notes]))
    observer = watcher(as_object)
    try:
        result = train(
            own, metadata, examples, engine=chosen, folder=folder, resume=resume, weights=started, observer=observer
        )
    finally:
        if isinstance(observer, Bar):
            observer.stop()
    finished = _finish(net, own, text, metadata, examples, result, folder, provider, threads)
    if as_object:
        show.report({"ok": True, **finished, "diagnostics": [as_json(d) for d in report.ordered()]})
    else:
        click.echo("\n".join(_said(finished)))


def _refuse_untrainable(net: Net, engine: str) -> None:
    if "update" not in net.programs:
        help = "add numpy or step to its targets, and a loss and an updater"
        raise refuse("not-trainable", f"{net.name} is exported alone: targets {' '.join(net.wanted)}", help)
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
) -> dict[str, Any]:
    """Export the trained weights, prove the artifacts, write them, and run the model on the rows held out."""
    from ..codegen import serialized
    from ..runtime import Session
    from .artifacts import compile_net, write
    from .proof import prove

    made = compile_net(net, result.weights, True, 21, text)
    proof = prove(net, text, made.model, made.step, result.weights, True)
    if not proof.ok:
        wrong = "; ".join(f"{name}: {why}" for name, why in proof.differing[:3])
        raise RuntimeError(f"the trained artifacts differ from each other, and are not written: {wrong}")
    files = made.files()
    write(folder, files, force=True)
    session = Session(serialized(made.model), provider, threads)
    served = _served(net, own, metadata, examples, result, session)
    last = dict(result.history[-1].validation) if result.history else {}
    own_report = served.pop("own", None)
    if served and own_report and not _agree(served["metrics"], own_report):
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
        "provider": session.provider,
        "provider_reason": session.provider_reason,
        "proof": proof.to_json(),
        "artifacts": {name: str(folder / name) for name in (*files, "history.csv")},
    }


def _agree(served: dict[str, float], own: dict[str, float]) -> bool:
    """Whether two reports are those of one model up to rounding."""
    return all(abs(served[name] - own[name]) <= 1e-4 * max(1.0, abs(own[name])) for name in own)


def _served(
    net: Net, own: Trainer, metadata: Metadata, examples: Examples, result: Result, session: Any
) -> dict[str, Any]:
    """The exported model's metrics on the rows held out, or on all rows, beside the trainer's."""
    import numpy as np

    if own.evaluate is None or own.metrics is None or "compared" in net.programs or "inference" not in net.wanted:
        return {}
    inputs, targets = examples.pick(metadata.inputs), examples.pick(metadata.targets)
    rows = own.split(examples.count)[1] if own.split else np.arange(examples.count)
    held, wanted = [x[rows] for x in inputs], [y[rows] for y in targets]
    outputs = session.run(**{f.name: x for f, x in zip(metadata.inputs, held, strict=True)})
    metrics = own.metrics(*(outputs[o.name] for o in net.outputs), *wanted)
    report = own.evaluate(result.weights, tuple(held), tuple(wanted))
    # What l1 and l2 add is the weights', not the predictions'.
    metrics["loss"] += report["loss"] - own.metrics(*_tuple(own.predict(result.weights, *held)), *wanted)["loss"]
    return {"rows": len(rows), "metrics": metrics, "own": report}


def _tuple(value: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)


def _said(finished: dict[str, Any]) -> list[str]:
    lines = [""]
    if finished["best_epoch"]:
        lines.append(f"the weights are those of epoch {finished['best_epoch']}, the best of {finished['epochs']}")
    served = finished["served"]
    if served:
        said = ", ".join(f"{name} {value:.4f}" for name, value in served["metrics"].items())
        lines.append(
            f"{finished['name']}.onnx on ONNX Runtime ({finished['provider']}), {served['rows']:,} rows: {said}"
        )
        lines.append("the same as the trainer's own")
    proof = finished["proof"]
    lines.append(proof["summary"])
    lines += [f"not proven: {each['name']}: {each['reason']}" for each in proof["unproven"]]
    lines += textwrap.wrap(f"the model ran on {finished['provider']}: {finished['provider_reason']}", 79)
    return [*lines, "", *finished["artifacts"].values()]
