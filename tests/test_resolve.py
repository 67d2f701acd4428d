"""What names, constants, options and sentences mean together: one mistake is one error, what is right is accepted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from harness import module
from netc.codegen import to_onnx
from netc.dsl import Net, Source, SpecError, check, load_text
from netc.dsl.load import defined

HEAD = "net small\ninput x: f32[4]\ntarget y: class(3)\n"
TAIL = "\nloss mcxent\nupdater sgd\n"


def told(text: str, **options: Any) -> list[tuple[str, int]]:
    """The codes and lines of all that is said of a text, the lines of a chain counted from 1."""
    _, report = check(Source("spec.net", text), **options)
    lines = HEAD.count("\n") if text.startswith(HEAD) else 0
    return [(d.code, d.place.line - lines if d.place else 0) for d in report.ordered()]


def chain(text: str) -> str:
    return f"{HEAD}{text}{TAIL}"


def accepted(text: str, **options: Any) -> Net:
    net, report = check(Source("spec.net", text), **options)
    assert net is not None and not report.diagnostics, [d.message for d in report.ordered()]
    return net


def messages(text: str) -> str:
    return "\n".join(f"{d.message} | {d.help}" for d in check(Source("spec.net", text))[1].ordered())


# One mistake, one error -----------------------------------------------------------------------------------------------

ALONE = {
    "an unknown word": ("dens 8 -> relu\ndense 3 -> softmax", "unknown-word"),
    "an unknown word at the end": ("dense 3 -> sofmax", "unknown-word"),
    "an unknown option": ("dense 8 unit=2 -> relu\ndense 3 -> softmax", "unknown-option"),
    "a wrong size": ("dense 0\ndense 3 -> softmax", "bad-option"),
    "a size without a value": ("dense wide -> dense 3 -> softmax", "unknown-name"),
    "an unknown operand": ("dense 3 -> add other -> softmax", "unknown-name"),
    "an unknown operand, twice": ("dense 3 -> add other -> add other -> softmax", "unknown-name"),
    "a target as a source": ("y -> dense 3 -> softmax", "unknown-name"),
    "a flattening that lacks": ("reshape [2, 2] -> dense 8 -> dense 3 -> softmax", "shape-mismatch"),
    "a weight of another shape": ("dense 3 init=[1, 2] -> relu -> dense 3 -> softmax", "shape-mismatch"),
    "a bias that cannot be orthogonal": ("dense 3 bias_init=orthogonal -> softmax", "bad-option"),
    "a layer named twice": ("dense 3 name=a -> dense 3 name=a -> softmax", "duplicate-name"),
    "statistics behind weights": ("dense 3 -> standardize -> softmax", "learned-from-weights"),
    "a layer far too large": ("dense 1000000000000 -> relu -> dense 3 -> softmax", "too-large"),
    "a chain that doubles": ("concat x -> concat x -> foo", "unknown-word"),
    "an unsafe name that is used": ("class = dense 8\nclass -> dense 3 -> softmax", "unsafe-name"),
    "an option of a word without weights": ("relu l2=0.1 -> dense 3 -> softmax", "unknown-option"),
    "a value in a place of none": ("flatten 0.1 -> dense 3 -> softmax", "too-many-options"),
    "values in places of none": ("dense 3 true he zeros 1 2 3 -> softmax", "too-many-options"),
    "first values of no bias": ("dense 3 bias=false bias_init=ones -> softmax", "unknown-option"),
    "a number among names": ("add x 3 -> dense 3 -> softmax", "bad-option"),
}


@pytest.mark.parametrize(("text", "code"), ALONE.values(), ids=ALONE)
def test_one_mistake_in_a_chain_is_one_error(text: str, code: str) -> None:
    assert [found for found, _ in told(chain(text))] == [code]


DECLARED = {
    "an input of no type": (("x: f32[4]", "x: f23[4]"), "unknown-type"),
    "an input of no size": (("x: f32[4]", "x: f32[0]"), "bad-type"),
    "an input too large": (("x: f32[4]", "x: f32[99999, 99999]"), "too-large"),
    "an input of unknown size": (("x: f32[4]", "x: f32[n]"), "unknown-name"),
    "a target of no type": (("y: class(3)", "y: klass(3)"), "unknown-type"),
    "a target without classes": (("y: class(3)", "y: class"), "bad-type"),
    "a target with one class": (("y: class(3)", "y: class(1)"), "bad-type"),
    "an unsafe input": (("x: f32[4]", "import_: f32[4]"), None),
    "a keyword as an input": (("x: f32[4]", "lambda: f32[4]"), "unsafe-name"),
    "a keyword as a target": (("y: class(3)", "class: class(3)"), "unsafe-name"),
    "a net of Python's": (("net small", "net json"), "unsafe-name"),
    "no net": (("net small\n", ""), "missing-net"),
    "no updater": (("updater sgd\n", ""), "missing-updater"),
    "an unknown updater": (("updater sgd", "updater sdg"), "unknown-word"),
    "a loss without its target": (("target y: class(3)\n", ""), "ambiguous-target"),
    "a loss for numbers": (("loss mcxent", "loss mse"), "target-mismatch"),
    "an unknown loss": (("loss mcxent", "loss mxcent"), "unknown-word"),
    "an unknown artifact": (("net small", "targets numpi\nnet small"), "unknown-word"),
    "a constant at fault": (("dense 3", "let k = 1/0\ndense k"), "bad-constant"),
    "a constant at fault in a type": (("x: f32[4]", "x: f32[k]\nlet k = 1/0"), "bad-constant"),
    "an option of later": (("net small", "net small\ntrain test=10%"), "not-yet"),
    "a loss without a name beside another": (("loss mcxent", "loss a = mcxent\nloss mcxent"), "unnamed-loss"),
    "a wrong name for a file": (("net small", 'net small\ndata "/a.csv"'), "bad-path"),
}


@pytest.mark.parametrize(("change", "code"), DECLARED.values(), ids=DECLARED)
def test_one_mistake_elsewhere_is_one_error(change: tuple[str, str], code: str | None) -> None:
    text = chain("dense 3 -> softmax").replace(*change)
    assert [found for found, _ in told(text)] == ([code] if code else [])


def test_independent_mistakes_are_all_told() -> None:
    text = chain("a = dense 0 -> foo 3 -> relu 4\nx -> dense 3 lr=1 -> add q -> bar\ndense n -> softmax")
    assert told(text) == [
        ("bad-option", 1),
        ("unknown-word", 1),
        ("too-many-options", 1),
        ("unknown-option", 2),
        ("unknown-name", 2),
        ("unknown-word", 2),
        ("unknown-name", 3),
    ]


def test_a_file_that_holds_nothing() -> None:
    for text in ("", "\n", "# a comment\n", "let a = 3\n"):
        assert told(text) == [("missing-net", 1)]
    assert [code for code, _ in told("def block two() { relu -> relu }\n")] == ["missing-net"]
    missing = ["missing-input", "missing-layers", "missing-loss", "missing-updater"]
    assert [code for code, _ in told("net small\n")] == missing


# What a message says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dense 4 -> softmax", "end the chain with dense 3 -> softmax"),
        ("dense 4", "end the chain with dense 3 -> softmax"),
        ("dense 3", "end the chain with softmax"),
        ("dense 3 -> softmax -> mcxent", "in a sentence of its own: loss mcxent"),
        ("dense 3 -> softmax -> adam", "in a sentence of its own: updater adam"),
        ("dense 3 -> softmax -> accuracy", "in a sentence of its own: metric accuracy"),
        ("dense 3 -> softmax -> he", "in an option of a layer: init=he"),
        ("dense 3 -> softmax -> updater adam", "write it on a line of its own"),
        ("return x -> dense 3", "return begins a sentence"),
        ("a -> dense 3 -> softmax\na = x -> dense 3", "move the line that names a above this one"),
        ("dense 3 -> a -> softmax\na = x -> dense 3", "add a"),
        ("y -> dense 3 -> softmax", "begin with an input: x"),
        ("dense 3 -> add b -> softmax", "there is x"),
        ("dense 3 -> add xx -> softmax", "did you mean x?"),
        ("dropout 20 -> dense 3 -> softmax", "write 20% if that is meant"),
        ("dense size=3 -> softmax", "it takes units, bias, init, bias_init, l1, l2, "),
        ("dense 3 init=sigmoid -> softmax", "it is that of an activation"),
        ("let n = 2.5\ndense n -> dense 3 -> softmax", "2.5 is not"),
        ('let n = "a"\ndense n -> dense 3 -> softmax', "n is 'a'"),
        ("let n = m\nlet m = 3\ndense n -> softmax", "m is the name of a let that stands below"),
        ("let n = x\ndense n -> softmax", "x is an input, and a constant is needed here"),
        ("dense 3 l2=1e300 -> softmax", "does not fit 32 bits"),
        ("dense 1e300 -> softmax", "whole numbers reach to 2^53"),
    ],
)
def test_messages_say_what_to_do(text: str, said: str) -> None:
    found = messages(chain(text))
    assert said in found, found


# What is accepted -----------------------------------------------------------------------------------------------------


def test_constants() -> None:
    net = accepted(
        chain(
            "let a = 2 * (1 + 3) - 2^2\nlet b = a >= 4 and not a == 5\nlet c = 30%\n"
            "dense a bias=b -> dropout c -> dense 3 -> softmax"
        )
    )
    assert net.weights["W1"].shape == (4, 4) and "b1" in net.weights
    net = accepted(
        chain(
            "let rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1/4, 1, -1]]\ndense 3 init=rows bias_init=(1/2) -> softmax"
        )
    )
    p = module(net).init(1)
    assert p["W1"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.25, 1, -1]] and p["b1"].tolist() == [0.5] * 3


def test_defines() -> None:
    text = chain('let n = 4\nlet f = "a.npz"\nlet b = true\ndense n bias=b -> dense 3 -> softmax')
    net = accepted(text, defines={"n": "2 * 3", "b": "false"})
    assert net.weights["W1"].shape == (4, 6) and "b1" not in net.weights
    assert net.defines == {"n": 6, "b": False}
    assert sorted(code for code, _ in told(text, defines={"n": "x", "m": "1", "b": "3"})) == [
        "bad-constant",
        "bad-option",
        "unknown-define",
    ]
    assert defined("a", "[1, 2]") == (1, 2) and defined("a", "-1e-3") == -1e-3 and defined("a", "3x3") == (3, 3)
    for value in ("x", "1\n2", "1/0", "", "1 2", "net b", "dense 3", "'a'", "1e999", "f(2)"):
        with pytest.raises(SpecError):
            defined("a", value)


def test_losses_compare_with_numbers_and_values() -> None:
    text = "net small\nlet k = 2\ninput x: f32[4]\np = dense 2 -> sigmoid\nq = x -> dense 2 -> sigmoid\noutput p\n"
    for loss in ("mse(p, 3)", "mse(p, k)", "mse(p, -1)", "mse(p, 2 * k)", "xent(p, 1)", "xent(p, 0.5)", "xent(p, q)"):
        accepted(f"{text}loss {loss} + 0.5 * mae(q, p)\nupdater sgd\n")
    for loss, code in (
        ("xent(p, k)", "target-mismatch"),
        ("mse / 0", "ambiguous-target"),
        ("mse(p, q) / 0", "bad-constant"),
    ):
        assert code in [found for found, _ in told(f"{text}loss {loss}\nupdater sgd\n")]


def test_data() -> None:
    net = accepted(chain('dense 3 -> softmax\ndata "d/f.csv" x=a..d y="l.gz" header=false delimiter=";"'))
    bind = {"x": {"span": ["a", "d"]}, "y": {"file": "l.gz"}}
    assert net.data == {"file": "d/f.csv", "bind": bind, "header": False, "delimiter": ";"}


def test_weights_step_aside_for_names() -> None:
    """The same in training, where words draw numbers, and in the model."""
    net = accepted(
        chain("W1 = dense 4 -> dropout 20% name=W2\nb2 = dense 4\ndense 3 -> softmax\n").replace(
            "loss", "output W1\noutput b2\nloss"
        )
    )
    assert set(net.weights) == {"W1_", "b1", "W2", "b2_", "W3", "b3"}
    assert {i.name for i in net.programs["loss"].of("weight")} == set(net.weights)
    (draw,) = net.programs["loss"].of("draw")
    assert draw.name not in net.weights
    to_onnx(net, module(net).init(1))


def test_memory() -> None:
    text = chain("dense 1000 -> dense 3 -> softmax")
    weights, batch = 4 * 2 * (4 * 1000 + 1000 + 3 * 1000 + 3), 4 * 2 * 32 * 1010
    assert accepted(text, memory=2 * (weights + batch))
    assert told(text, memory=weights) == [("too-large", 1)]
    # What one file of ONNX cannot hold is refused whatever memory there is.
    assert told(chain("dense 200000000 -> dense 3 -> softmax"), memory=2**50) == [("too-large", 1)]


# Time -----------------------------------------------------------------------------------------------------------------

MANY = {
    "names": "".join(f"a{i} = relu\n" for i in range(3000)) + "dense 3 -> softmax",
    "statistics": "standardize\n" * 1000 + "dense 3 -> softmax",
    "unknown words": "foo 3\n" * 4000,
    "doublings": "x -> concat x\n" + "".join(f"b{i} = concat x\n" for i in range(500)) + "dense 3 -> softmax",
    "lets": "let a0 = 1\n" + "".join(f"let a{i} = a{i - 1} + 1\n" for i in range(1, 4000)) + "dense 3 -> softmax",
    "inputs": "".join(f"input i{i}: f32\n" for i in range(3000)) + "x -> dense 3 -> softmax",
    "metrics": "dense 3 -> softmax\nmetric " + "accuracy " * 1000,
    "weights": f"dense 3 init=[{', '.join(['[0, 0, 0]'] * 4)}] bias_init=[{', '.join(['1'] * 9000)}] -> softmax",
}


@pytest.mark.parametrize("text", MANY.values(), ids=MANY)
def test_long_specs_are_checked_soon(text: str) -> None:
    load_text(chain("dense 3 -> softmax"))
    # What else the machine does may spoil a timing, but not three of them.
    assert any(seconds(chain(text)) < 2 for _ in range(3)), "long specs take time in proportion to their length"


def seconds(text: str) -> float:
    """How long it takes to say what is wrong with a text."""
    began = time.process_time()
    told(text)
    return time.process_time() - began


def test_numbers_reach_the_weights_as_they_are_written() -> None:
    net = accepted(chain("dense 3 init=0.1 bias_init=[1e-3, 10%, -2] -> softmax"))
    p = module(net).init(1)
    assert np.all(p["W1"] == np.float32(0.1)) and p["b1"].tolist() == np.float32([1e-3, 0.1, -2]).tolist()
