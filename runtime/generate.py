"""Going on with a text or a series: what a model predicts is fed back to it, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from .data import read_steps
from .errors import Fault, listed, plural
from .fields import Array
from .metadata import DataSource, Field, Output
from .session import Session
from .text_file import encoded


def write_on(session: Session, prompt: str, length: int, temperature: float, seed: int) -> str:
    """A text with `length` characters more, each drawn from what a character model gives for the next one.

    Chances are p^(1/temperature), made to sum to 1; at temperature 0 the most probable character is taken. The same
    seed gives the same text. Raises Fault: `model-kind`, `data-label` for a character that the model does not know …
    """
    field = _source(session, "a text")
    output = _speaker(session, field)
    alphabet = field.labels or ()
    ids = encoded(prompt, field, "the text")[0] if prompt else np.empty(0, np.int64)
    _check_begun(field, len(ids), "character")
    rng = np.random.Generator(np.random.Philox(seed))
    for _ in range(length):
        chances = _next(session, field, output, ids, len(alphabet))
        ids = np.append(ids, _chosen(chances, temperature, rng.random()))
    return "".join(alphabet[i] for i in ids)


def forecast(session: Session, sources: Sequence[str], count: int) -> tuple[Output, list[Array]]:
    """What is predicted, and of each sequence in the data its next `count` steps, each an array (count, width).

    A step that lies `horizon` ahead is predicted from the steps up to there, be they known or predicted themselves.
    Raises Fault: `model-kind`, `data-series`, and what reading data raises.
    """
    field = _source(session, "a series")
    ahead, output = _foreseen(session, field)
    read = read_steps(session.metadata, sources)
    if read is None:
        message = "a forecast goes on from a series, and these are examples that are cut already"
        raise Fault("data-series", message, listed(sources), "give the steps in order: a CSV file, or an array (L, …)")
    known = read.arrays[field.name].reshape(len(read.arrays[field.name]), -1)
    return output, [_forecast(session, field, output, known[rows], ahead, count) for rows in read.sequences]


def _forecast(session: Session, field: Field, output: Output, known: Array, ahead: int, count: int) -> Array:
    first, width = len(known), known.shape[1]
    _check_begun(field, first - ahead + 1, "step")
    for at in range(first, first + count):
        value = _next(session, field, output, known[: at - ahead + 1], width)
        known = np.concatenate([known, value[None].astype(known.dtype)])
    return known[first:]


# What a model is asked ------------------------------------------------------------------------------------------------


def _next(session: Session, field: Field, output: Output, steps: Array, width: int) -> Array:
    """What the model says of the step behind some steps.

    It sees as many as one of its windows has, or all, if its windows went on from one another when it was trained.
    """
    size = _size(field) or (None if session.metadata.streams else session.metadata.window)
    seen = steps[-size:] if size else steps
    lengths = {f.name: [len(seen)] for f in session.inputs if f.counts}
    given = seen.reshape(1, len(seen), *(d for d in field.shape[1:] if isinstance(d, int)))
    found: Array = session.run(**{field.name: given}, **lengths)[output.name]
    return found.reshape(-1, width)[-1].astype(np.float64)


def _chosen(chances: Array, temperature: float, draw: float) -> int:
    """The character that a number in [0, 1) draws."""
    if temperature == 0:
        return int(np.argmax(chances))
    with np.errstate(divide="ignore", over="ignore"):
        scores: Array = np.log(chances)
        shares: Array = np.cumsum(np.exp((scores - scores.max()) / temperature))
    return int(np.sum(shares[:-1] <= draw * shares[-1]))


def _size(field: Field) -> int | None:
    """The number of steps that the field always has, if there is one."""
    return field.shape[0] if field.shape and isinstance(field.shape[0], int) else None


def _check_begun(field: Field, count: int, what: str) -> None:
    least = dict(field.shortest).get(str(field.shape[0]), 1)
    need = _size(field) or least
    if count < need:
        message = f"{field.name} is {field.text}, so there is nothing to begin with before {plural(need, what)}"
        message = f"the windows of the net need {plural(need, what)}" if need == least > 1 else message
        raise Fault("data-series", f"{message}, and there {'is' if count == 1 else 'are'} {max(count, 0)}", None)


# Which models can do so -----------------------------------------------------------------------------------------------


def _source(session: Session, what: str) -> Field:
    """The only input, beside lengths."""
    inputs = [f for f in (*session.inputs, *session.noises) if not f.counts]
    if len(inputs) != 1 or not inputs[0].shape or len(inputs[0].steps) > 1:
        takes = listed(f"{f.name}: {f.text}" for f in inputs)
        _refuse(session, f"{what} is one input with steps, and the model takes {takes}")
    return inputs[0]


def _speaker(session: Session, field: Field) -> Output:
    """The output that gives the probabilities of the next character."""
    if field.kind != "token" or len(field.shape) != 1:
        _refuse(session, f"{field.name} is {field.text}, and a text is token(65)[T]")
    if field.labels is None:
        help = 'netc train writes the alphabet of a text into the model; or the spec names it: token("a", "b")[T]'
        _refuse(session, f"nothing says which characters the ids of {field.name} are", help)
    if any(len(label) != 1 for label in field.labels):
        _refuse(session, f"the labels of {field.name} are not single characters")
    outputs = [o for o in session.outputs if o.kind == "class" and o.labels == field.labels]
    if len(outputs) != 1:
        _refuse(session, f"a text goes on by one output of the labels of {field.name}, and there are {len(outputs)}")
    return outputs[0]


def _foreseen(session: Session, field: Field) -> tuple[int, Output]:
    """How far ahead of the input the prediction lies that is a step of it, and the output."""
    if field.rule.ids:
        _refuse(
            session, f"{field.name} is {field.text}, and a series is of numbers", "a text is gone on with by --text"
        )
    data = session.metadata.data or DataSource(None)
    outputs = [o for o in session.outputs if o.role == "prediction"]
    for target in session.metadata.targets:
        how = data.bind.get(target.name, {})
        same = bool(data.horizon and how) and how == data.bind.get(field.name)
        if (same or how.get("shift") == field.name) and len(outputs) == 1:
            return data.horizon or 1, outputs[0]
    help = f"a spec says so by its data: target=shift({field.name}), or the input's column and horizon=1"
    _refuse(session, f"no single prediction of the model is a later step of {field.name}, {field.text}", help)


def _refuse(session: Session, message: str, help: str | None = None) -> NoReturn:
    raise Fault("model-kind", message, session.source, help)
