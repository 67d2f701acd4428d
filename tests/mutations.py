"""Texts that are almost specs: plausible ones, real ones changed at random, and noise; one seed gives one text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from netc.dsl import vocabulary
from netc.dsl.functions import FUNCTIONS
from netc.dsl.words import WORDS, Word
from random_nets import spec_of
from reading import SAMPLES, SENTENCES

assert vocabulary.__all__

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.net"))
TEXTS = [path.read_text("utf-8") for path in (*SAMPLES, *SPECS)]
LINES = [line for text in TEXTS for line in text.splitlines() if line.strip()]
LINES += [text for text, _ in SENTENCES]
TOKEN = re.compile(r'"[^"\n]*"|\w+|\n|[^\w\s]')

# Names that Python, its library, the page and ONNX have uses for, beside plain ones.
NAMES = [
    *("x", "y", "a", "b", "h", "width", "p", "W1", "b1", "np", "print", "loss", "input", "init", "class", "if", "_"),
    *("__init__", "N", "draws", "grads", "moments", "step", "epoch", "relu", "dense", "mse", "self", "numpy", "x" * 40),
]
NUMBERS = [
    *("0", "1", "2", "3", "4", "16", "-1", "0.5", "1e-3", "10%", "100%", "1e308", "-1e308", "1e-308", "1e39", "2.5"),
    *("9999999999999", "9007199254740993", "340282366920938463463374607431768211456", "1000000", "65537", "1e300"),
]
NASTY = [
    *("\0", "\r", "\r\n", "\t", "\x0b", "\x1b[31m", "\x7f", "\u00a0", "\u2028", "\u202e", "\u200b", "\ufeff", "\u2212"),
    *("\u00e9", "e\u0301", "\u0660", "\uff11", "\U0001d51e", "\U0001f9e0", "\ud800", "\ufdd0", "\u00df", "\u0130"),
]
PIECES = [
    *" \n()[]{}=,:.-+*/^@#\"%\\;'`&|!<>",
    *(" -> ", "->", "##", "..", "==", "\\\n", '"""', "{{ x }}", "{% raw %}", "#}", " -> -> ", "3x3", "else", "true"),
    *(" trains ", " with ", "net a\n", "input x: f32[4]\n", "def ", "repeat 3 { ", "output x = ", "(((", ")))", "\n\n"),
]


def text_of(seed: int) -> str:
    """The text of a seed."""
    chance = random.Random(seed)
    make = chance.choices((plausible, mutated, spliced, noise), (5, 5, 2, 1))[0]
    return make(chance)[:20_000]


# Plausible specs ------------------------------------------------------------------------------------------------------


