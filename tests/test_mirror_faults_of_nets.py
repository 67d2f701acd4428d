"""Invalid configurations: what is missing, named wrongly or does not go together, told with code, place and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

# Nets that lack something, or have it twice.
MISSING = {
    "no net": Mistake(
        "input x: f32[6]\ntarget y: f32[2]\ndense 2\nloss mse\nupdater sgd\n", "missing-net 1:1", "the file has no net"
    ),
    "no layers": Mistake("", "missing-layers 1:1", "the net has no layers | add a chain"),
    "a body that is never run": Mistake("repeat 0 { dense 2 }", "missing-layers 1:1", "the net has no layers"),
    "no loss": Mistake(
        "net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 2\nupdater sgd\n",
        "missing-loss 1:1",
        "the net has no loss | say what training minimises",
    ),
    "no updater": Mistake(
        "net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 2\nloss mse\n",
        "missing-updater 1:1",
        "the net has no updater | say how weights move",
    ),
    "no input": Mistake(
        "net small\ntarget y: f32[2]\ndense 2\nloss mse\nupdater sgd\n",
        "missing-input 1:1",
        "the net has no input | declare one",
    ),
    "no target": Mistake(
        "net small\ninput x: f32[6]\ndense 2\nloss mse\nupdater sgd\n",
        "ambiguous-target 4:6",
        "there is no target | declare one, target y: f32",
    ),
    "a loss without a word": Mistake(
        "net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 2\nloss\nupdater sgd\n",
        "incomplete-sentence 5:5",
        "loss needs a word, or an expression",
    ),
    "an updater without a word": Mistake(
        "net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 2\nloss mse\nupdater\n",
        "incomplete-sentence 6:8",
        "updater needs a word",
    ),
    "a net without a name": Mistake("net\ninput x: f32\n", "incomplete-sentence 1:4", "net needs a name"),
    "two updaters": Mistake(
        "net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 2\nloss mse\nupdater sgd\nupdater adam\n",
        "duplicate-sentence 7:1",
        "updater stands twice; the first is in line 6",
    ),
    "no weights": Mistake(
        "tanh -> subset 0 1", "nothing-to-train 1:1", "the net has no weight that training could move"
    ),
    "frozen weights alone": Mistake(
        "dense 2 frozen=true", "nothing-to-train 1:1", "the net has no weight that training could move"
    ),
    "a step without a slope": Mistake(
        "dense 3 -> step -> dense 2",
        "nothing-to-train 4:1",
        "no loss trains W1 and b1: what follows has the slope 0, like step",
    ),
    "a loss that is a number": Mistake("p = dense 2", "bad-loss 5:6", "this loss is a constant", {"loss": "3"}),
    "two inputs and no source": Mistake(
        "dense 2",
        "ambiguous-source 4:1",
        "there are 2 inputs, and this chain does not say from which it goes on",
        {"more": "input z: f32[3]"},
    ),
    "two targets and a bare loss": Mistake(
        "dense 2",
        "ambiguous-target 5:6",
        "there are 2 targets | say what it compares: mse(prediction, target)",
        {"more": "target z: f32[3]"},
    ),
    "stopped early by nothing": Mistake(
        "dense 2",
        "missing-validation 7:1",
        "early_stop watches the loss of the validation rows, and there are none",
        {"more": "train early_stop=3"},
    ),
}
# Names that are taken, unknown, or go in circles.
NAMES = {
    "two layers of a name": Mistake(
        "dense 3 name=a -> dense 2 name=a", "duplicate-name 4:32", "a is already the name of a layer"
    ),
    "two values of a name": Mistake(
        "a = dense 3\na = x -> dense 3\nx -> concat a -> dense 2",
        "duplicate-name 5:1",
        "a is already declared in line 4",
    ),
    "a value named like an input": Mistake(
        "x = dense 3\nx -> dense 2", "duplicate-name 4:1", "x is already declared in line 2"
    ),
    "a value named like a target": Mistake(
        "y = dense 3\ny -> dense 2", "duplicate-name 4:1", "y is already declared in line 3"
    ),
    "two losses of a name": Mistake(
        "dense 2", "duplicate-name 6:6", "a is already declared in line 5", {"loss": "a = mse\nloss a = mae"}
    ),
    "a layer that is none": Mistake(
        "dens 2", "unknown-word 4:1", "dens is not the name of a layer, an activation or a value | did you mean dense?"
    ),
    "an activation that is none": Mistake("dense 3 -> tahn -> dense 2", "unknown-word 4:12", "did you mean tanh?"),
    "a value that is none": Mistake(
        "h -> dense 2", "unknown-word 4:1", "h is not the name of a layer, an activation or a value"
    ),
    "an operand that is none": Mistake(
        "concat foo -> dense 2", "unknown-name 4:8", "nothing is named foo | there is x"
    ),
    "a target as an operand": Mistake(
        "concat y -> dense 2", "unknown-name 4:8", "y is a target: what the net learns to give, and cannot see"
    ),
    "a loss that is none": Mistake(
        "dense 2", "unknown-word 5:6", "mxe is not the name of a loss | did you mean", {"loss": "mxe"}
    ),
    "an updater that is none": Mistake(
        "dense 2", "unknown-word 6:9", "adm is not the name of an updater | did you mean adam?", {"updater": "adm"}
    ),
    "a loss as an updater": Mistake(
        "dense 2",
        "unknown-word 6:9",
        "mse is not the name of an updater; it is that of a loss and a metric",
        {"updater": "mse"},
    ),
    "a metric that is none": Mistake(
        "dense 2", "unknown-word 7:8", "foo is not the name of a metric", {"more": "metric foo"}
    ),
    "an initializer that is none": Mistake(
        "dense 2 init=foo", "unknown-word 4:14", "foo is not the name of an initializer"
    ),
    "a schedule that is none": Mistake("dense 2 l2=foo(1)", "unknown-word 4:12", "foo is not the name of a schedule"),
    "a type that is none": Mistake(
        "dense 2", "unknown-type 2:10", "f33 is not a type | did you mean f32?", {"given": "f33[4]"}
    ),
    "an artifact that is none": Mistake(
        "dense 2", "unknown-word 7:9", "foo is not an artifact", {"more": "targets foo"}
    ),
    "an output of nothing": Mistake("dense 2", "unknown-name 7:8", "nothing is named q", {"more": "output q"}),
    "a class as an input": Mistake(
        "dense 2", "bad-type 2:10", "class is a type of targets alone", {"given": "class(3)"}
    ),
    "a category as a target": Mistake(
        "dense 2", "bad-type 3:11", "category is a type of inputs alone", {"target": "category(3)"}
    ),
    "what a loss trains is nothing": Mistake(
        "dense 2", "unknown-name 5:21", "q is neither a part nor the name of a layer", {"loss": "a = mse trains q"}
    ),
    "a keyword as a name": Mistake("dense 2 name=lambda", "unsafe-name 4:14", "lambda is a keyword of Python"),
    "a value that needs itself": Mistake(
        "a = dense 3 -> add a -> dense 2", "unknown-name 4:20", "a needs itself, so it never has a value: a -> a"
    ),
    "a value that begins with itself": Mistake(
        "a = a -> dense 2", "unknown-word 4:5", "a needs itself, so it never has a value: a -> a"
    ),
    "values that need each other": Mistake(
        "a = b -> dense 3\nb = a -> dense 3\nb -> dense 2",
        "unknown-name 4:5",
        "b needs itself, so it never has a value: b -> a -> b",
    ),
    "values in a wider circle": Mistake(
        "a = x -> add c -> dense 3\nb = a -> dense 3\nc = b -> dense 6\nc -> dense 2",
        "unknown-name 4:14",
        "c -> b -> a -> c",
    ),
    "a value of a line below": Mistake(
        "a = x -> add b\nb = x -> dense 6\na -> dense 2",
        "unknown-name 4:14",
        "b has no value yet: it is named below | move the line that names b above this one",
    ),
    "constants that need each other": Mistake(
        "let a = b\nlet b = a\ndense a -> dense 2", "not-constant 4:9", "b is the name of a let that stands below"
    ),
    "a part within itself": Mistake(
        "part p { p }\np -> dense 2", "recursion 4:10", "p uses itself, without end: p -> p"
    ),
    "parts within each other": Mistake(
        "part p { q }\npart q { p }\np -> dense 2", "recursion 5:10", "p uses itself, without end: p -> q -> p"
    ),
    "a block within itself": Mistake(
        "def block b() { dense 6 -> b }\nb -> dense 2", "recursion 4:28", "b uses itself, without end"
    ),
    "formulas within each other": Mistake(
        "def activation f(x) = g(x)\ndef activation g(x) = f(x)\ndense 3 -> f -> dense 2",
        "recursion 4:23",
        "f uses itself, without end: f -> g -> f",
    ),
    "a value left over": Mistake("a = dense 3\ndense 2", "unused 4:1", "nothing uses the value a"),
    "a part left over": Mistake("part p { dense 3 }\ndense 2", "unused 4:6", "nothing uses the part p"),
}
# Values that do not go together, and places that are not there.
JOINED = {
    "add of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> add a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "add needs values of one shape, but has [4] and [3]",
    ),
    "subtract of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> subtract a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "subtract needs values of one shape, but has [4] and [3]",
    ),
    "multiply of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> multiply a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "multiply needs values of one shape, but has [4] and [3]",
    ),
    "average of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> average a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "average needs values of one shape, but has [4] and [3]",
    ),
    "maximum of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> maximum a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "maximum needs values of one shape, but has [4] and [3]",
    ),
    "dot of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> dot a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "dot needs values of one shape, but has [4] and [3]",
    ),
    "l2distance of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> l2distance a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "l2distance needs values of one shape, but has [4] and [3]",
    ),
    "stack of another shape": Mistake(
        "a = dense 3\nx -> dense 4 -> stack a -> flatten -> dense 2",
        "shape-mismatch 5:17",
        "stack needs values of one shape, but has [4] and [3]",
    ),
    "rows beside features": Mistake(
        "a = reshape [2, 3]\nx -> concat a -> dense 2",
        "shape-mismatch 5:6",
        "concat needs values that differ in their features alone, but has [6] and [2, 3]",
    ),
    "add of nothing": Mistake("dense 3 -> add -> dense 2", "missing-option 4:12", "add needs the name of a value"),
    "subtract of nothing": Mistake(
        "dense 3 -> subtract -> dense 2", "missing-option 4:12", "subtract needs the name of a value"
    ),
    "concat of nothing": Mistake(
        "dense 3 -> concat -> dense 2", "missing-option 4:12", "concat needs the name of a value"
    ),
    "l2distance of nothing": Mistake(
        "dense 3 -> l2distance -> dense 2", "missing-option 4:12", "l2distance needs the name of a value"
    ),
    "subtract of too many": Mistake(
        "a = dense 3\nx -> dense 3 -> subtract a a -> dense 2",
        "too-many-options 5:28",
        "subtract takes the name of one value; this is one too many",
    ),
    "dot of too many": Mistake(
        "a = dense 3\nx -> dense 3 -> dot a a -> dense 2",
        "too-many-options 5:23",
        "dot takes the name of one value; this is one too many",
    ),
    "a number beside a value": Mistake("concat 3 -> dense 2", "bad-option 4:8", "concat takes the names of values"),
    "a place beyond the last": Mistake(
        "reshape [2, 3] -> unstack 2 -> dense 2",
        "bad-option 4:19",
        "unstack takes place 2, but reshape gives [2, 3] | places go from 0 to 1",
    ),
    "a place before the first": Mistake(
        "reshape [2, 3] -> unstack -1 -> dense 2",
        "bad-option 4:27",
        "index of unstack is a whole number of at least 0; -1 is not",
    ),
    "a place between two": Mistake(
        "reshape [2, 3] -> unstack 0.5 -> dense 2",
        "bad-option 4:27",
        "index of unstack is a whole number of at least 0; 0.5 is not",
    ),
    "a place of one axis": Mistake(
        "unstack 0 -> dense 2",
        "shape-mismatch 4:1",
        "unstack needs two axes or more, but x gives [6] | to take one of the features, write subset 0 0",
    ),
    "features beyond the last": Mistake(
        "subset 0 6 -> dense 2",
        "bad-option 4:1",
        "subset takes features 0 to 6, but x gives [6] | features go from 0 to 5",
    ),
    "features backwards": Mistake(
        "subset 3 1 -> dense 2", "bad-option 4:1", "features go from 0 to 5, the first before the last"
    ),
    "features before the first": Mistake(
        "subset -1 2 -> dense 2", "bad-option 4:8", "first of subset is a whole number of at least 0; -1 is not"
    ),
    "parts that are not equal": Mistake(
        "split 4 0 -> dense 2", "bad-option 4:1", "the number of features is a multiple of the parts"
    ),
    "a part beyond the last": Mistake(
        "split 2 2 -> dense 2", "bad-option 4:1", "split takes part 2 of 2, but x gives [6] | parts go from 0 to 1"
    ),
    "a part of another shape": Mistake(
        "part p { dense 3 }\np -> p -> dense 2",
        "shape-mismatch 4:10",
        "p_W1 is [6, 3] since the use in line 5, but here it would be [3, 3]",
    ),
    "a prediction and no target": Mistake("dense 2", "bad-loss 5:6", "mse compares two things", {"loss": "mse(y)"}),
    "a target and another": Mistake("p = dense 2", "bad-loss 5:6", "mse compares two things", {"loss": "mse(p, y, 3)"}),
    "a target before its prediction": Mistake(
        "p = dense 2",
        "bad-loss 5:10",
        "y is a target, and the prediction comes first | write mse(p, y)",
        {"loss": "mse(y, p)"},
    ),
}

MISTAKES = MISSING | NAMES | JOINED


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, tmp_path: Path):
    assert_told(MISTAKES[name], tmp_path)
