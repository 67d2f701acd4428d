"""Invalid specs over steps, as a newcomer writes them: told with code, place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

STEPS = {"given": "f32[T, 3]"}
LABELS = {"loss": "mcxent", "target": "class(3)"}
EACH = {"loss": "mcxent", "target": "class(3)[T]"}
CELL = "def cell c(units) {{\n    weight W: [in.features, units]\n{}}}\nc 4 -> last_step -> dense 2"
TOGETHER = "net a\ninput a: f32[T, 3]\ninput b: {}\ntarget y: f32[4]\np = a -> gru 4\nq = b -> {}\np -> {}\n"

# Steps where there are none, none where there are, and two numbers of steps that are one.
SHAPES = {
    "a layer over steps on a list": Mistake(
        "lstm 8 -> dense 2", "shape-mismatch 4:1", "lstm needs steps of features, but x gives [6] | declare the input"
    ),
    "a recurrent layer behind the last step": Mistake(
        "last_step -> lstm 3 -> dense 2", "shape-mismatch 4:14", "lstm needs steps of features, but last_step", STEPS
    ),
    "a recurrent layer on an image": Mistake(
        "conv 4 2x2 -> gru 3 -> last_step -> dense 2",
        "shape-mismatch 4:15",
        "gru needs steps of features, but conv gives [4, 2, 3] | put permute [1, 2, 0] -> reshape [6, 4] before gru",
        {"given": "f32[1, 3, 4]"},
    ),
    "a recurrent layer on channels": Mistake(
        "conv 4 2x2 -> reshape [4, 6] -> gru 3 -> last_step -> dense 2",
        "shape-mismatch 4:33",
        "gru needs steps of features, but reshape gives [4, 6] | put permute [1, 0] before gru",
        {"given": "f32[1, 3, 4]"},
    ),
    "a recurrent layer on steps of steps": Mistake(
        "gru 3 -> last_step -> last_step -> dense 2",
        "shape-mismatch 4:1",
        "gru needs steps of features, but x gives [S, T, 4] | as in: time_distributed gru 8",
        {"given": "f32[S, T, 4]"},
    ),
    "ids without an embedding": Mistake(
        "lstm 8 -> last_step -> dense 2",
        "ids-mismatch 4:1",
        "lstm needs numbers, but x is a category, whose values are ids | put onehot or embedding before lstm",
        {"given": "token(65)[T]"},
    ),
    "a batch axis": Mistake(
        "dense 2", "bad-type 2:14", "and no name | take it away: the batch axis is never", {"given": "f32[None, 6]"}
    ),
    "one id and not a row of them": Mistake(
        "embedding 4 -> lstm 3 -> last_step -> dense 2",
        "shape-mismatch 4:16",
        "lstm needs steps of features, but embedding gives [4]",
        {"given": "token(65)"},
    ),
    "steps of two numbers": Mistake(
        TOGETHER.format("f32[S, 3]", "gru 4", "add q -> last_step") + "loss mse\nupdater sgd\n",
        "shape-mismatch 7:6",
        "add needs values of one shape, but has [T, 4] and [S, 4] | T and S are two numbers of steps",
    ),
    "steps beside a list": Mistake(
        TOGETHER.format("f32[T, 3]", "gru 4 -> last_step", "concat q -> last_step") + "loss mse\nupdater sgd\n",
        "shape-mismatch 7:6",
        "but has [T, 4] and [4] | repeat_like gives a list of features at each step",
    ),
    "all steps for one label": Mistake(
        "gru 4 -> dense 3 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [T, 3], but the target y needs [3] | to have one of all steps, put last_step",
        STEPS | LABELS,
    ),
    "the last step for labels at each": Mistake(
        "gru 4 -> last_step -> dense 3 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [3], but the target y needs [T, 3] | the target has a value at each step",
        STEPS | EACH,
    ),
    "labels at each step of a list": Mistake(
        "dense 3 -> softmax", "shape-mismatch 5:6", "the prediction is [3], but the target y needs [T, 3]", EACH
    ),
    "labels at steps of another number": Mistake(
        "gru 4 -> dense 3 -> softmax",
        "shape-mismatch 5:6",
        "but the target y needs [S, 3] | S and T are two numbers of steps: where they are one, call both T",
        STEPS | EACH | {"target": "class(3)[S]"},
    ),
    "a known number of steps and an unknown one": Mistake(
        "gru 4 -> dense 3 -> softmax", "shape-mismatch 5:6", "give the target 6 steps", EACH | {"given": "f32[6, 3]"}
    ),
    "too many numbers at each step": Mistake(
        "gru 4 -> dense 2",
        "shape-mismatch 5:6",
        "the prediction is [T, 2], but the target y needs [T, 1] | end the chain with dense 1",
        STEPS | {"target": "f32[T]"},
    ),
    "all steps as one list": Mistake(
        "flatten -> dense 2",
        "shape-mismatch 4:1",
        "flatten needs steps of a known number, but x gives [T, 3] | take one of the steps by last_step",
        STEPS,
    ),
    "steps in another shape": Mistake(
        "reshape 3 -> dense 2", "shape-mismatch 4:1", "reshape needs steps of a known number, but x gives [T, 3]", STEPS
    ),
    "steps behind their features": Mistake(
        "permute [1, 0] -> conv 4 3 -> globalmaxpool -> dense 2",
        "bad-option 4:1",
        "permute would put steps behind sizes that are known, and x gives [T, 3] | steps of a number that only run",
        STEPS,
    ),
    "an image of steps": Mistake(
        "flip -> last_step -> dense 2", "shape-mismatch 4:1", "flip needs steps of a known number, but x gives", STEPS
    ),
    "windows over sentences": Mistake(
        "conv 4 3 -> last_step -> dense 2",
        "shape-mismatch 4:1",
        "conv needs steps of a known number, but x gives [S, T, 3] | take each sequence of the first steps",
        {"given": "f32[S, T, 3]"},
    ),
    "a step that may not be there": Mistake(
        "unstack 2 -> dense 2", "bad-option 4:1", "unstack takes place 2, but x gives [T, 3], which may be fewer", STEPS
    ),
}
# Words and options.
WORDS = {
    "a first state of another size": Mistake(
        "net a\ninput x: f32[T, 3]\ninput h0: f32[5]\ntarget y: f32[2]\nx -> lstm 4 h=h0 -> last_step -> dense 2\n"
        "loss mse\nupdater sgd\n",
        "shape-mismatch 5:6",
        "the first state is [5], and the layer has 4 units | give it a value of shape [4]",
    ),
    "both ways of what goes none": Mistake(
        "bidirectional dense 4 -> last_step -> dense 2",
        "bad-option 4:1",
        "bidirectional takes a recurrent layer, and dense is none | as in: bidirectional lstm 64",
        STEPS,
    ),
    "a prefix alone": Mistake(
        "bidirectional -> gru 4 -> last_step -> dense 2", "bad-option 4:1", "bidirectional takes a layer", STEPS
    ),
    "a prefix behind another fault": Mistake(
        "dense q -> bidirectional gru 4 -> last_step -> dense 2", "unknown-name 4:7", "q is not the name of a", STEPS
    ),
    "cells of what has none": Mistake(
        "gru 4 -> cells -> last_step -> dense 2", "shape-mismatch 4:10", "write it right behind: lstm 8 -> cells", STEPS
    ),
    "all steps, which come out anyway": Mistake(
        "gru 4 return_sequences=true -> last_step -> dense 2", "unknown-option 4:7", "all steps come out", STEPS
    ),
    "a cell without a state": Mistake(
        CELL.format("    return tanh(in @ W)\n"),
        "bad-definition 4:10",
        "c keeps no state, so that no step could know of another | declare one: state h = zeros(units)",
        STEPS,
    ),
    "a state without a size": Mistake(
        CELL.format("    state h = zeros\n    h = tanh(in @ W + h)\n    return h\n"),
        "bad-definition 6:15",
        "the state of a cell begins with so many zeros or ones | as in: state h = zeros(units)",
        STEPS,
    ),
    "ctc beside one label": Mistake(
        "gru 4 -> dense 3 -> softmax",
        "shape-mismatch 5:6",
        "ctc compares with labels in a row, and this target is no such list | declare it as such: target y: class(3)[",
        STEPS | LABELS | {"loss": "ctc"},
    ),
    "ctc of the last step": Mistake(
        "gru 4 -> last_step -> dense 3 -> softmax",
        "shape-mismatch 5:6",
        "ctc needs probabilities at each step, but the prediction is [3] | end a chain that still has steps",
        STEPS | {"loss": "ctc", "target": "class(3)[S]"},
    ),
    "windows of what has no steps": Mistake(
        "dense 2",
        "bad-option 7:7",
        "window=8 cuts a series into examples, and x has no such",
        {"more": "train window=8"},
    ),
    "a metric that is none, beside no training": Mistake(
        "net a\ninput x: f32[6]\ndense 2\nmetric foo\ntargets inference\n",
        "unknown-word 4:8",
        "foo is not the name of a metric",
    ),
}
# Types.
TYPES = {
    "lengths of a target": Mistake(
        "gru 4 -> dense 3 -> softmax",
        "unknown-option 3:23",
        "target has no option lengths | say it of the input over the same steps",
        STEPS | EACH | {"target": "class(3)[T] lengths=true"},
    ),
    "a misspelt option of an input": Mistake(
        "last_step -> dense 2", "unknown-option 2:20", "its only option is lengths", {"given": "f32[T, 3] lenghts=true"}
    ),
    "symbols without their number": Mistake(
        "embedding 4 -> lstm 4 -> last_step -> dense 2",
        "bad-type 2:10",
        "token needs the number of symbols or their labels | their number stands in parentheses: token(10)[T]",
        {"given": "token[T]"},
    ),
    "steps with a small letter": Mistake(
        "last_step -> dense 2", "unknown-name 2:14", "has a capital letter, as in f32[T, 8]", {"given": "f32[t, 3]"}
    ),
    "steps behind features": Mistake(
        "last_step -> dense 2", "bad-type 2:17", "such a dimension comes first | as in f32[T", {"given": "f32[3, T]"}
    ),
    "examples for steps": Mistake(
        "last_step -> dense 2", "bad-type 2:14", "N is the number of examples", {"given": "f32[N, 3]"}
    ),
    "noise over time": Mistake(
        "net a\ninput x: f32[T, 3]\nnoise z: normal[T]\ntarget y: f32[2]\na = z -> dense 3\n"
        "x -> add a -> gru 4 -> last_step -> dense 2\nloss mse\nupdater sgd\n",
        "bad-type 3:17",
        "T is known only at run time, and noise has a known size | as in normal[64]; repeat_like gives it at each step",
    ),
}
MISTAKES = SHAPES | WORDS | TYPES


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, tmp_path: Path):
    assert_told(MISTAKES[name], tmp_path)
