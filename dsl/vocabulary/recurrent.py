"""Recurrent layers, and words for the order of steps."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Annotated

from .. import ops
from ..context import net, weight
from ..ir import Tensor
from ..types import show_shape
from ..words import Fresh, Init, Initializer, Inner, Kind, NamedValue, Positive, Real, WordError, layer
from .axes import placed, with_steps_that_count
from .fan_initializers import XAVIER
from .initializers import ZEROS, orthogonal

ORTHOGONAL = Init("orthogonal", orthogonal)


def need_steps(x: Tensor, word: str) -> None:
    """Raise unless an example is steps of features."""
    if len(x.shape) != 3 or x.value.channels:
        raise WordError(
            "shape-mismatch",
            f"{word} needs steps of features, but {net().previous} gives {show_shape(x.shape)}",
            _as_steps(x, word),
        )


def _as_steps(x: Tensor, word: str) -> str:
    """How a value becomes steps of features."""
    if len(x.shape) > 3 and x.axis != 1:
        return f"as in: time_distributed {word} 8, which goes over the steps that stand last, those of each before"
    if len(x.shape) < 3 or x.axis != 1:
        return "declare the input as steps, then features, such as f32[T, 8]; ids go through embedding or onehot first"
    sizes = [d for d in x.shape[2:] if isinstance(d, int)]
    rows = f" -> reshape [{prod(sizes)}, {x.features}]" if len(sizes) > 1 else ""
    return f"put permute {[*range(1, len(x.shape) - 1), 0]}{rows} before {word}: the channels stand first"


def _first(x: Tensor, name: str, given: Tensor | None, units: int) -> Tensor:
    """The state before the first step: a named value, what the last window left, or zeros."""
    if given is None:
        carried = net().carried(name, x, units)
        return ops.nothing(x, units=units).named(f"{name}0") if carried is None else carried
    if given.shape != (x.shape[0], units):
        message = f"the first state is {show_shape(given.shape)}, and the layer has {units} units"
        raise WordError("shape-mismatch", message, f"give it a value of shape [{units}]")
    return given


def _left(name: str, given: Tensor | None, states: Tensor) -> None:
    """Carry on what the last step leaves, where the layer begins with what an earlier one left."""
    if given is None:
        net().leave(name, states)


def _counted(h: Tensor) -> Tensor:
    """The states, zero behind the end of each sequence."""
    keep = net().mask(h)
    return placed(h if keep is None else ops.mask(h, ops.expand_dims(keep, axis=2)), False)


def _matrices(x: Tensor, units: int, gates: int, init: Init, inner: Init, bias: Init) -> list[Tensor]:
    """The weights of the inputs, of the state, and the biases."""
    return [
        weight("W", (x.features, gates * units), init, (x.features, units)),
        weight("U", (units, gates * units), inner, (units, units)),
        weight("b", (gates * units,), bias),
    ]


@layer("rnn", example="rnn 8", recurrent=True)
def rnn(
    x: Tensor,
    units: Positive,
    init: Initializer = XAVIER,
    recurrent_init: Initializer = ORTHOGONAL,
    bias_init: Initializer = ZEROS,
    h: NamedValue = None,
) -> Tensor:
    """A state that each step moves: the plain recurrent layer; gives the states of all steps.

    `h=` names the value that is the state before the first step, which is 0 unless told.

    Formula: h_t = tanh(x_t @ W + h_{t-1} @ U + b), with W (in, units), U (units, units) and b (units)
    Source: Elman 1990, Finding Structure in Time.
    Deeplearning4j: SimpleRnn.
    Keras: SimpleRNN(return_sequences=True).
    PyTorch: RNN, which has a second bias and whose first weights are uniform to 1/sqrt(units).
    """
    need_steps(x, "rnn")
    first = _first(x, "h", h, units)
    states = ops.rnn(x, *_matrices(x, units, 1, init, recurrent_init, bias_init), first).named("states")
    _left("h", h, states)
    return _counted(states)


@layer("gru", example="gru 8", recurrent=True)
def gru(
    x: Tensor,
    units: Positive,
    init: Initializer = XAVIER,
    recurrent_init: Initializer = ORTHOGONAL,
    bias_init: Initializer = ZEROS,
    h: NamedValue = None,
) -> Tensor:
    """A state whose steps two gates weigh; gives the states of all steps.

    `h=` names the value that is the state before the first step, which is 0 unless told.

    Formula: r, z = sigmoid(x_t @ W + h_{t-1} @ U + b); n = tanh(x_t @ W + r * (h_{t-1} @ U + c) + b);
        h_t = (1 - z) * n + z * h_{t-1}, with W (in, 3 * units), U (units, 3 * units) and b (3 * units) in the order
        r z n, and c (units)
    Source: Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder.
    Deeplearning4j: has none.
    Keras: GRU(return_sequences=True), whose gates stand in the order z r n.
    PyTorch: GRU, whose gates r and z have a second bias.
    """
    need_steps(x, "gru")
    first = _first(x, "h", h, units)
    matrices = _matrices(x, units, 3, init, recurrent_init, bias_init)
    states, gates, inner = ops.gru(x, *matrices, weight("c", (units,), bias_init), first)
    for value, name in ((states, "states"), (gates, "gates"), (inner, "inner")):
        value.named(name)
    _left("h", h, states)
    return _counted(states)


def _forgetting(bias: Init, forget: float) -> Init:
    """First biases of four gates, of which those that forget have another number on top."""

    def make(w: Fresh) -> Tensor:
        assert isinstance(w.shape[0], int)
        forgetting = w.builder.emit(ops.random.blocks, numbers=(0.0, forget, 0.0, 0.0), size=w.shape[0] // 4)
        return forgetting if bias is ZEROS else bias.make(w) + forgetting

    return Init(bias.text, make, bias) if forget else bias


@layer("lstm", example="lstm 8", recurrent=True)
def lstm(
    x: Tensor,
    units: Positive,
    forget_bias: Real = 1.0,
    init: Initializer = XAVIER,
    recurrent_init: Initializer = ORTHOGONAL,
    bias_init: Initializer = ZEROS,
    h: NamedValue = None,
    c: NamedValue = None,
) -> Tensor:
    """A state with a memory cell beside it, which three gates guard; gives the states of all steps.

    `h=` and `c=` name the values that are the state and the cell before the first step, which are 0 unless told;
    `cells` gives the cells. The first bias of the gate that forgets is larger by forget_bias.

    Formula: i, f, o = sigmoid(x_t @ W + h_{t-1} @ U + b); g = tanh(x_t @ W + h_{t-1} @ U + b);
        c_t = f * c_{t-1} + i * g; h_t = o * tanh(c_t), with W (in, 4 * units), U (units, 4 * units) and b (4 * units)
        in the order i f g o
    Source: Hochreiter and Schmidhuber 1997, Long Short-Term Memory; Gers et al. 2000 for the gate that forgets.
    Deeplearning4j: LSTM, forgetGateBiasInit = 1.
    Keras: LSTM(return_sequences=True).
    PyTorch: LSTM, which has a second bias and whose first biases are drawn like its weights.
    """
    need_steps(x, "lstm")
    first = _first(x, "h", h, units), _first(x, "c", c, units)
    matrices = _matrices(x, units, 4, init, recurrent_init, _forgetting(bias_init, forget_bias))
    return _remembering(ops.lstm(x, *matrices, *first), h, c)


@layer("graves_lstm", example="graves_lstm 8", recurrent=True)
def graves_lstm(
    x: Tensor,
    units: Positive,
    forget_bias: Real = 1.0,
    init: Initializer = XAVIER,
    recurrent_init: Initializer = ORTHOGONAL,
    bias_init: Initializer = ZEROS,
    h: NamedValue = None,
    c: NamedValue = None,
) -> Tensor:
    """An lstm whose gates see its memory cell, through peepholes; gives the states of all steps.

    `h=` and `c=` name the values that are the state and the cell before the first step, which are 0 unless told;
    `cells` gives the cells. The first bias of the gate that forgets is larger by forget_bias.

    Formula: i = sigmoid(x_t @ W + h_{t-1} @ U + P[0] * c_{t-1} + b), f the same with P[1], o with P[2] * c_t; the rest
        as lstm, with P (3, units) drawn as U is
    Source: Gers and Schmidhuber 2000, Recurrent Nets that Time and Count; Graves 2013, Generating Sequences With
        Recurrent Neural Networks.
    Deeplearning4j: GravesLSTM, forgetGateBiasInit = 1.
    Keras: has none.
    PyTorch: has none.
    """
    need_steps(x, "graves_lstm")
    first = _first(x, "h", h, units), _first(x, "c", c, units)
    matrices = _matrices(x, units, 4, init, recurrent_init, _forgetting(bias_init, forget_bias))
    peepholes = weight("P", (3, units), recurrent_init, (units, units))
    return _remembering(ops.graves_lstm(x, *matrices, peepholes, *first), h, c)


def _remembering(found: tuple[Tensor, Tensor, Tensor], h: Tensor | None, c: Tensor | None) -> Tensor:
    """The states of a layer with memory cells, which are kept beside them."""
    for value, name in zip(found, ("states", "cells", "gates"), strict=True):
        value.named(name)
    states, cells, _ = found
    _left("h", h, states)
    _left("c", c, cells)
    states = _counted(states)
    states.value.cells = cells.value
    return states


@layer("cells", gives="cells", example="cells")
def cells(x: Tensor) -> Tensor:
    """The memory cells of all steps of the lstm or graves_lstm before it.

    Formula: c_t of lstm
    Source: definition.
    Deeplearning4j: has none; rnnGetPreviousState holds the last one.
    Keras: LSTM(return_state=True), the last one.
    PyTorch: the second of the states that LSTM returns, the last one.
    """
    if x.value.cells is None:
        message = "cells gives those of one lstm or graves_lstm, and this is no value of such a layer"
        raise WordError("shape-mismatch", message, "write it right behind: lstm 8 -> cells")
    return _counted(Tensor(x.builder, x.value.cells))


# The order of steps ---------------------------------------------------------------------------------------------------


@layer("last_step", gives="last", example="last_step")
def last_step(x: Tensor) -> Tensor:
    """The last step of each sequence that counts.

    Formula: f(x) = x_T, with T the length of the sequence
    Source: definition.
    Deeplearning4j: LastTimeStep, LastTimeStepVertex.
    Keras: return_sequences=False of a recurrent layer.
    PyTorch: x[:, -1], or the second result of RNN over a packed sequence.
    """
    _need_time(x, "last_step")
    lengths = net().lengths(x)
    if lengths is None:
        return ops.last(x)
    last = ops.last_of(x, lengths)
    return last if lengths.type.domain.low > 0 else ops.mask(last, ops.expand_dims(lengths > 0, axis=1))


@layer("reverse_time", gives="turned", example="reverse_time")
def reverse_time(x: Tensor) -> Tensor:
    """The steps of each sequence in reverse; padding stays behind them.

    Formula: f(x)_t = x_{T+1-t}
    Source: definition.
    Deeplearning4j: ReverseTimeSeriesVertex.
    Keras: has none; go_backwards=True of a recurrent layer.
    PyTorch: torch.flip, where all sequences have one length.
    """
    _need_time(x, "reverse_time")
    return _reversed(x)


def _reversed(x: Tensor) -> Tensor:
    for axis in range(2, len(x.shape)):
        inner = net().lengths(x, axis)
        if inner is not None and x.shape[1] in inner.shape:
            message = f"{net().word} turns {x.shape[1]}, of which each has a number of {x.shape[axis]} of its own"
            help = f"pool or take the last {x.shape[axis]} of each {x.shape[1]} first"
            raise WordError("shape-mismatch", message, help)
    lengths = net().lengths(x)
    turned = ops.reverse(x, axis=1) if lengths is None else ops.reverse_steps(x, lengths)
    return placed(turned.named("turned"), False)


def _need_time(x: Tensor, word: str) -> None:
    if len(x.shape) < 3 or x.axis == 1:
        raise WordError(
            "shape-mismatch",
            f"{word} needs steps, but {net().previous} gives {show_shape(x.shape)}",
            "declare the input as steps, then features, such as f32[T, 8]",
        )


@layer("repeat_like", gives="repeated", example="repeat_like steps")
def repeat_like(x: Tensor, steps: Tensor) -> Tensor:
    """The value again at each of the steps that another value has, such as a summary that a decoder reads.

    Formula: f(x, steps)_t = x, for each step t of steps
    Source: definition.
    Deeplearning4j: DuplicateToTimeSeriesVertex.
    Keras: RepeatVector, whose number of steps is known beforehand.
    PyTorch: x[:, None].expand(-1, steps.shape[1], -1).
    """
    if len(x.shape) != 2:
        message = f"repeat_like repeats a list of features, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, "as behind last_step or a pooling over time")
    if len(steps.shape) < 3 or steps.axis == 1:
        message = f"repeat_like needs a value with steps, but the one it names is {show_shape(steps.shape)}"
        raise WordError("shape-mismatch", message, "name a value over time, such as the input f32[T, 8]")
    return placed(ops.repeat_steps(x, steps), False)


Mode = Annotated[str, Kind("choice", "concat, sum, average or multiply")]
MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda a, b: placed(ops.concat(a, b, axis=2), False),
    "sum": lambda a, b: a + b,
    "average": lambda a, b: (a + b) / 2,
    "multiply": lambda a, b: a * b,
}


@layer("bidirectional", example="bidirectional lstm 8", prefix=True)
def bidirectional(x: Tensor, inner: Inner, mode: Mode = "concat") -> Tensor:
    """A recurrent layer over the steps from the first to the last, beside another like it from the last to the first.

    The weights of the second have an r behind their letter.

    Formula: f(x) = [inner(x), reverse(inner'(reverse(x)))], or their sum, average or product
    Source: Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks.
    Deeplearning4j: Bidirectional, whose modes are CONCAT, ADD, AVERAGE and MUL.
    Keras: Bidirectional, whose merge_mode is concat, sum, ave or mul.
    PyTorch: bidirectional=True of a recurrent layer.
    """
    _need_time(x, "bidirectional")
    if not inner.word.recurrent:
        message = f"bidirectional takes a recurrent layer, and {inner.word.name} is none"
        raise WordError("bad-option", message, "as in: bidirectional lstm 64")
    return MODES[mode](inner(x), _reversed(inner(_reversed(x), "r")))


@layer("time_distributed", example="time_distributed dense 8", prefix=True)
def time_distributed(x: Tensor, inner: Inner) -> Tensor:
    """A layer at each step, which it sees as an example of its own.

    Formula: f(x)_t = inner(x_t)
    Source: definition.
    Deeplearning4j: TimeDistributed.
    Keras: TimeDistributed.
    PyTorch: has none.
    """
    if len(x.shape) < 3:
        _need_time(x, "time_distributed")
    if len(x.shape) == 3 and inner.word.own:
        x = with_steps_that_count(x)  # the inner layer cannot tell steps, which are examples to it
    rows = ops.merge(x).named("rows")
    if (step := x.value.step) is not None:
        rows.value.channels, rows.value.leans, rows.value.step = step.channels, step.leans, step.step
    else:
        # what is steps of images is no image itself
        rows.value.channels, rows.value.leans = None if x.value.channels else x.value.channels, x.value.leans
    found = inner(rows)
    result = ops.regroup(found, x)
    result.value.step = found.value
    return placed(result, False) if len(result.shape) == 3 else result
