"""`netc plot`: how the settings that a spec schedules go with time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..dsl import Source, check
from ..dsl.courses import Course
from ..dsl.diagnostics import refuse
from ..dsl.net import Net
from . import show
from .charts import Curve, svg, text_chart
from .options import json_option, read_spec, spec_options

# Points of a curve.
POINTS = 2001


@click.command("plot")
@spec_options
@click.option("-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG file instead.")
@click.option("--epochs", type=click.IntRange(min=1), help="For how long, where not as long as the spec trains.")
@click.option("--steps-per-epoch", "steps", type=click.IntRange(min=1), default=100, show_default=True)
@json_option
def command(
    spec: str,
    defines: tuple[str, ...],
    memory: float | None,
    out: Path | None,
    epochs: int | None,
    steps: int,
    as_object: bool,
) -> None:
    """Draw the schedules of SPEC, or of a schedule itself: netc plot "cosine(0.1, epochs=20)".

    What counts steps is drawn over as many as --steps-per-epoch gives, which only the data decide; what watches the
    loss is drawn for one that never improves.
    """
    net = _of_schedule(spec, epochs) if "(" in spec else read_spec(spec, defines, memory)[0]
    curves = [_curve(course, float(epochs or net.train["epochs"]), steps) for course in net.courses]
    if not curves:
        help = "a schedule stands in the place of a number, as in: updater sgd lr=cosine(0.1, epochs=20)"
        raise refuse("nothing-to-plot", f"{net.name} has no schedule", help)
    if out is not None:
        out.write_text(svg(curves), encoding="utf-8")
    if as_object:
        show.report({"ok": True, "schedules": [_plain(*each) for each in zip(net.courses, curves, strict=True)]})
    elif out is not None:
        click.echo(f"wrote {out}")
    else:
        click.echo("\n\n".join("\n".join(text_chart(curve, _width())) for curve in curves))


def _of_schedule(text: str, epochs: int | None) -> Net:
    """A net that does nothing but have a rate of this schedule."""
    lines = ["net plot", "input x: f32", "target y: f32", "dense 1", "loss mse", f"train epochs={epochs or 20}"]
    net, report = check(Source("<schedule>", "\n".join([*lines, f"updater sgd lr={text}", ""])))
    report.raise_errors()
    assert net is not None
    return net


def _curve(course: Course, epochs: float, steps: int) -> Curve:
    """The setting at many moments."""
    by_step = course.per == "step"
    times = np.linspace(1 if by_step else 0, epochs * steps if by_step else epochs, POINTS)
    # What comes with the end of the last epoch is not trained with.
    values = course.at(times.round(), np.minimum(times, np.nextafter(times[-1], 0)))
    title = f"{course.name} = {course.text}" + (", if the loss never improves" if course.plateau else "")
    return Curve(title, "steps" if by_step else "epochs", tuple(map(float, times)), tuple(map(float, values)))


def _plain(course: Course, curve: Curve) -> dict[str, Any]:
    found = {"name": course.name, "text": course.text, "per": course.per}
    found |= {"loss": "never improves"} if course.plateau else {}
    return {**found, "times": curve.times, "values": curve.values}


def _width() -> int:
    """The columns of the terminal, at most 100; 80 where there is none."""
    return min(shutil.get_terminal_size().columns, 100)
