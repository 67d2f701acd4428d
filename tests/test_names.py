"""The user's names and texts: refused with a place, or the artifacts' own names step aside."""

from __future__ import annotations

import ast
import os

import numpy as np
import pytest
from harness import batch, module, weights
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, SpecError, load_text
from test_emitted import EVERYTHING, PLAIN

HOSTILE = """
p np draws math x2 W1 b1 W2 z1 h1 loss grads name epoch step part part2 error mean deviation relu tanh softmax
stream seed SEED INPUTS TARGETS LR BATCH EPOCHS NAME init fit update predict metrics evaluate split batches draw
train check load main len float print min max abs range sum tuple list sys os hashlib match case type lambda None x
y a n N data inputs targets rows held best kept wait report moments rate m v g w unbias count shape shapes keep
dropout1 dropout dense concat prediction predictions batch examples clip_norm CLIP_NORM limit gradients norm scale
erf _x __x__ net input target dy dz2 d derror dW1 W_first b_first mean2 mean1 W3 onehot probs losses y_class y_next
constant matmul add shape_2
""".split()  # noqa: SIM905
MODULES = {"argparse", "math", "sys", "os", "hashlib"}
ROLES = {
    "input": "net small\ninput {}: f32[3]\ntarget yy: f32[2]\nhh = standardize -> dense 3 name=first",
    "target": "net small\ninput xx: f32[3]\ntarget {}: f32[2]\nhh = standardize -> dense 3 name=first",
    "value": "net small\ninput xx: f32[3]\ntarget yy: f32[2]\n{} = standardize -> dense 3 name=first",
    "layer": "net small\ninput xx: f32[3]\ntarget yy: f32[2]\nhh = standardize -> dense 3 name={}",
    "net": "net {}\ninput xx: f32[3]\ntarget yy: f32[2]\nhh = standardize -> dense 3 name=first",
}
REST = " -> gelu -> dropout 20%\n{} -> dense 2 l2=0.1\nloss mse\nupdater adam lr=exponential(0.1)\nmetric r2\n"
REST += "train validation=30% epochs=2 batch=4 clip_norm=3\n"


def accepted(name: str, role: str) -> Net | None:
    """The net, or None after a diagnostic that points at a place."""
    try:
        return load_text(ROLES[role].format(name) + REST.format(name if role == "value" else "hh"))
    except SpecError as error:
        assert all(d.place is not None for d in error.diagnostics)
        return None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hostile_names(role: str, capsys: pytest.CaptureFixture[str]):
    """A name is refused with its place, or every function of the file works."""
    refused: set[str] = set()
    always = {"lambda", "None", "__x__", "_x"}
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)).astype(np.float32), rng.standard_normal((12, 2)).astype(np.float32)
    # An input is a parameter of every function; the other names meet fewer. What nets with them compute, to the last
    # bit and with each name in each place, is in test_properties.
    few = HOSTILE[:: 2 if role == "input" else 6]
    for name in HOSTILE if "NETC_EXHAUSTIVE" in os.environ else {*few, *always, "draws", "p", "math", *MODULES}:
        net = accepted(name, role)
        if net is None:
            refused.add(name)
            continue
        made = module(net)
        p = made.train([x], [y])
        assert made.check([x], [y]) == [], name
        assert made.predict(p, x).shape == (12, 2)
    capsys.readouterr()
    modules = MODULES if role == "net" else set()
    assert always <= refused <= always | modules | {"W_first", "b_first"}


@pytest.mark.parametrize("role", ["input", "target", "value", "layer"])
def test_hostile_names_in_graphs(role: str):
    for name in (
        "draws",
        "step",
        "epoch",
        "loss",
        "W1",
        "matmul",
        "constant",
        "y_class",
        "shape",
        "x2",
        "part",
        "probs",
        "dropout1",
    ):
        net = accepted(name, role)
        assert net is not None, name
        p = module(net).init(0)
        named = {i.name for i in to_onnx(net, p).graph.input}
        assert named == {net.inputs[0].name}
        outputs = {o.name for o in to_step(net).graph.output}
        assert {f"{w}.next" for w in net.trained} < outputs


@pytest.mark.parametrize("name", ["numpy", "random", "json", "types", "inspect", "re", "secrets"])
def test_a_net_is_not_called_like_a_module(name: str):
    """NAME.py would stand in that module's place when it is run."""
    with pytest.raises(SpecError, match=name):
        load_text(PLAIN.replace("net plain", f"net {name}"))


def test_long_names_work():
    net = load_text(EVERYTHING)
    made, rng = module(net), np.random.default_rng(0)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    loss, grads = made.loss_and_grads(p, *inputs, *targets, draws=made.draw(0, 1, 5), clip_norm=5)
    assert np.isfinite(loss) and set(grads) == set(net.trained)
    assert to_onnx(net, p) and to_step(net)


SPITEFUL = 'say """ and \\\\ and # and \\n and {{ x }} and {% raw %}'


def test_hostile_texts():
    """Comments, labels and file names cannot end a string or a comment of the page."""
    text = PLAIN.replace("class(3)", 'class("a\\"\\"\\"", "b\\\\", "{{ c }}\\n")').replace(
        "input", f"## {SPITEFUL}\ninput", 1
    )
    net = load_text(text, name='we"""ird\\\r\nimport os.net')
    page = to_numpy(net)
    assert "\r" not in page and module(net).NAME == "plain"
    tree = ast.parse(page)
    assert {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names} == {
        "argparse",
        "hashlib",
        "math",
        "os",
        "sys",
        "numpy",
    }
    assert "{{ x }}" in (ast.get_docstring(tree) or "")