def plausible(chance: random.Random) -> str:
    """Sentences of the language with words, options and values that often fit."""
    lines = [f"net {name(chance)}" if chance.random() < 0.9 else ""]
    lines += [f"let {name(chance)} = {value(chance)}" for _ in range(chance.choice((0, 0, 1, 2)))]
    lines += [f"input {x}: {kind(chance)}" for x in chance.sample(NAMES, chance.choice((1, 1, 1, 2, 0)))]
    lines += [f"target {y}: {kind(chance)}" for y in chance.sample(["y", "t", *NAMES], chance.choice((1, 1, 1, 2, 0)))]
    lines += [definition(chance) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    lines += [chain(chance) for _ in range(chance.randint(0, 4))]
    lines += [sentence(chance) for _ in range(chance.randint(0, 5))]
    if chance.random() < 0.2:
        chance.shuffle(lines)
    return "\n".join(lines)


def name(chance: random.Random) -> str:
    return chance.choice(NAMES[:6] if chance.random() < 0.7 else NAMES)


def number(chance: random.Random) -> str:
    return chance.choice(NUMBERS[:6] if chance.random() < 0.7 else NUMBERS)


def value(chance: random.Random, depth: int = 0) -> str:
    """An argument of any kind."""
    if depth > 2 or chance.random() < 0.6:
        return number(chance)
    inner = [value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    forms = [name(chance), f'"{name(chance)}"', "true", "3x3", f"[{', '.join(inner)}]", f"{name(chance)}()"]
    forms.append(f"{word(chance).name}({', '.join(inner)})")
    forms.append(f"({value(chance, depth + 1)} {chance.choice('+-*/^@<')} {value(chance, depth + 1)})")
    return chance.choice(forms)


def kind(chance: random.Random) -> str:
    return chance.choice(
        ["f32", "f32[4]", "f32[6]", "unit", "binary", "positive[2]", "class(3)", 'class("a", "b")', "f32[2, 3]"]
        + [
            f"f32[{value(chance)}]",
            f"class({value(chance)})",
            "f64[3]",
            "u8[1, 28, 28]",
            "f32[T, 8]",
            f"{name(chance)}[2]",
        ]
    )


# What formulas are made of, and the heads and bodies of definitions around them.
LEAVES = ["x", "p", "y", "in", "w", "g", "t", "m", "a", "b", "W", "epoch", "fan_in", "normal()", "in.features", "pi"]
HEADS = {
    "activation": "(x, a=1) = {}",
    "loss": "(p, y, a=0.5) = mean({})",
    "metric": "(p, y) = {}",
    "init": "(a=1) = {}",
    "schedule": "(a) = {}",
    "layer": "(a=2, b=true) {{\n weight W: [in.features, {}]\n if {} {{\n return in @ W\n }}\n m = {}\n return {}\n}}",
    "updater": "(a=0.1) {{\n state m = {}\n m = {}\n w = w - a * {}\n}}",
}


def formula(chance: random.Random, depth: int = 0) -> str:
    if depth > 3 or chance.random() < 0.3:
        return chance.choice([number(chance), chance.choice(LEAVES[:8]), chance.choice(LEAVES)])
    inner = [formula(chance, depth + 1) for _ in range(chance.choice((1, 1, 2, 3)))]
    one, other = inner[0], inner[-1]
    forms = [f"{chance.choice([*FUNCTIONS, 'softmax', 'b', 'leakyrelu'])}({', '.join(inner)})"] * 3
    forms += [f"({one} {chance.choice('+-*/^@<')} {other})"] * 3
    forms += [f"mean({one}, axis={number(chance)})", f"where({one} > {other}, {one}, {other})", f"-{one}", f"not {one}"]
    return chance.choice(forms)


def definition(chance: random.Random) -> str:
    """A definition of any kind with random formulas."""
    kind, head = chance.choice(list(HEADS.items()))
    parts = [formula(chance) for _ in range(head.count("{}"))]
    return f"def {kind} {name(chance)}{head.format(*parts)}"


def word(chance: random.Random, *kinds: str) -> Word:
    return chance.choice([w for w in WORDS.values() if not kinds or w.kind in kinds])


def use(chance: random.Random, *kinds: str) -> str:
    """A word with arguments."""
    made = word(chance, *kinds)
    if chance.random() < 0.5:
        return made.example
    options = [f"{o}={value(chance)}" for o in made.options if chance.random() < 0.3]
    operands = [name(chance) for _ in made.operands]
    firsts = [value(chance)] if chance.random() < 0.4 else []
    extra = (
        [f"{chance.choice(['l2', 'name', 'frozen', 'max_norm', 'foo'])}={value(chance)}"]
        if chance.random() < 0.1
        else []
    )
    return " ".join([made.name, *operands, *firsts, *options, *extra])


def chain(chance: random.Random) -> str:
    links = [use(chance, "layer", "activation") for _ in range(chance.randint(1, 4))]
    if chance.random() < 0.1:
        links.append(chance.choice(NAMES[:6]))
    if chance.random() < 0.1:
        links.insert(chance.randint(0, len(links)), use(chance))
    start = f"{name(chance)} -> " if chance.random() < 0.3 else ""
    named = chance.choice([f"{name(chance)} = ", f"output {name(chance)} = "]) if chance.random() < 0.3 else ""
    return named + start + " -> ".join(links)


def sentence(chance: random.Random) -> str:
    train = ("epochs", "batch", "seed", "validation", "early_stop", "clip_norm", "test", "foo")
    options = " ".join(f"{o}={value(chance)}" for o in train if chance.random() < 0.4) or "epochs=3"
    return chance.choice(
        [
            f"loss {use(chance, 'loss')}",
            f"loss {word(chance, 'loss').name}({name(chance)}, {name(chance)}) * {value(chance)}",
            f"updater {use(chance, 'updater')}",
            f"updater {word(chance, 'updater').name} lr={word(chance, 'schedule').example}",
            f"metric {use(chance, 'metric').split()[0]} {word(chance, 'metric').name}",
            f"train {options}",
            f'data "{name(chance)}.csv" {name(chance)}={value(chance)}',
            f"output {name(chance)}",
            f"targets {chance.choice(['inference', 'numpy', 'numpy step', 'foo'])}",
            chance.choice(LINES),
        ]
    )


# Real specs, changed --------------------------------------------------------------------------------------------------


def mutated(chance: random.Random) -> str:
    """A real, random or plausible spec with a few changes."""
    made = chance.choices((chance.choice(TEXTS), spec_of(chance.randrange(10**6)), ""), (3, 3, 1))[0]
    text = made or plausible(chance)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        text = chance.choice(CHANGES)(text, chance)
    return text


def characters(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    new = chance.choice([chance.choice(PIECES), chance.choice(NASTY), chr(chance.randint(0, 0x10FFFF)), ""])
    return text[:at] + new + text[at + chance.choice((0, 1, 1, 5)) :]


def octets(text: str, chance: random.Random) -> str:
    """Bytes changed, and read as a lenient reader would."""
    data = bytearray(text.encode("utf-8", "replace") or b" ")
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data.decode("utf-8", "replace")


def tokens(text: str, chance: random.Random) -> str:
    """A token replaced, taken out, doubled or exchanged with another."""
    found = list(TOKEN.finditer(text))
    if len(found) < 2:
        return text
    one, other = sorted(chance.sample(found, 2), key=lambda match: match.start())
    match chance.randrange(4):
        case 0:
            return text[: one.start()] + chance.choice([other[0], value(chance), name(chance)]) + text[one.end() :]
        case 1:
            return text[: one.start()] + text[one.end() :]
        case 2:
            return text[: one.end()] + " " + text[one.start() :]
        case _:
            between = text[one.end() : other.start()]
            return text[: one.start()] + other[0] + between + one[0] + text[other.end() :]


def lines(text: str, chance: random.Random) -> str:
    """A line taken out, doubled, moved, or one of another spec put in."""
    rows = text.split("\n")
    at, to = chance.randrange(len(rows)), chance.randrange(len(rows) + 1)
    match chance.randrange(4):
        case 0:
            del rows[at]
        case 1:
            rows[at:at] = [rows[at]] * chance.choice((1, 1, 40))
        case 2:
            rows.insert(to, rows.pop(at))
        case _:
            rows.insert(to, chance.choice(LINES))
    return "\n".join(rows)


def numbers(text: str, chance: random.Random) -> str:
    """A number blown up."""
    found = list(re.finditer(r"\d+(\.\d+)?", text))
    if not found:
        return text
    one = chance.choice(found)
    return text[: one.start()] + number(chance) + text[one.end() :]


def nested(text: str, chance: random.Random) -> str:
    depth = chance.choice((3, 45, 60, 200, 2000))
    opened, closed = chance.choice(
        [("(", ")"), ("[", "]"), ("repeat 2 { ", " }"), ("f(", ")"), ("-", ""), ("not ", "")]
    )
    deep = opened * depth + number(chance) + closed * depth
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(["", " ", "\nlet deep = ", "\ndense "]) + deep + text[at:]


CHANGES: list[Callable[[str, random.Random], str]] = [characters, octets, tokens, tokens, lines, lines, numbers, nested]


# Splices and noise ----------------------------------------------------------------------------------------------------


def spliced(chance: random.Random) -> str:
    """The beginning of one spec and the end of another, or lines of many."""
    if chance.random() < 0.5:
        one, other = chance.choice(TEXTS), chance.choice(TEXTS)
        return one[: chance.randint(0, len(one))] + other[chance.randint(0, len(other)) :]
    return "\n".join(chance.choice(LINES) for _ in range(chance.randint(1, 15)))


def noise(chance: random.Random) -> str:
    letters = chance.choice(['adn1 .,:;=-><+*()[]{}"\\#\n\r%x^@!\t', "".join(NASTY), None])
    count = chance.choice((1, 10, 100, 1000))
    if letters:
        return "".join(chance.choice(letters) for _ in range(count))
    pieces = [*PIECES, *NAMES, *NUMBERS, *WORD_NAMES]
    return " ".join(chance.choice(pieces) for _ in range(count))


WORD_NAMES = [made.name for made in WORDS.values()]
