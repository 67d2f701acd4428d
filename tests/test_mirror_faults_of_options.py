"""Invalid configurations: options out of their range or without effect, told with code, place and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

CLASSES = {"target": "class(3)", "loss": "mcxent"}
# Options out of their range, and those that do nothing.
OPTIONS = {
    "negative l1": Mistake("dense 2 l1=-0.1", "bad-option 4:12", "l1 of dense is a number of at least 0"),
    "negative l2": Mistake("dense 2 l2=-0.1", "bad-option 4:12", "l2 of dense is a number of at least 0"),
    "negative bias_l1": Mistake(
        "dense 2 bias_l1=-0.1", "bad-option 4:17", "bias_l1 of dense is a number of at least 0"
    ),
    "negative bias_l2": Mistake(
        "dense 2 bias_l2=-0.1", "bad-option 4:17", "bias_l2 of dense is a number of at least 0"
    ),
    "negative weight_decay": Mistake(
        "dense 2 weight_decay=-0.1", "bad-option 4:22", "weight_decay of dense is a number of at least 0"
    ),
    "negative bias_weight_decay": Mistake(
        "dense 2 bias_weight_decay=-0.1", "bad-option 4:27", "bias_weight_decay of dense is a number of at least 0"
    ),
    "negative weight_noise": Mistake(
        "dense 2 weight_noise=-0.1", "bad-option 4:22", "weight_noise of dense is a number of at least 0"
    ),
    "l2 by a schedule below 0": Mistake(
        "dense 2 l2=exponential(-1, factor=0.5)",
        "bad-option 4:24",
        "rate of exponential is a number of at least 0; -1 is not",
    ),
    "l2 that is true": Mistake(
        "dense 2 l2=true", "bad-option 4:12", "l2 of dense is a number of at least 0, or a schedule; this is true"
    ),
    "l2 beyond float32": Mistake("dense 2 l2=1e39", "bad-option 4:12", "1e+39 does not fit 32 bits"),
    "l2 that is an input": Mistake("dense 2 l2=x", "not-constant 4:12", "x is an input, and a constant is needed here"),
    "l2 twice": Mistake("dense 2 l2=0.1 l2=0.2", "duplicate-option 4:16", "l2 is given twice"),
    "l2 of no weights": Mistake(
        "l2normalize l2=1 -> dense 2", "unknown-option 4:13", "l2normalize has no weights, so l2 does nothing"
    ),
    "l2 of an activation": Mistake("relu l2=1 -> dense 2", "unknown-option 4:6", "relu has no option l2"),
    "l2 of no matrix": Mistake(
        "elementwise l2=0.1 -> dense 2",
        "unknown-option 4:13",
        "elementwise has no weight of two axes or more, so l2 does nothing",
    ),
    "l2 of no bias": Mistake(
        "dense 2 bias=false bias_l2=1", "unknown-option 4:20", "dense has no bias here, so bias_l2 does nothing"
    ),
    "l1 of a frozen layer": Mistake(
        "dense 3 frozen=true l1=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so l1 does nothing | take l1 away",
    ),
    "l2 of a frozen layer": Mistake(
        "dense 3 frozen=true l2=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so l2 does nothing | take l2 away",
    ),
    "bias_l1 of a frozen layer": Mistake(
        "dense 3 frozen=true bias_l1=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so bias_l1 does nothing | take bias_l1 away",
    ),
    "bias_l2 of a frozen layer": Mistake(
        "dense 3 frozen=true bias_l2=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so bias_l2 does nothing | take bias_l2 away",
    ),
    "weight_decay of a frozen layer": Mistake(
        "dense 3 frozen=true weight_decay=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so weight_decay does nothing | take weight_decay away",
    ),
    "bias_weight_decay of a frozen layer": Mistake(
        "dense 3 frozen=true bias_weight_decay=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so bias_weight_decay does nothing | take bias_weight_decay away",
    ),
    "lr_scale of a frozen layer": Mistake(
        "dense 3 frozen=true lr_scale=2 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so lr_scale does nothing | take lr_scale away",
    ),
    "max_norm of a frozen layer": Mistake(
        "dense 3 frozen=true max_norm=1 -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so max_norm does nothing | take max_norm away",
    ),
    "min_max_norm of a frozen layer": Mistake(
        "dense 3 frozen=true min_max_norm=[1, 2] -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so min_max_norm does nothing | take min_max_norm away",
    ),
    "unit_norm of a frozen layer": Mistake(
        "dense 3 frozen=true unit_norm=true -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so unit_norm does nothing | take unit_norm away",
    ),
    "non_negative of a frozen layer": Mistake(
        "dense 3 frozen=true non_negative=true -> dense 2",
        "unknown-option 4:21",
        "dense is frozen, so non_negative does nothing | take non_negative away",
    ),
    "l2 of a frozen weight": Mistake(
        "def layer own() {\n    weight W: [in.features, 3] frozen=true l2=1\n    return in @ W\n}\nown -> dense 2",
        "unknown-option 5:44",
        "W is frozen, so l2 does nothing",
    ),
    "l2 where the weight is frozen": Mistake(
        "def layer own() {\n    weight W: [in.features, 3] frozen=true\n    return in @ W\n}\nown l2=1 -> dense 2",
        "unknown-option 8:5",
        "own is frozen, so l2 does nothing",
    ),
    "l2 where the matrix is frozen": Mistake(
        "def layer own() {\n    weight W: [in.features, 3] frozen=true\n    weight b: [3]\n    return in @ W + b\n}\n"
        "own l2=1 -> dense 2",
        "unknown-option 9:5",
        "what it would act on is frozen, so l2 does nothing",
    ),
    "l2 where the weight has its own": Mistake(
        "def layer own() {\n    weight W: [in.features, 3] l2=2\n    return in @ W\n}\nown l2=1 -> dense 2",
        "unknown-option 8:5",
        "what it would act on says its own l2, so l2 does nothing",
    ),
    "decay without a rate": Mistake(
        "dense 2 weight_decay=0.1",
        "unknown-option 6:9",
        "none has no lr, so weight_decay of a layer does nothing",
        {"updater": "none"},
    ),
    "two norms": Mistake(
        "dense 3 max_norm=1 unit_norm=true -> dense 2",
        "bad-option 4:1",
        "max_norm and unit_norm both set the norm of the weights",
    ),
    "norms upside down": Mistake(
        "dense 3 min_max_norm=[2, 1] -> dense 2", "bad-option 4:1", "min_max_norm lists the lowest norm and the highest"
    ),
    "a norm of nothing": Mistake(
        "dense 2 max_norm=0", "bad-option 4:18", "max_norm of dense is a number above 0; 0 is not"
    ),
    "a rate of nothing": Mistake(
        "dense 2 lr_scale=0", "bad-option 4:18", "a number above 0 (frozen=true is for 0); 0 is not"
    ),
    "frozen by a number": Mistake(
        "dense 3 frozen=1 -> dense 2", "bad-option 4:16", "frozen of dense is true or false; this is 1"
    ),
    "all of it by dropout": Mistake(
        "dropout 1 -> dense 2",
        "bad-option 4:9",
        "rate of dropout is a number from 0 to below 1, or a schedule; 1 is not",
    ),
    "all of it by spatial_dropout": Mistake(
        "spatial_dropout 1 -> dense 2",
        "bad-option 4:17",
        "rate of spatial_dropout is a number from 0 to below 1, or a schedule; 1 is not",
    ),
    "all of it by alpha_dropout": Mistake(
        "alpha_dropout 1 -> dense 2",
        "bad-option 4:15",
        "rate of alpha_dropout is a number from 0 to below 1, or a schedule; 1 is not",
    ),
    "all of it by gaussian_dropout": Mistake(
        "gaussian_dropout 1 -> dense 2",
        "bad-option 4:18",
        "rate of gaussian_dropout is a number from 0 to below 1, or a schedule; 1 is not",
    ),
    "dropout of more than all": Mistake(
        "dropout 1.5 -> dense 2", "bad-option 4:9", "1.5 is not | write 1.5% if that is meant"
    ),
    "dropout of less than nothing": Mistake("dropout -0.1 -> dense 2", "bad-option 4:9", "-0.1 is not"),
    "dropout in percent": Mistake("dropout 50 -> dense 2", "bad-option 4:9", "50 is not | write 50% if that is meant"),
    "dropout of what": Mistake(
        "dropout -> dense 2",
        "missing-option 4:1",
        "dropout needs rate: a number from 0 to below 1, or a schedule | as in: dropout 20%",
    ),
    "dropout that grows to all": Mistake(
        "dropout ramp(0.1, end=1.2, epochs=3) -> dense 2", "bad-option 4:9", "this one gives 1 in epoch 2.455"
    ),
    "all connections dropped": Mistake(
        "dense 2 dropconnect=1", "bad-option 4:21", "dropconnect of dense is a number from 0 to below 1"
    ),
    "noise of less than nothing": Mistake(
        "gaussian_noise -1 -> dense 2", "bad-option 4:16", "deviation of gaussian_noise is a number of at least 0"
    ),
    "slopes upside down": Mistake(
        "dense 3 -> rrelu 0.5 0.1 -> dense 2",
        "bad-option 4:12",
        "rrelu draws slopes from 0.5 to 0.1 | write the lower end first",
    ),
    "too many options": Mistake(
        "dense 2 true he zeros 5",
        "too-many-options 4:23",
        "dense takes units, bias, init and bias_init; this is one too many",
    ),
    "an option of no word": Mistake(
        "dense 2 -> tanh 3", "too-many-options 4:17", "tanh takes no value; this is one too many"
    ),
    "an option that is none": Mistake(
        "dense 2 unit=3", "unknown-option 4:9", "dense has no option unit | did you mean units?"
    ),
    "numbers of another shape": Mistake(
        "dense 2 init=[1, 2]", "shape-mismatch 4:14", "W1 has shape [6, 2], but its list has [2]"
    ),
    "an identity that is no square": Mistake(
        "dense 3 init=identity -> dense 2",
        "bad-option 4:14",
        "identity needs a square matrix, and W1 has the shape [6, 3]",
    ),
    "a negative rate": Mistake(
        "dense 2",
        "bad-option 6:16",
        "lr of sgd is a number of at least 0, or a schedule; -1 is not",
        {"updater": "sgd lr=-1"},
    ),
    "a schedule without its numbers": Mistake(
        "dense 2", "bad-option 6:16", "cosine lacks its parentheses | as in lr=cosine(", {"updater": "sgd lr=cosine"}
    ),
    "a momentum of all": Mistake(
        "dense 2", "bad-option 6:20", "beta1 of adam is a number from 0 to below 1", {"updater": "adam beta1=1"}
    ),
    "learned behind weights": Mistake(
        "dense 3 -> standardize -> dense 2",
        "learned-from-weights 4:12",
        "standardize learns from the data, so no layer with weights may stand before it",
    ),
}
# Weights of classes, outputs and examples, and the rest of training.
WEIGHTS = {
    "fewer weights than classes": Mistake(
        "dense 3 -> softmax",
        "bad-option 7:7",
        "y has 3 classes, and class_weight lists 2 numbers",
        CLASSES | {"more": "train class_weight=[1, 2]"},
    ),
    "more weights than classes": Mistake(
        "dense 3 -> softmax",
        "bad-option 7:7",
        "y has 3 classes, and class_weight lists 4 numbers",
        CLASSES | {"more": "train class_weight=[1, 2, 3, 4]"},
    ),
    "more weights than truth values": Mistake(
        "dense 1 -> sigmoid",
        "bad-option 7:7",
        "y has 2 classes, and class_weight lists 3 numbers",
        {"target": "binary", "loss": "xent", "more": "train class_weight=[1, 2, 3]"},
    ),
    "a class of no weight": Mistake(
        "dense 3 -> softmax", "bad-option 7:20", "each is above 0", CLASSES | {"more": "train class_weight=[1, 2, 0]"}
    ),
    "a class of negative weight": Mistake(
        "dense 3 -> softmax", "bad-option 7:20", "each is above 0", CLASSES | {"more": "train class_weight=[1, 2, -3]"}
    ),
    "one weight for all classes": Mistake(
        "dense 3 -> softmax",
        "bad-option 7:20",
        "a list of a number above 0 for each class; this is 2",
        CLASSES | {"more": "train class_weight=2"},
    ),
    "weights of no classes": Mistake(
        "dense 2",
        "ambiguous-target 7:7",
        "there is no such target | give each example its weight: sample_weight=NAME",
        {"more": "train class_weight=[1, 2]"},
    ),
    "more weights than outputs": Mistake(
        "dense 2", "shape-mismatch 5:6", "there are 3 weights, but 2 outputs", {"loss": "mse weights=[1, 2, 3]"}
    ),
    "fewer weights than classes in the loss": Mistake(
        "dense 3 -> softmax",
        "shape-mismatch 5:6",
        "there are 2 weights, but 3 outputs",
        {"target": "class(3)", "loss": "mcxent weights=[1, 2]"},
    ),
    "an output of negative weight": Mistake(
        "dense 2",
        "bad-option 5:18",
        "weights of mse is a list of numbers of at least 0, one for each output; -2 is not",
        {"loss": "mse weights=[1, -2]"},
    ),
    "outputs of no weights": Mistake("dense 2", "bad-option 5:18", "this one has 0", {"loss": "mse weights=[]"}),
    "a weight that is no list": Mistake(
        "dense 2",
        "bad-option 5:18",
        "weights of mse is a list of numbers of at least 0, one for each output; this is 1",
        {"loss": "mse weights=1"},
    ),
    "weights that nothing holds": Mistake(
        "dense 2",
        "unknown-name 7:7",
        "sample_weight names a target, and nothing is named w | declare it: target w: positive",
        {"more": "train sample_weight=w"},
    ),
    "weights that may be negative": Mistake(
        "dense 2", "bad-option 8:7", "not negative, but w is f32", {"more": "target w: f32\ntrain sample_weight=w"}
    ),
    "two weights an example": Mistake(
        "dense 2",
        "bad-option 8:7",
        "one number an example that is not negative, but w is unit[2]",
        {"more": "target w: unit[2]\ntrain sample_weight=w"},
    ),
    "all smooth": Mistake(
        "dense 3 -> softmax",
        "bad-option 5:23",
        "smoothing of mcxent is a number from 0 to below 1; 1 is not",
        {"target": "class(3)", "loss": "mcxent smoothing=1"},
    ),
    "less than not smooth": Mistake(
        "dense 3 -> softmax",
        "bad-option 5:23",
        "smoothing of mcxent is a number from 0 to below 1; -0.1 is not",
        {"target": "class(3)", "loss": "mcxent smoothing=-0.1"},
    ),
    "a quantile at the end": Mistake(
        "dense 2", "bad-option 5:17", "q of quantile is a number between 0 and 1; 0 is not", {"loss": "quantile q=0"}
    ),
    "a bend below 0": Mistake(
        "dense 2", "bad-option 5:18", "delta of huber is a number above 0; -1 is not", {"loss": "huber delta=-1"}
    ),
    "no mixtures": Mistake(
        "dense 2",
        "bad-option 5:31",
        "mixtures of mixture_density is a whole number of at least 1; 0 is not",
        {"loss": "mixture_density mixtures=0"},
    ),
    "an option that no loss has": Mistake(
        "dense 2",
        "unknown-option 5:10",
        "mse has no option reduction | it takes weights",
        {"loss": "mse reduction=sum"},
    ),
    "a loss by nothing": Mistake(
        "p = dense 2", "bad-constant 5:6", "this has no value: it divides by zero", {"loss": "mse(p, y) / 0"}
    ),
    "batches of nothing": Mistake(
        "dense 2",
        "bad-option 7:13",
        "batch of train is a whole number of at least 1; 0 is not",
        {"more": "train batch=0"},
    ),
    "no epochs": Mistake(
        "dense 2",
        "bad-option 7:14",
        "epochs of train is a whole number of at least 1; 0 is not",
        {"more": "train epochs=0"},
    ),
    "all rows held out": Mistake(
        "dense 2",
        "bad-option 7:18",
        "validation of train is a share from 0 to below 1; 1 is not",
        {"more": "train validation=100%"},
    ),
    "gradients of no length": Mistake(
        "dense 2", "bad-option 7:17", "clip_norm of train is a number above 0; 0 is not", {"more": "train clip_norm=0"}
    ),
    "two bounds": Mistake(
        "dense 2",
        "bad-option 7:19",
        "clip_norm and clip_value both bound the gradients",
        {"more": "train clip_norm=1 clip_value=1"},
    ),
    "more than all classes": Mistake(
        "dense 3 -> softmax",
        "bad-option 7:8",
        "top_k looks at 4 classes, but there are 3",
        CLASSES | {"more": "metric top_k(k=4)"},
    ),
    "a threshold of numbers": Mistake(
        "dense 2", "target-mismatch 7:11", "which is f32: there is nothing to decide", {"more": "threshold y 0.5"}
    ),
    "a threshold beyond 1": Mistake(
        "dense 1 -> sigmoid",
        "bad-option 7:13",
        "the threshold of y is a number between 0 and 1; 1.5 is not",
        {"target": "binary", "loss": "xent", "more": "threshold y 1.5"},
    ),
}

MISTAKES = OPTIONS | WEIGHTS


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, tmp_path: Path):
    assert_told(MISTAKES[name], tmp_path)
