"""Invalid configurations: axes and values that a word does not take, told with code, place and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

CLASSES = {"target": "class(3)", "loss": "mcxent"}
# Values of other axes than a word takes.
AXES = {
    "pixels into dense": Mistake(
        "dense 2",
        "shape-mismatch 4:1",
        "dense needs one axis of features, but x gives [1, 28, 28] | put flatten before dense",
        {"given": "f32[1, 28, 28]"},
    ),
    "rows into dense": Mistake(
        "dense 3 -> softmax",
        "shape-mismatch 4:1",
        "dense needs one axis of features, but x gives [2, 6]",
        CLASSES | {"given": "f32[2, 6]"},
    ),
    "rows from reshape into dense": Mistake(
        "reshape [2, 3] -> dense 2", "shape-mismatch 4:19", "dense needs one axis of features, but reshape gives [2, 3]"
    ),
    "rows from embedding, of which dense sees each": Mistake(
        "embedding 3 -> dense 2",
        "shape-mismatch 5:6",
        "the prediction is [2, 2], but the target y needs [2] | end the chain with flatten -> dense 2",
        {"given": "category(4)[2]"},
    ),
    "more numbers than there are": Mistake(
        "reshape [4, 2] -> flatten -> dense 2",
        "shape-mismatch 4:1",
        "reshape to [4, 2] needs 8 numbers, but x gives [6], which has 6",
    ),
    "fewer numbers than there are": Mistake(
        "reshape 5 -> dense 2", "shape-mismatch 4:1", "reshape to [5] needs 5 numbers, but x gives [6], which has 6"
    ),
    "axes that are not there": Mistake(
        "reshape [2, 3] -> permute [1, 2] -> flatten -> dense 2",
        "bad-option 4:19",
        "whose axes are [0, 1] | as in permute [1, 0]",
    ),
    "one axis twice": Mistake(
        "reshape [2, 3] -> permute [0, 0] -> flatten -> dense 2", "bad-option 4:19", "permute names each axis once"
    ),
    "an axis left out": Mistake(
        "reshape [2, 3] -> permute [0] -> flatten -> dense 2", "bad-option 4:19", "permute names each axis once"
    ),
    "rows repeated": Mistake(
        "reshape [2, 3] -> repeat_vector 2 -> flatten -> dense 2",
        "shape-mismatch 4:19",
        "repeat_vector needs one axis of features, but reshape gives [2, 3]",
    ),
    "half of three": Mistake(
        "dense 3 -> glu -> dense 2", "shape-mismatch 4:12", "glu halves the features, but dense gives 3"
    ),
    "an id as a number": Mistake(
        "dense 3 -> dense 2",
        "ids-mismatch 4:1",
        "dense needs numbers, but x is a category, whose values are ids | put onehot or embedding before",
        {"given": "category(4)"},
    ),
    "a number as an id": Mistake(
        "onehot -> dense 2", "ids-mismatch 4:1", "onehot takes the ids of a category, but x gives numbers"
    ),
    "an id through tanh": Mistake(
        "tanh -> dense 2", "ids-mismatch 4:1", "tanh needs numbers, but x is a category", {"given": "category(4)"}
    ),
    "a cosine of one number": Mistake(
        "dense 1",
        "shape-mismatch 5:6",
        "cosine_proximity of one number is its sign",
        {"target": "f32", "loss": "cosine_proximity"},
    ),
}
# Values that a loss is not defined on, and softmax where it is senseless.
DOMAINS = {
    "softmax of one output": Mistake(
        "dense 1 -> softmax",
        "softmax-of-one 4:12",
        "softmax over one feature is 1 whatever the input | use sigmoid with xent",
        {"target": "f32"},
    ),
    "softmax of one inside": Mistake(
        "dense 1 -> softmax -> dense 2", "softmax-of-one 4:12", "softmax over one feature is 1 whatever the input"
    ),
    "logsoftmax of one": Mistake("dense 1 -> logsoftmax -> dense 2", "softmax-of-one 4:12", "over one feature"),
    "softmax twice": Mistake(
        "dense 3 -> softmax -> softmax",
        "softmax-twice 4:23",
        "softmax already gives probabilities that sum to 1; a second softmax flattens them",
        CLASSES,
    ),
    "mcxent of any numbers": Mistake(
        "dense 3",
        "domain-mismatch 5:6",
        "mcxent needs probabilities that sum to 1, but the prediction lies in (-inf, inf) | end the chain with softmax",
        CLASSES,
    ),
    "mcxent after sigmoid": Mistake(
        "dense 3 -> sigmoid",
        "domain-mismatch 5:6",
        "but these are independent: each lies in (0, 1) | end the chain with softmax",
        CLASSES,
    ),
    "mcxent after sigmoid, of another number": Mistake(
        "dense 4 -> sigmoid",
        "domain-mismatch 5:6",
        "these are independent: each lies in (0, 1) | end the chain with dense 3 -> softmax",
        CLASSES,
    ),
    "mcxent of classes that stand first": Mistake(
        "reshape [1, 2, 3] -> conv 3 1x1 -> softmax",
        "domain-mismatch 5:6",
        "but those along the last axis are independent: each lies in (0, 1) | end the chain with permute [1, 2, 0] -> "
        "softmax, and take the one before away: the classes stand on the last axis",
        {"target": "class(3)[2, 3]", "loss": "mcxent"},
    ),
    "mcxent of scores of classes that stand first": Mistake(
        "reshape [1, 2, 3] -> conv 3 1x1",
        "domain-mismatch 5:6",
        "end the chain with permute [1, 2, 0] -> softmax: the classes stand on the last axis",
        {"target": "simplex[2, 3, 3]", "loss": "mcxent"},
    ),
    "numbers whose features stand first": Mistake(
        "reshape [1, 2, 3] -> conv 4 1x1",
        "shape-mismatch 5:6",
        "the prediction is [4, 2, 3], but the target y needs [2, 3, 4] | end the chain with permute [1, 2, 0]",
        {"target": "f32[2, 3, 4]", "loss": "mse"},
    ),
    "mcxent after relu": Mistake("dense 3 -> relu", "domain-mismatch 5:6", "the prediction lies in [0, inf)", CLASSES),
    "mcxent after logsoftmax": Mistake(
        "dense 3 -> logsoftmax", "domain-mismatch 5:6", "the prediction lies in (-inf, 0]", CLASSES
    ),
    "mcxent after dropout": Mistake(
        "dense 3 -> softmax -> dropout 20%", "domain-mismatch 5:6", "the prediction lies in [0, 1.25)", CLASSES
    ),
    "mcxent after scale": Mistake(
        "dense 3 -> softmax -> scale 2", "domain-mismatch 5:6", "the prediction lies in (0, 2)", CLASSES
    ),
    "mcxent of one truth value": Mistake(
        "dense 1 -> sigmoid",
        "domain-mismatch 5:6",
        "one number from 0 to 1 goes with dense 1 -> sigmoid, and with loss xent or mse",
        {"target": "binary", "loss": "mcxent"},
    ),
    "focal of independent classes": Mistake(
        "dense 3 -> sigmoid",
        "domain-mismatch 5:6",
        "focal needs probabilities that sum to 1",
        {"target": "class(3)", "loss": "focal"},
    ),
    "kl_divergence after sigmoid": Mistake(
        "dense 2 -> sigmoid",
        "domain-mismatch 5:6",
        "kl_divergence needs probabilities that sum to 1",
        {"target": "simplex[2]", "loss": "kl_divergence"},
    ),
    "xent of any number": Mistake(
        "dense 1",
        "domain-mismatch 5:6",
        "xent needs values in [0, 1], but the prediction lies in (-inf, inf) | end the chain with sigmoid",
        {"target": "binary", "loss": "xent"},
    ),
    "xent after tanh": Mistake(
        "dense 1 -> tanh",
        "domain-mismatch 5:6",
        "xent needs values in [0, 1], but the prediction lies in (-1, 1)",
        {"target": "binary", "loss": "xent"},
    ),
    "xent after relu": Mistake(
        "dense 1 -> relu",
        "domain-mismatch 5:6",
        "xent needs values in [0, 1], but the prediction lies in [0, inf)",
        {"target": "binary", "loss": "xent"},
    ),
    "xent after shift": Mistake(
        "dense 2 -> sigmoid -> shift 1",
        "domain-mismatch 5:6",
        "xent needs values in [0, 1], but the prediction lies in (1, 2)",
        {"target": "binary[2]", "loss": "xent"},
    ),
    "a rate that may be negative": Mistake(
        "dense 1",
        "domain-mismatch 5:6",
        "expll needs values in (0, inf), but the prediction lies in (-inf, inf) | end the chain with softplus",
        {"target": "count", "loss": "expll"},
    ),
    "a rate after tanh": Mistake(
        "dense 1 -> tanh",
        "domain-mismatch 5:6",
        "expll needs values in (0, inf), but the prediction lies in (-1, 1)",
        {"target": "count", "loss": "expll"},
    ),
    "a logarithm of negative numbers": Mistake(
        "dense 1",
        "domain-mismatch 5:6",
        "msle needs values in [0, inf), but the prediction lies in (-inf, inf)",
        {"target": "positive", "loss": "msle"},
    ),
    "scores of labels without bounds": Mistake(
        "dense 2",
        "domain-mismatch 5:6",
        "multilabel needs values in [-1, 1]",
        {"target": "binary[2]", "loss": "multilabel"},
    ),
    "a logarithm in a formula": Mistake(
        "def activation a(x) = log(x)\ndense 2 -> a",
        "domain-mismatch 4:23",
        "log needs values above 0, but this lies in (-inf, inf)",
    ),
    "a root in a formula": Mistake(
        "def activation a(x) = sqrt(x)\ndense 2 -> a", "domain-mismatch 4:23", "sqrt needs values of at least 0"
    ),
}

MISTAKES = AXES | DOMAINS


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, tmp_path: Path):
    assert_told(MISTAKES[name], tmp_path)
