"""Random inputs over steps whose number is known only at run time, and chains over them, or that end them."""

from __future__ import annotations

from netc.dsl.derived_steps import derived
from netc.dsl.types import REAL, Dim, Domain, Type
from netc.dsl.words import WORDS
from random_chains import LINKS, Chains, Value

# Layers that give steps, and those after which there are none.
OTHERS = ("reverse_time", "attention", "dot_attention", "additive_attention", "positions", "dense", "dropout")
OTHERS = (*OTHERS, "layernorm", "tanh", "gelu", "softsign")
# Those whose windows may leave fewer steps, of so many at least and in strides of no more.
WINDOWS = ("conv", "depthwise", "separable", "maxpool", "avgpool", "sumpool", "normpool")
FEWEST, STRIDE = 9, 4
STEPS = [w for w in LINKS if w.recurrent or w.prefix or w.name in (*OTHERS, *WINDOWS)]
ENDS = [WORDS["layer", name] for name in ("last_step", "globalavgpool", "globalmaxpool", "attention_pool")]


def over_time(chains: Chains, name: str, steps: str) -> tuple[str, str, Value]:
    """The type of an input over steps of a name, the chain that begins with it, and what that gives, mostly steps."""
    pen = chains.pen
    pen.count("sentence", "over time")
    size = pen.chance.randint(1, 4)
    if pen.maybe(0.3):
        pen.count("input", "token")
        text = f"token({size + 1})[{steps}]"
        value = Value("", Type("i64", ("N", steps), Domain(0, size, False, False, whole=True)))
        found = chains.word_link(WORDS["layer", pen.chance.choice(("embedding", "onehot"))], value)
        assert found
        words, value = found
    else:
        pen.count("input", "f32")
        text, words = f"f32[{steps}, {size}]", []
        value = Value("", Type("f32", ("N", steps, size), REAL))
    words = [name, *words]
    if len(value.type.shape) == 3:  # the embedding of a bag has no steps
        more, value = links(chains, value, pen.chance.randint(1, 3))
        words += more
    if pen.maybe(0.6):
        pen.count("sentence", "lengths")
        text += " lengths=true"
    return text, " -> ".join(words), value


def links(chains: Chains, value: Value, count: int, keeping: bool = False) -> tuple[list[str], Value]:
    """Layers over steps; `keeping` as many as there are."""
    found: list[str] = []
    for _ in range(count):
        more, value = _link(chains, value, keeping)
        found += more
    return found, value


def _link(chains: Chains, value: Value, keeping: bool) -> tuple[list[str], Value]:
    """A layer that gives steps again."""
    pen = chains.pen
    cells = [own for own in pen.own if own.kind == "cell"]
    if cells and pen.maybe(0.5):
        cell, units = pen.chance.choice(cells), pen.chance.randint(1, 4)
        both, steps = pen.maybe(0.3), value.type.shape[1]
        wide = Type("f32", ("N", steps, units * (1 + both)))
        chains.asked |= {"lr_scale"} if "lr_scale" in cell.options else set()
        return [f"{'bidirectional ' * both}{cell.name} {units}"], Value("", wide, True)
    while True:
        found = chains.word_link(pen.chance.choice(STEPS), value)
        if not found or len(found[1].type.shape) != 3:
            continue
        same = found[1].type.shape[1] == value.type.shape[1]
        if same or (not keeping and _few(found[1].type.shape[1])):
            pen.used["sentence", "windows over time"] += not same
            return found


def _few(dim: Dim) -> bool:
    """Whether an axis has steps, and may have some in the few that a proof looks at."""
    steps = derived(dim)
    return steps is not None and steps.base != "N" and steps.least() <= FEWEST and steps.over <= STRIDE


def end(chains: Chains, value: Value) -> tuple[list[str], Value]:
    """What makes a list of numbers of the steps that count."""
    while True:
        found = chains.word_link(chains.pen.chance.choice(ENDS), value)
        if found:
            return found
