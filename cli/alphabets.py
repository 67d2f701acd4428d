"""The alphabet of a text that its spec does not name, from the model that training wrote beside the weights."""

from __future__ import annotations

from pathlib import Path

from ..dsl import Net
from ..dsl.series import labelled
from .artifacts import as_written


def with_alphabet(net: Net, weights: Path) -> tuple[Net, Path | None]:
    """The net with the characters that its model beside some weights knows, and that model; None where none is told.

    Both are as netc wrote them last, so that the ids are those which the weights were trained with.
    """
    from ..runtime import Session

    model = weights.with_suffix(".onnx")
    if not unnamed(net) or not as_written(weights.parent, (weights.name, model.name)):
        return net, None
    wanted = {f.name: f.classes for f in (*net.inputs, *net.targets) if f.labels is None}
    known = {f.name: f.labels or () for f in Session(model, "cpu").metadata.fields}
    found = {name: known[name] for name, size in wanted.items() if name in known and len(known[name]) == (size or -1)}
    return (labelled(net, found), model) if found else (net, None)


def unnamed(net: Net) -> list[str]:
    """The inputs of symbols that no label tells."""
    return [f.name for f in net.inputs if f.kind == "token" and f.labels is None]


def said(net: Net, model: Path | None) -> str:
    """What there is to say of the characters of a net that was given weights."""
    if model is not None:
        return f"the alphabet is that of {model}"
    names = ", ".join(unnamed(net))
    cure = 'the model that netc train writes beside its weights knows it, and a spec may name it: token("a", "b")[T]'
    return f"if {names} is a text, this model does not know its alphabet: {cure}" if names else ""
