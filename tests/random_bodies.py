"""Random parts and blocks: chains over a value of a shape, and over another value that a block is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from netc.dsl.types import Type
from random_chains import Chains, Value
from random_words import Definition


@dataclass(frozen=True)
class Body:
    """A part or a block: the shape that it takes, what it gives, and its parameters with their values.

    Those in `required` have no default. A block may be given a value, its first parameter: one of the shape `other`, or
    any list of numbers where that has no axes.
    """

    definition: Definition
    takes: tuple[int, ...]
    gives: Type
    parameters: dict[str, str]
    required: tuple[str, ...]
    other: tuple[int, ...] | None = None

    @property
    def block(self) -> bool:
        return self.definition.text.startswith("def block")


def body(chains: Chains, kind: str, shape: tuple[int, ...]) -> None:
    """A part or a block over values of a shape, which chains may use from then on."""
    name = chains.fresh(kind)
    inner = Chains(replace(chains.pen, used=Counter()), inside=True)
    if kind == "block":
        # Its constants are its parameters.
        inner.pen.lets, inner.pen.stem = [], f"{name}_"
    other = chains.pen.chance.choice((None, (), shape)) if kind == "block" else None
    before = given(inner, other)
    flat, value = inner.flat(Value("in", Type("f32", ("N", *shape)), True))
    wide = value.shape[0]
    words, value = inner.links(value, inner.pen.chance.randint(1, 2))
    back, value = inner.flat(value)
    if other is not None:
        text, value = beside(inner, value)
        back.append(text)
    skip = inner.pen.maybe(0.4) and len(shape) == 1
    units = wide if skip else inner.pen.chance.randint(1, 5)
    words += [*back, inner.dense(value, units), *(["add skip"] if skip else [])]
    lines = [*before, *(["skip = in"] if skip else []), " -> ".join(["in", *flat, *words])]
    inner.pen.count("sentence", "part" if kind == "part" else "def block")
    chains.asked |= inner.asked
    known = dict(let.replace(" ", "").split("=") for let in inner.pen.lets) if kind == "block" else {}
    required = tuple(name for name in known if inner.pen.maybe(0.3))
    order = [*(["other"] if other is not None else []), *required]
    order += [f"{name}={value}" for name, value in known.items() if name not in required]
    head = f"part {name} {{" if kind == "part" else f"def block {name}({', '.join(order)}) {{"
    text = "\n".join([head, *(f"    {line}" for line in lines), "}"])
    gives = Type("f32", ("N", units))
    chains.bodies.append(Body(Definition(name, text, inner.pen.used), shape, gives, known, required, other))


def given(chains: Chains, other: tuple[int, ...] | None) -> list[str]:
    """Make the value that a block is given known to its chains; sentences that make a list of a known size of it."""
    if other is None:
        return []
    if other:
        chains.values["other"] = Value("other", Type("f32", ("N", *other)), True)
        return []
    units = chains.pen.chance.randint(1, 5)
    chains.values["seen"] = Value("seen", Type("f32", ("N", units)), True)
    chains.pen.count("layer", "dense")
    # Which initializers would fit depends on the use.
    return [f"seen = other -> dense {units}"]


def beside(chains: Chains, value: Value) -> tuple[str, Value]:
    """The link that puts what a block is given beside a value, and what it gives."""
    (other,) = chains.values.values()
    chains.pen.count("layer", "concat")
    return f"concat {other.name}", Value("", Type("f32", ("N", value.shape[0] + other.shape[0])), True)
