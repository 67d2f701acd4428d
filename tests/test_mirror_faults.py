"""Invalid configurations: sizes that are none, and targets that do not fit, told with code, place and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

CLASSES = {"target": "class(3)", "loss": "mcxent"}
# Sizes that are none.
SIZES = {
    "no outputs": Mistake(
        "dense 0 -> dense 2", "bad-option 4:7", "units of dense is a whole number of at least 1; 0 is not"
    ),
    "fewer than no outputs": Mistake(
        "dense -3 -> dense 2", "bad-option 4:7", "units of dense is a whole number of at least 1; -3 is not"
    ),
    "half an output": Mistake(
        "dense 2.5 -> dense 2", "bad-option 4:7", "units of dense is a whole number of at least 1; 2.5 is not"
    ),
    "arithmetic that comes to nothing": Mistake(
        "let n = 3\ndense (n-3) -> dense 2",
        "bad-option 5:7",
        "units of dense is a whole number of at least 1; 0 is not",
    ),
    "no number of outputs": Mistake(
        "dense", "missing-option 4:1", "dense needs units: a whole number of at least 1 | as in: dense 8"
    ),
    "an input of no numbers": Mistake(
        "dense 2", "bad-type 2:14", "a size is a whole number of at least 1", {"given": "f32[0]"}
    ),
    "an input of fewer than none": Mistake(
        "dense 2", "bad-type 2:14", "a size is a whole number of at least 1", {"given": "f32[-1]"}
    ),
    "an input of two and a half": Mistake(
        "dense 2", "bad-type 2:14", "a size is a whole number of at least 1", {"given": "f32[2.5]"}
    ),
    "an input of nothing in brackets": Mistake(
        "dense 2", "type-syntax 2:14", "the parentheses or brackets of a type are empty", {"given": "f32[]"}
    ),
    "a target of no numbers": Mistake(
        "dense 2", "bad-type 3:15", "a size is a whole number of at least 1", {"target": "f32[0]"}
    ),
    "one class": Mistake(
        "dense 3 -> softmax",
        "bad-type 3:17",
        "the number of classes is a whole number from 2",
        {"target": "class(1)", "loss": "mcxent"},
    ),
    "no class": Mistake(
        "dense 3 -> softmax",
        "bad-type 3:17",
        "the number of classes is a whole number from 2",
        {"target": "class(0)", "loss": "mcxent"},
    ),
    "fewer classes than none": Mistake(
        "dense 3 -> softmax",
        "bad-type 3:17",
        "the number of classes is a whole number from 2",
        {"target": "class(-2)", "loss": "mcxent"},
    ),
    "a category of one": Mistake(
        "embedding 3 -> dense 2",
        "bad-type 2:19",
        "the number of classes is a whole number from 2",
        {"given": "category(1)"},
    ),
    "shares of one": Mistake(
        "dense 3 -> softmax",
        "bad-type 3:11",
        "simplex needs at least 2 numbers along its last axis",
        {"target": "simplex[1]", "loss": "mcxent"},
    ),
    "labels that are one": Mistake(
        "dense 2 -> softmax",
        "bad-type 3:11",
        "at least two labels, each different and none empty",
        {"target": 'class("a", "a")', "loss": "mcxent"},
    ),
    "a shape without numbers": Mistake(
        "reshape [0, 6] -> flatten -> dense 2", "bad-option 4:9", "each is a whole number of at least 1"
    ),
    "a shape with a negative size": Mistake(
        "reshape [-1, 3] -> flatten -> dense 2", "bad-option 4:9", "each is a whole number of at least 1"
    ),
    "a shape without axes": Mistake(
        "reshape [] -> dense 2", "bad-option 4:9", "shape of reshape is a list of sizes in brackets"
    ),
    "repeated never": Mistake(
        "repeat_vector 0 -> flatten -> dense 2",
        "bad-option 4:15",
        "times of repeat_vector is a whole number of at least 1; 0 is not",
    ),
    "an embedding of nothing": Mistake(
        "embedding 0 -> dense 2",
        "bad-option 4:11",
        "units of embedding is a whole number of at least 1; 0 is not",
        {"given": "category(3)"},
    ),
    "a body repeated less than never": Mistake(
        "repeat -1 { dense 3 }\ndense 2", "bad-constant 4:8", "repeat takes a whole number from 0"
    ),
    "a body repeated by halves": Mistake(
        "repeat 2.5 { dense 3 }\ndense 2", "bad-constant 4:8", "repeat takes a whole number from 0"
    ),
    "more weights than a file holds": Mistake(
        "dense 1000000000 -> dense 2", "too-large 4:1", "the weights take at least 22.4 GiB"
    ),
    "an example beyond measure": Mistake(
        "dense 2", "too-large 2:10", "an example holds at most 268,435,456 numbers", {"given": "f32[100000, 100000]"}
    ),
    "nine axes": Mistake(
        "reshape [1, 1, 1, 1, 1, 1, 1, 1, 6] -> flatten -> dense 2", "too-large 4:1", "reshape gives 9 axes an example"
    ),
}
# Targets that the prediction does not fit.
LABELS = {
    "more outputs than classes": Mistake(
        "dense 4 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [4], but the target y needs [3] | end the chain with dense 3 -> softmax",
        CLASSES,
    ),
    "fewer outputs than classes": Mistake(
        "dense 2 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [2], but the target y needs [3] | end the chain with dense 3 -> softmax",
        CLASSES,
    ),
    "more outputs than labels": Mistake(
        "dense 3 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [3], but the target y needs [2]",
        {"target": 'class("a", "b")', "loss": "mcxent"},
    ),
    "fewer outputs than truth values": Mistake(
        "dense 2 -> sigmoid",
        "shape-mismatch 5:6",
        "needs [3] | end the chain with dense 3 -> sigmoid",
        {"target": "binary[3]", "loss": "xent"},
    ),
    "fewer outputs than numbers": Mistake(
        "dense 2",
        "shape-mismatch 5:6",
        "the prediction is [2], but the target y needs [3] | end the chain with dense 3",
        {"target": "f32[3]", "loss": "mae"},
    ),
    "more outputs than numbers": Mistake(
        "dense 2", "shape-mismatch 5:6", "the prediction is [2], but the target y needs [1]", {"target": "f32"}
    ),
    "fewer outputs than shares": Mistake(
        "dense 3 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [3], but the target y needs [4]",
        {"target": "simplex[4]", "loss": "kl_divergence"},
    ),
    "numbers in a column": Mistake(
        "dense 3",
        "shape-mismatch 5:6",
        "needs [3, 1] | end the chain with flatten -> dense 3 -> reshape [3, 1]",
        {"target": "f32[3, 1]"},
    ),
    "rows for a number each": Mistake(
        "dense 6 -> reshape [2, 3]",
        "shape-mismatch 5:6",
        "the prediction is [2, 3], but the target y needs [2] | end the chain with flatten -> dense 2",
    ),
    "shares of one truth value": Mistake(
        "dense 2 -> softmax",
        "shape-mismatch 5:6",
        "needs [1] | one number from 0 to 1 goes with dense 1 -> sigmoid",
        {"target": "binary", "loss": "mcxent"},
    ),
    "a label for each row": Mistake(
        "dense 3 -> softmax",
        "shape-mismatch 5:6",
        "the prediction is [3], but the target y needs [2, 3]"
        " | end the chain with flatten -> dense 6 -> reshape [2, 3] -> softmax",
        {"target": "class(3)[2]", "loss": "mcxent"},
    ),
    "two values of different shapes": Mistake(
        "p = dense 2\nq = x -> dense 3\noutput p\noutput q",
        "shape-mismatch 8:6",
        "what it is compared with needs [3]",
        {"loss": "mse(p, q)"},
    ),
    "a mixture that lacks": Mistake(
        "dense 2",
        "shape-mismatch 5:6",
        "the prediction is [2], but the target y needs [4] | end the chain with dense 4",
        {"loss": "mixture_density mixtures=1"},
    ),
    "classes under mse": Mistake(
        "dense 3",
        "target-mismatch 5:6",
        "mse takes a target of type binary, simplex, unit, count, positive or f32, but the target y is class",
        {"target": "class(3)"},
    ),
    "classes under xent": Mistake(
        "dense 3 -> sigmoid",
        "target-mismatch 5:6",
        "classes go with softmax and mcxent",
        {"target": "class(3)", "loss": "xent"},
    ),
    "classes under hinge": Mistake(
        "dense 2 -> tanh",
        "target-mismatch 5:6",
        "hinge takes a target of type binary or f32",
        {"target": "class(2)", "loss": "hinge"},
    ),
    "numbers under mcxent": Mistake(
        "dense 2 -> softmax",
        "target-mismatch 5:6",
        "declare the target class, binary, simplex or unit if it is one",
        {"loss": "mcxent"},
    ),
    "numbers under kl_divergence": Mistake(
        "dense 2 -> softmax",
        "target-mismatch 5:6",
        "declare the target simplex if it is one",
        {"loss": "kl_divergence"},
    ),
    "numbers under xent": Mistake(
        "dense 2 -> sigmoid",
        "target-mismatch 5:6",
        "declare the target binary, simplex or unit if it is one",
        {"loss": "xent"},
    ),
    "numbers that may be negative under poisson": Mistake(
        "dense 2",
        "target-mismatch 5:6",
        "poisson takes a target of type count or positive, but the target y is f32",
        {"loss": "poisson"},
    ),
    "numbers that may be negative under expll": Mistake(
        "dense 2 -> softplus",
        "target-mismatch 5:6",
        "declare the target count or positive if it is one",
        {"loss": "expll"},
    ),
    "numbers that may be negative under msle": Mistake(
        "dense 2 -> softplus",
        "target-mismatch 5:6",
        "msle takes a target of type binary, simplex, unit, count or positive",
        {"loss": "msle"},
    ),
    "numbers under fmeasure": Mistake(
        "dense 2 -> sigmoid",
        "target-mismatch 5:6",
        "fmeasure takes a target of type binary, but the target y is f32",
        {"loss": "fmeasure"},
    ),
    "counts under multilabel": Mistake(
        "dense 2 -> tanh",
        "target-mismatch 5:6",
        "multilabel takes a target of type binary",
        {"target": "count[2]", "loss": "multilabel"},
    ),
    "shares under mape": Mistake(
        "dense 2",
        "target-mismatch 5:6",
        "mape takes a target of type unit, positive or f32, but the target y is simplex",
        {"target": "simplex[2]", "loss": "mape"},
    ),
    "numbers under accuracy": Mistake(
        "dense 2", "target-mismatch 7:8", "accuracy takes a target of type class or binary", {"more": "metric accuracy"}
    ),
    "a truth value beyond 1": Mistake(
        "p = dense 2 -> sigmoid",
        "target-mismatch 5:6",
        "but this is 2 | compare with values in [0, 1]",
        {"loss": "xent(p, 2) + xent(p, y)", "target": "binary[2]"},
    ),
}

MISTAKES = SIZES | LABELS


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, tmp_path: Path):
    assert_told(MISTAKES[name], tmp_path)
