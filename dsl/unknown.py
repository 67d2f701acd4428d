"""What is said of a word or a name that stands in a chain and cannot."""

from __future__ import annotations

from collections.abc import Iterable

from .declared import a_kind
from .diagnostics import did_you_mean, listed
from .resolve import Spec
from .syntax import Link
from .words import find, names

# Where words stand that no chain has.
PLACES = {
    "loss": "in a sentence of its own: loss {}",
    "updater": "in a sentence of its own: updater {}",
    "metric": "in a sentence of its own: metric {}",
    "init": "in an option of a layer: init={}",
    "schedule": "in an option of an updater: lr={}(...)",
}
SENTENCES = (
    *("net", "let", "input", "target", "noise", "output", "threshold", "loss", "updater", "metric", "train", "data"),
    *("targets", "part", "def", "repeat", "if", "import", "return", "weight", "state"),
)


def unknown_word(link: Link, spec: Spec, values: Iterable[str]) -> tuple[str, str]:
    """The message and the help for a word that is no layer and no activation."""
    word = link.word
    kind = next((k for k in PLACES if find(k, word)), None)
    if word in spec.places:
        message = f"{word} is a name of the spec, and no layer"
        help = f"a value begins a chain, or stands after a word that combines values: add {word}"
        return message, help
    if kind:
        message = f"{word} is {a_kind(kind)}, and a chain joins layers and activations"
        return message, f"it stands {PLACES[kind].format(word)}"
    if word in SENTENCES:
        return f"{word} begins a sentence, and is no layer", "write it on a line of its own"
    known = [*names("layer"), *names("activation"), *(values if not link.arguments else ())]
    help = did_you_mean(word, known) or "netc words lists the layers and activations"
    return f"{word} is not the name of a layer, an activation or a value", help


def unknown_name(name: str, spec: Spec, values: list[str]) -> tuple[str, str]:
    """The message and the help for a name that has no value; `values` are the names that have one."""
    if name in spec.scope.constants:
        return f"{name} is a constant, and no value of the net", "name an input, or a value above this line"
    if name in spec.fields:
        help = f"begin with an input: {spec.of('input')[0].name}" if spec.of("input") else "declare an input"
        return f"{name} is a target: what the net learns to give, and cannot see", help
    if name in spec.places:
        return f"{name} has no value yet: it is named below", f"move the line that names {name} above this one"
    known = f"there are {listed(values)}" if len(values) > 1 else f"there is {listed(values)}"
    help = did_you_mean(name, values) or (known if values else "declare an input: input x: f32[4]")
    return f"nothing is named {name}", help
