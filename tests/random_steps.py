"""Random inputs over steps whose number is known only at run time, and chains over them, or that end them."""

from __future__ import annotations

from netc.dsl.derived_steps import derived
from netc.dsl.types import REAL, Dim, Domain, Type
from netc.dsl.words import WORDS, Word
from random_chains import LINKS, Chains, Value

# Layers that give steps, and those after which there are none.
OTHERS = ("reverse_time", "attention", "dot_attention", "additive_attention", "positions", "dense", "dropout")
OTHERS = (*OTHERS, "layernorm", "batchnorm", "tanh", "gelu", "softsign")
# Those whose windows may leave fewer steps, of so many at least and in strides of no more.
WINDOWS = ("conv", "depthwise", "separable", "maxpool", "avgpool", "sumpool", "normpool")
FEWEST, STRIDE = 9, 4
STEPS = [w for w in LINKS if w.recurrent or w.prefix or w.name in (*OTHERS, *WINDOWS)]
ENDS = [WORDS["layer", name] for name in ("last_step", "globalavgpool", "globalmaxpool", "attention_pool")]


# Those that see each step of sentences of words, or the words of each.
PLAIN = [w for w in LINKS if w.name in set(OTHERS) - {"reverse_time"}]
ROWS = [w for w in LINKS if w.recurrent or w.name in ("reverse_time", "attention", "dot_attention", "bidirectional")]


def over_time(chains: Chains, name: str, steps: str, inner: str) -> tuple[str, str, Value]:
    """The type of an input over steps of a name, the chain that begins with it, and what that gives, mostly steps.

    It may be sentences of words, whose name is the inner one.
    """
    pen = chains.pen
    pen.count("sentence", "over time")
    size = pen.chance.randint(1, 4)
    names = (steps, inner) if inner and pen.maybe(0.4) else (steps,)
    if len(names) > 1:
        pen.count("sentence", "steps within steps")
    if pen.maybe(0.3):
        pen.count("input", "token")
        text = f"token({size + 1})[{', '.join(names)}]"
        value = Value("", Type("i64", ("N", *names), Domain(0, size, False, False, whole=True)))
        found = chains.word_link(WORDS["layer", pen.chance.choice(("embedding", "onehot"))], value)
        assert found
        words, value = found
    else:
        pen.count("input", "f32")
        text, words = f"f32[{', '.join(names)}, {size}]", []
        value = Value("", Type("f32", ("N", *names, size), REAL))
    words = [name, *words]
    if len(value.type.shape) > 2:  # the embedding of a bag may have no steps
        more, value = links(chains, value, pen.chance.randint(1, 3))
        words += more
    if len(value.type.shape) == 4 and pen.maybe(0.7):
        more, value = _without_words(chains, value)
        words += more
        more, value = links(chains, value, pen.chance.randint(0, 2))
        words += more
    if pen.maybe(0.6):
        pen.count("sentence", "lengths")
        text += " lengths=true"
    return text, " -> ".join(words), value


def steps_of(value: Value) -> list[str]:
    """The names of its steps."""
    return [d for d in value.type.shape[1:] if isinstance(d, str)]


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
    if len(value.type.shape) == 4:
        return _within(chains, value)
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


def _within(chains: Chains, value: Value) -> tuple[list[str], Value]:
    """A layer over sentences of words that gives such again."""
    while True:
        each = chains.pen.maybe(0.5)
        found = _each(chains, value, ROWS) if each else chains.word_link(chains.pen.chance.choice(PLAIN), value)
        if found and found[1].type.shape[:3] == value.type.shape[:3]:
            return found


def _each(chains: Chains, value: Value, words: list[Word]) -> tuple[list[str], Value] | None:
    """A layer that sees each sentence as an example of its own."""
    one = Value("", Type("f32", ("N", *value.type.shape[2:])), value.weighted, False)
    found = chains.word_link(chains.pen.chance.choice(words), one)
    if found is None or len(found[0]) > 1:
        return None
    chains.pen.count("layer", "time_distributed")
    given = found[1].type.shape
    return [f"time_distributed {found[0][0]}"], Value(
        "", Type("f32", (*value.type.shape[:2], *given[1:])), found[1].weighted, False
    )


def _without_words(chains: Chains, value: Value) -> tuple[list[str], Value]:
    """What makes a vector of each sentence of the words that count."""
    while True:
        word = chains.pen.chance.choice(ENDS)
        each = word.name == "last_step" or chains.pen.maybe(0.3)
        found = _each(chains, value, [word]) if each else chains.word_link(word, value)
        if found:
            return found


def end(chains: Chains, value: Value) -> tuple[list[str], Value]:
    """What makes a list of numbers of the steps that count."""
    before: list[str] = []
    if len(value.type.shape) == 4:
        before, value = _without_words(chains, value)
    while True:
        found = chains.word_link(chains.pen.chance.choice(ENDS), value)
        if found:
            return [*before, *found[0]], found[1]
