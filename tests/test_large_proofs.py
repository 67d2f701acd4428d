"""The proof of large nets: in short, and in full on a smaller net of the same text where there is one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from netc.cli import sampling
from netc.cli.proof import SHORT, Proof, prove
from netc.cli.show_proof import render
from netc.cli.smaller import smaller
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, load_text
from netc.runtime import trainer_of

TEXT = """
net named
let width = {width}
let classes = 9
input x: f32[4]
target y: class(classes)
dense width -> relu -> dense width -> relu -> dense classes -> softmax
loss mcxent
updater momentum lr=step(0.1, every=3, factor=0.1)
train epochs=9 batch=12 seed=3
"""
NAMED = load_text(TEXT.format(width=16))
UNNAMED = load_text(
    "\n".join(line for line in TEXT.format(width=16).split("\n") if "let" not in line)
    .replace("width", "16")
    .replace("classes", "9")
)


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LARGE", 2000)


def proof_of(net: Net, change: tuple[str, str] = ("", "")) -> Proof:
    text = to_numpy(net)
    weights = trainer_of(text, f"{net.name}.py").init(3)
    return prove(net, text.replace(*change), to_onnx(net, weights), to_step(net), weights, False)


def test_a_smaller_net_has_the_same_weights_in_smaller_shapes() -> None:
    found = smaller(NAMED)
    assert found is not None and found.defines == {"width": 8, "classes": 4}
    assert list(found.weights) == list(NAMED.weights)
    assert smaller(UNNAMED) is None


def test_a_large_net_is_proven_in_short_and_its_smaller_one_in_full() -> None:
    proof = proof_of(NAMED)
    assert proof.ok and proof.smaller is not None and not proof.unproven
    assert SHORT in proof.notes and SHORT not in proof.smaller.notes
    assert max(row.compared for row in proof.rows if row.what == "weight") == 1
    assert [slope.directions for slope in proof.slopes] == [1] * len(proof.slopes)
    assert min(row.compared for row in proof.smaller.rows if row.what == "weight") > 3
    text = "\n".join(render(proof))
    assert f"in full with width=8 classes=4: {proof.smaller.summary[:20]}" in text.replace("\n  ", " ")
    assert json.loads(json.dumps(proof.to_json()))["smaller"]["of"] == "width=8 classes=4"


def test_what_differs_in_the_smaller_net_alone_fails_the_proof() -> None:
    proof = proof_of(NAMED)
    assert proof.smaller is not None
    broken = replace(proof.smaller, rows=tuple(replace(row, status="differs") for row in proof.smaller.rows))
    assert not replace(proof, smaller=broken).ok
    assert replace(proof, smaller=broken).differing[0][0].endswith("with width=8 classes=4")


def test_a_wrong_large_file_is_seen() -> None:
    assert not proof_of(NAMED, ("v = MOMENTUM * v + g", "v = MOMENTUM * v - g")).ok
