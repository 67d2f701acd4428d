"""part, def block, repeat and if: what they mean is what the same layers mean when they are written out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import test_gradients
import test_words
from harness import Array, extras, module, small, spec
from netc.codegen import to_numpy, to_onnx
from netc.codegen.about import layer_table
from netc.dsl import load_text

RESIDUAL = """def block residual(units, slope=0.1) {
    skip = in -> dense units bias=false
    in -> dense units -> leakyrelu slope
       -> dense units -> add skip -> tanh
}
"""

# What is written with bodies, and the same written out.
WRITTEN_OUT = {
    "a block": (
        RESIDUAL + "residual 4\nresidual 3 slope=0.2 -> dense 2",
        "s1 = dense 4 bias=false\nx -> dense 4 -> leakyrelu 0.1 -> dense 4 -> add s1\nh = tanh\n"
        "s2 = h -> dense 3 bias=false\nh -> dense 3 -> leakyrelu 0.2 -> dense 3 -> add s2 -> tanh -> dense 2",
    ),
    "repeat": ("repeat 3 { dense 5 -> tanh }\ndense 2", "dense 5 -> tanh\ndense 5 -> tanh\ndense 5 -> tanh\ndense 2"),
    "repeat with names": (
        "h = dense 4\nrepeat 2 {\n    a = dense 4 -> tanh\n    h -> add a\n}\ndense 2",
        "h = dense 4\na = dense 4 -> tanh\nh -> add a\nb = dense 4 -> tanh\nh -> add b\ndense 2",
    ),
    "repeat nothing": ("dense 4\nrepeat 0 { dense 5 }\ndense 2", "dense 4\ndense 2"),
    "repeat in repeat": (
        "repeat 2 {\n    dense 4\n    repeat 2 { relu -> dense 3 }\n}\ndense 2",
        "dense 4 -> relu -> dense 3 -> relu -> dense 3 -> dense 4 -> relu -> dense 3 -> relu -> dense 3 -> dense 2",
    ),
    "if": (
        "let wide = true\nif wide { a = dense 5 -> tanh } else { a = dense 3 }\na -> dense 2",
        "a = dense 5 -> tanh\na -> dense 2",
    ),
    "else": ("let n = 3\nif n > 3 or n < 0 { dense 5 } else { dense 3 -> tanh }\ndense 2", "dense 3 -> tanh\ndense 2"),
    "if without else": ("if 1 == 2 { dense 5 -> tanh }\ndense 2", "dense 2"),
    "if in if": (
        "let n = 3\nif n > 1 {\n    dense n\n    if n > 2 { tanh } else { relu }\n}\ndense 2",
        "dense 3 -> tanh -> dense 2",
    ),
    "parameters decide": (
        "def block stack(n, depth=1, last=true) {\n    repeat depth { dense n -> tanh }\n    if last { dense n }\n}\n"
        "stack 4 depth=2\nstack 3 last=false\ndense 2",
        "dense 4 -> tanh -> dense 4 -> tanh -> dense 4 -> dense 3 -> tanh -> dense 2",
    ),
    "a block in a block": (
        "def block outer(n) { inner (2*n) -> inner n }\ndef block inner(n) { dense n -> tanh }\nouter 2 -> dense 2",
        "dense 4 -> tanh -> dense 2 -> tanh -> dense 2",
    ),
    "a name for a later branch": (
        "def block maybe(join) {\n    skip = in -> tanh\n    in -> dense 6\n    if join { add skip }\n}\n"
        "maybe false -> maybe true -> dense 2",
        "h = dense 6\nskip = h -> tanh\nh -> dense 6 -> add skip -> dense 2",
    ),
    "a part used once": ("part one { dense 4 -> tanh }\none -> dense 2", "dense 4 -> tanh -> dense 2"),
    "a block that gives back its input": ("def block same(on) { if on { tanh } }\nsame false -> dense 2", "dense 2"),
    "options of words": (
        "def block lay(n, c, keep) { dense n init=c bias=keep frozen=(not keep) }\nlay 3 0.1 true -> lay 2 0.2 false",
        "dense 3 init=0.1 -> dense 2 init=0.2 bias=false frozen=true",
    ),
    "a list and a window": (
        "def block turn(shape) { reshape shape -> tanh -> flatten }\nturn [3, 2] -> turn 2x3 -> dense 2",
        "reshape [3, 2] -> tanh -> flatten -> reshape [2, 3] -> tanh -> flatten -> dense 2",
    ),
    "a draw": (
        "def block drop(rate) { dropout rate -> dense 4 }\ndrop 20% -> drop 50% -> dense 2",
        "dropout 20% name=drop1_dropout1 -> dense 4 -> dropout 50% name=drop2_dropout1 -> dense 4 -> dense 2",
    ),
    "statistics": (
        "def block prepared(n) { standardize -> dense n }\nprepared 3 -> dense 2",
        "standardize -> dense 3 -> dense 2",
    ),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_bodies_mean_what_they_mean_written_out(name: str):
    bodies, plain = (small(text) for text in WRITTEN_OUT[name])
    made, p, inputs, targets = test_words.data(bodies)
    other = module(plain)
    order = dict(zip([*bodies.weights, *bodies.states], [*plain.weights, *plain.states], strict=True))
    q = {order[k]: v for k, v in p.items()}
    assert np.array_equal(made.predict(p, *inputs), other.predict(q, *inputs))
    given = extras(made, bodies)
    loss, grads = made.loss_and_grads(p, *inputs, *targets, **given)
    expected, others = other.loss_and_grads(q, *inputs, *targets, **given)
    assert loss == expected
    assert {order[k]: v.tolist() for k, v in grads.items()} == {k: v.tolist() for k, v in others.items()}


# Parts ----------------------------------------------------------------------------------------------------------------

SHARED = {
    "two values": (
        "part twin { dense 4 -> tanh -> dense 3 }\na = x -> tanh -> twin\nx -> twin -> add a -> dense 2",
        "a = x -> tanh -> dense 4 -> tanh -> dense 3\nx -> dense 4 -> tanh -> dense 3 -> add a -> dense 2",
        {"twin_W1": (1, 3), "twin_b1": (1, 3), "twin_W2": (2, 4), "twin_b2": (2, 4), "W1": (5,), "b1": (5,)},
    ),
    "in a row": (
        "part turn { dense 6 l2=0.3 -> tanh }\nrepeat 3 { turn }\ndense 2",
        "dense 6 l2=0.1 -> tanh -> dense 6 l2=0.1 -> tanh -> dense 6 l2=0.1 -> tanh -> dense 2",
        {"turn_W1": (1, 2, 3), "turn_b1": (1, 2, 3), "W1": (4,), "b1": (4,)},
    ),
    "blocks in a part, and the part in a block": (
        "part core { wide 3 -> wide 6 }\ndef block wide(n) { dense n -> tanh }\ndef block twice() { core -> core }\n"
        "core -> twice -> dense 2",
        "dense 3 -> tanh -> dense 6 -> tanh -> dense 3 -> tanh -> dense 6 -> tanh -> dense 3 -> tanh -> dense 6 -> tanh"
        " -> dense 2",
        {
            "core_wide1_W1": (1, 3, 5),
            "core_wide1_b1": (1, 3, 5),
            "core_wide2_W1": (2, 4, 6),
            "core_wide2_b1": (2, 4, 6),
            "W1": (7,),
            "b1": (7,),
        },
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_part_has_one_set_of_weights(name: str):
    """Its gradient is the sum of those that its layers have where each use has weights of its own."""
    shared, apart, layers = SHARED[name]
    net, plain = small(shared), small(apart)
    assert list(net.weights) == list(layers)
    made, p, inputs, targets = test_words.data(net)
    other = module(plain)
    copies = {k: [f"{k.split('_')[-1][0]}{number}" for number in numbers] for k, numbers in layers.items()}
    q = {copy: p[k] for k, names in copies.items() for copy in names}
    assert np.array_equal(made.predict(p, *inputs), other.predict(q, *inputs))
    loss, grads = made.loss_and_grads(p, *inputs, *targets)
    expected, others = other.loss_and_grads(q, *inputs, *targets)
    assert np.isclose(loss, expected, rtol=1e-14)
    for k, names in copies.items():
        # The sums are the same but for the order of their terms.
        assert np.allclose(grads[k], sum(others[copy] for copy in names), rtol=1e-12, atol=1e-15), k


@pytest.mark.parametrize("name", SHARED)
def test_gradients_of_shared_weights(name: str):
    test_gradients.gradients_of_weights(small(SHARED[name][0]))


STEPS = {
    "residual blocks": {"chains": RESIDUAL + "residual 4\nresidual 4 name=last -> dense 2", "updater": "adam"},
    "a part with a draw": {"chains": "part twin { dense 4 -> dropout 30% }\na = twin\nx -> twin -> add a -> dense 2"},
    "a part with l1 and a frozen layer": {
        "chains": "part twin { dense 6 l1=0.1 -> dense 6 frozen=true }\ntwin -> twin -> dense 2",
        "updater": "adam",
        "more": "train clip_norm=0.1",
    },
    "statistics in a part": {"chains": "part ready { standardize -> dense 3 }\nready -> dense 2"},
    "bodies in bodies": {
        "chains": RESIDUAL + "part core { repeat 2 { residual 6 } }\nrepeat 2 { core }\nif true { dense 4 }\ndense 2"
    },
}


@pytest.mark.parametrize("name", STEPS)
def test_step_graph(name: str):
    test_words.check_steps(small(**STEPS[name]), steps=3, what=name)


def test_draws_of_a_part_are_fresh_at_each_use():
    net = small(
        "part noisy { dense 3 -> dropout 20% -> dropout 30% name=late }\na = noisy\nx -> noisy -> add a -> dense 2"
    )
    draws = [i.name for i in net.programs["loss"].of("draw")]
    assert draws == ["noisy_dropout1", "noisy_late", "noisy_dropout2", "noisy_late2"]


# Names ----------------------------------------------------------------------------------------------------------------

NAMES = {
    "a part": ("part core { dense 3 -> dense 6 }\ncore -> core -> dense 2", "core_W1 core_b1 core_W2 core_b2 W1 b1"),
    "a block": (
        "def block wide(n) { dense n }\nwide 3 -> dense 4 -> wide 3 -> dense 2",
        "wide1_W1 wide1_b1 W1 b1 wide2_W1 wide2_b1 W2 b2",
    ),
    "a named use": (
        "def block wide(n) { dense n }\nwide 3 name=first -> wide 2",
        "first_W1 first_b1 wide1_W1 wide1_b1",
    ),
    "a number that a name has": (
        "def block wide(n) { dense n }\nwide 3 name=wide1 -> wide 3 -> wide 2",
        "wide1_W1 wide1_b1 wide2_W1 wide2_b1 wide3_W1 wide3_b1",
    ),
    "a block whose name ends in a digit": (
        "def block res2(n) { dense n }\nres2 3 -> res2 2",
        "res2_1_W1 res2_1_b1 res2_2_W1 res2_2_b1",
    ),
    "within one another": (
        "def block outer(n) { inner n -> dense 3 -> inner n }\ndef block inner(n) { dense n name=enc }\nouter 2",
        "outer1_inner1_W_enc outer1_inner1_b_enc outer1_W1 outer1_b1 outer1_inner2_W_enc outer1_inner2_b_enc",
    ),
    "a part in a part": (
        "part a { dense 6 -> b }\npart b { dense 6 }\na -> b -> dense 2",
        "a_W1 a_b1 b_W1 b_b1 W1 b1",
    ),
    "the user's names win": ("let core_W1 = 2\npart core { dense core_W1 }\ncore", "core_W1_ core_b1"),
    "paths that read alike": (
        "part a { dense 6 }\npart a_b { dense 6 }\ndef block c() { dense 6 }\n"
        "a -> a_b -> c name=a_b1 -> c name=b -> dense 2",
        "a_W1 a_b1 a_b_W1 a_b_b1 a_b1_W1 a_b1_b1 b_W1 b_b1 W1 b1",
    ),
    "repeat counts on": ("repeat 2 { dense 3 }\ndense 2", "W1 b1 W2 b2 W3 b3"),
    "statistics": (
        "def block ready() { standardize }\npart base { standardize name=own -> dense 2 }\nready -> base",
        "base_W1 base_b1 | ready1_mean ready1_deviation base_mean_own base_deviation_own",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_weights(name: str):
    text, expected = NAMES[name]
    net = small(text)
    weights, _, states = expected.partition(" | ")
    assert (list(net.weights), list(net.states)) == (weights.split(), states.split())


def test_weights_know_their_parts():
    net = small("part a { dense 6 -> b }\npart b { dense 6 }\ndef block c() { b -> dense 3 }\nb -> a -> c -> dense 2")
    assert {k: w.parts for k, w in net.weights.items() if k.startswith(("a", "b_", "W", "c1_W"))} == {
        "b_W1": ("b", "a"),
        "b_b1": ("b", "a"),
        "a_W1": ("a",),
        "a_b1": ("a",),
        "c1_W1": (),
        "W1": (),
    }


# The page and the graph -----------------------------------------------------------------------------------------------

PAGE = RESIDUAL + "part core { dense 6 -> relu }\nresidual 6 -> core -> relu\ncore -> dense 2"


def test_headings_say_where_a_layer_belongs():
    page = to_numpy(small(PAGE))
    forward = page[page.index("def loss_and_grads") : page.index("# back through")]
    headings = [line.strip() for line in forward.splitlines() if line.strip().startswith("# ")]
    assert headings == [
        "# residual1 1  dense 6 bias=false",
        "# residual1 2  dense 6 -> leakyrelu 0.1",
        "# residual1 3  dense 6 -> add skip -> tanh",
        "# core 1  dense 6 -> relu",
        "# relu",
        "# core 1 (use 2)  dense 6 -> relu",
        "# 1  dense 2",
        "# loss",
    ]
    assert "    # back through core 1 (use 2)\n" in page and "    # back through residual1 3\n" in page


def test_table_of_layers():
    rows = [" ".join(line.split("(N")[0].split()) for line in layer_table(small(PAGE))[1:]]
    assert rows == [
        "residual1 1 dense 6 bias=false",
        "residual1 2 dense 6 -> leakyrelu 0.1",
        "residual1 3 dense 6",
        "residual1 add skip -> tanh",
        "core 1 dense 6 -> relu",
        "relu",
        "core 1 (use 2) dense 6 -> relu",
        "1 dense 2",
    ]


def test_nodes_lie_in_the_line_of_the_use():
    net = small(PAGE)
    model = to_onnx(net, module(net).init(0))
    lines = {p.value.rpartition(":")[2] for node in model.graph.node for p in node.metadata_props if p.key == "source"}
    assert lines == {"10", "11"}
    origins = [e.origin for e in net.programs["predict"].equations if e.origin[0].line == 10 and len(e.origin) > 1]
    assert {o[-1].line for o in origins} == {5, 6, 7, 9}


def deep(size: int) -> str:
    """Bodies in one another, whose names have this size."""
    part, block, layer, draw = (letter * size for letter in "pbld")
    return f"""part {part} {{ {block} 6 -> {block} 6 }}
