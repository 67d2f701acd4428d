"""What is said of a word or a name that stands in a chain and cannot."""

from __future__ import annotations

from .bodies import chains, mentioned
from .declared import a_kind
from .diagnostics import did_you_mean, listed
from .foreign import SENTENCES as FOREIGN_SENTENCES
from .foreign import absent, word_here
from .frame import Frame
from .resolve import Spec
from .source import Place
from .syntax import Link
from .words import WORDS

# Where words stand that no chain has.
PLACES = {
    "loss": "in a sentence of its own: loss {}",
    "updater": "in a sentence of its own: updater {}",
    "solver": "in a sentence of its own: updater {}",
    "metric": "in a sentence of its own: metric {}",
    "init": "in an option of a layer: init={}",
    "schedule": "in an option of an updater: lr={}(...)",
}
SENTENCES = (
    *("net", "let", "input", "target", "noise", "output", "threshold", "loss", "updater", "metric", "train", "data"),
    *("targets", "part", "def", "repeat", "if", "import", "return", "weight", "state"),
)


def unknown_word(link: Link, spec: Spec, frame: Frame) -> tuple[str, str]:
    """The message and the help for a word that is no layer, no activation, no block and no part."""
    word, scope = link.word, frame.scope
    if frame.declares(word) and _circle(word, spec):
        return _circular(word, spec)
    if frame.declares(word) or word in scope.constants:
        message = f"{word} is a name of the spec, and no layer"
        help = f"a value begins a chain, or stands after a word that combines values: add {word}"
        return message, help
    if word == "in" or (word in spec.places and frame.subject):
        return _outside(word, frame)
    kind = next((k for k in PLACES if scope.find(k, word)), None)
    if kind:
        message = f"{word} is {a_kind(kind)}, and a chain joins layers and activations"
        return message, f"it stands {PLACES[kind].format(word)}"
    if word in SENTENCES:
        return f"{word} begins a sentence, and is no layer", "write it on a line of its own"
    known = [*scope.names("layer"), *scope.names("activation"), *spec.parts, *spec.blocks]
    known += frame.known if not link.arguments else ()
    message = f"{word} is not the name of a layer, an activation or a value"
    help = _foreign(word) or did_you_mean(word, known) or did_you_mean(word, SENTENCES)
    return message, help or "netc words lists the layers and activations"


def _foreign(word: str) -> str | None:
    """The help for what another library calls so."""
    if word in FOREIGN_SENTENCES:
        return f"here it is a sentence: {FOREIGN_SENTENCES[word]}"
    here = word_here(word, "layer", "activation")
    if here:
        return f"here it is called {here}"
    kinds = {kind: found for kind in PLACES if (found := word_here(word, kind))}
    for kind, found in kinds.items():
        own = found.partition(",")[0]
        return f"here it is called {own}, and stands {PLACES[kind].format(own)}"
    return absent(word)


def unknown_name(name: str, place: Place, spec: Spec, frame: Frame) -> tuple[str, str]:
    """The message and the help for a name that has no value."""
    values = frame.known
    if name in frame.scope.constants:
        first = f"name one where {frame.subject} is used" if frame.subject.startswith("the block") else "name an input"
        return f"{name} is a constant, and no value of the net", f"{first}, or a value above this line"
    if name in spec.parts:
        return f"{name} is a part, and no value", f"give it one as a layer: x -> {name}"
    if frame.declares(name) and name in spec.fields:
        help = f"begin with an input: {spec.of('input')[0].name}" if spec.of("input") else "declare an input"
        return f"{name} is a target: what the net learns to give, and cannot see", help
    if frame.declares(name) and _circle(name, spec):
        return _circular(name, spec)
    if frame.declares(name) and frame.visible[name].start < place.start:
        return f"{name} is what this chain is named, and has no value yet", "name another value, in a line above"
    if frame.declares(name):
        return f"{name} has no value yet: it is named below", f"move the line that names {name} above this one"
    if name == "in" or name in spec.places:
        return _outside(name, frame)
    known = f"there are {listed(values)}" if len(values) > 1 else f"there is {listed(values)}"
    help = did_you_mean(name, values) or (known if values else "declare an input: input x: f32[4]")
    return f"nothing is named {name}", help


def unknown_argument(name: str, frame: Frame) -> str | None:
    """The help for an argument of a block that names nothing; None where it has a meaning that no constant has."""
    if name in ("True", "False") or any(word == name for _, word in WORDS):
        return None
    near = did_you_mean(name, [*frame.scope.constants, *frame.known])
    return near or f"name a value above this line, or declare a constant: let {name} = 1"


def _circular(name: str, spec: Spec) -> tuple[str, str]:
    message = f"{name} needs itself, so it never has a value: {' -> '.join([name, *_circle(name, spec)])}"
    return message, "let one of them go on from an input, or from a value above"


def _circle(name: str, spec: Spec) -> list[str]:
    """The values by which one of the net's depends on itself, itself the last; none where it does not."""
    needs = {chain.name: [*mentioned(chain)] for chain in chains(spec.chains, repeated=False) if chain.name}
    ways = {name: [name]}
    for found in (queue := [name]):
        for other in needs.get(found, ()):
            if other == name:
                return [*ways[found][1:], name]
            if other in needs and other not in ways:
                ways[other] = [*ways[found], other]
                queue.append(other)
    return []


def _outside(name: str, frame: Frame) -> tuple[str, str]:
    """The message and the help for a name that means something elsewhere."""
    if not frame.subject:
        return f"{name} is the input of a block or part, and this is neither", "name an input, or a value above"
    message = f"{name} is a value of the net, and {frame.subject} sees only its own"
    return message, "its input is called in; join it with other values where it is used"
