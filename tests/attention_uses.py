"""Nets of attention over steps whose number is known only at run time: what looks at what, masks, and options."""

from __future__ import annotations

from netc.dsl import Net, load_text

# Each word, its options, and whether it looks at another value.
USES: list[tuple[str, dict[str, object], bool]] = [
    ("attention", {"heads": 2}, False),
    ("attention", {"heads": 2, "causal": True}, False),
    ("attention", {"heads": 2, "rotary": True, "causal": True}, False),
    ("attention", {"heads": 4, "kv_heads": 2, "units": 8}, False),
    ("attention", {"heads": 2, "kv_heads": 1, "rotary": True}, True),
    ("attention", {"heads": 2, "bias": False}, True),
    ("dot_attention", {}, False),
    ("dot_attention", {"scaled": False, "causal": True}, False),
    ("dot_attention", {}, True),
    ("additive_attention", {"units": 3}, False),
    ("additive_attention", {"causal": True}, False),
    ("additive_attention", {}, True),
    ("learned_attention", {"queries": 3, "heads": 2}, False),
    ("attention_pool", {"units": 3}, False),
]


def written(word: str, options: dict[str, object], other: bool) -> str:
    """A use as a spec writes it."""
    texts = [f"{key}={str(value).lower()}" for key, value in options.items()]
    return " ".join([word, *(["m"] if other else []), *texts])


def net_of(word: str, options: dict[str, object], other: bool, masked: bool) -> Net:
    """A net that predicts a word's value for x, and trains layers on both sides of it; m has four features too."""
    lengths = " lengths=true" if masked else ""
    fields = f"input x: f32[T, 4]{'' if other else lengths}\n"
    fields += f"input m: f32[S, 4]{lengths}\n" if other else ""
    pooled = word in ("learned_attention", "attention_pool")
    target = "f32[2]" if pooled else "f32[T, 2]"
    after = "flatten -> " if word == "learned_attention" else ""
    chains = f"value = x -> {written(word, options, other)}\noutput value\nvalue -> {after}dense 2 name=last\n"
    return load_text(f"net small\n{fields}target y: {target}\n{chains}loss mse\nupdater sgd\n")