def block {block}(n) {{
    skip = in -> dense n name={layer}
    dense n -> leakyrelu 0.2 -> dropout 20% name={draw} -> add skip
}}
x -> {part} -> {part} -> {block} 6 -> dense 2
"""


@pytest.mark.parametrize("text", [PAGE, deep(14), deep(18)], ids=["page", "long names", "longest names"])
def test_ruff(text: str, tmp_path: Path):
    (tmp_path / "small.py").write_text(to_numpy(small(text)), "utf-8")
    for command in (["check"], ["format", "--check"]):
        line = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_titles_show_what_parameters_are():
    links = 'if note == "b" { relu }\n    reshape shape -> flatten -> dense (2*c) bias=keep'
    block = f"def block turn(shape, keep, c, note) {{\n    {links}\n}}"
    net = small(f'{block}\nturn [2, 3] true 1 "a"')
    assert [layer.section.title for layer in net.layers] == ["reshape 2x3", "flatten", "dense (2*1) bias=true"]


def test_constants_on_the_command_line_decide():
    text = spec("let deep = false\nlet n = 2\nrepeat n { dense 3 }\nif deep { tanh -> dense 5 }\ndense 2")
    sizes = {d: len(load_text(text, defines=dict(d)).weights) // 2 for d in [(), (("deep", "true"), ("n", "4"))]}
    assert list(sizes.values()) == [3, 6]


def test_a_block_is_defined_before_or_after_its_use():
    before, after = small("def block b() { dense 3 }\nb -> dense 2"), small("b -> dense 2\ndef block b() { dense 3 }")
    assert list(before.weights) == list(after.weights)


def test_two_inputs_go_into_bodies():
    text = (
        "net two\ninput a: f32[3]\ninput b: f32[3]\ntarget y: f32[2]\npart core { dense 4 -> tanh }\n"
        "left = a -> core\nrepeat 2 { b -> core -> add left }\ndense 2\nloss mse\nupdater sgd\n"
    )
    net = load_text(text)
    test_gradients.gradients_of_weights(net)
    made, p, (a, b), _ = test_words.data(net)

    def core(v: Array) -> Array:
        return np.tanh(v @ p["core_W1"] + p["core_b1"])

    expected = (core(b) + core(a)) @ p["W1"] + p["b1"]
    assert np.allclose(made.predict(p, a, b), expected, rtol=1e-12)
