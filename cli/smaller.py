"""A smaller net of the same text, on which is proven in full what would take too long of a large one.

    smaller(net) -> Net | None

Its whole numbers of `let` are divided: a spec whose sizes and widths have names has a smaller net, another has none. It
has the same weights under the same names, so that what is proven of it is proven of the same lines of the artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..dsl import Net, load_text
from ..dsl.constants import Constant
from ..dsl.diagnostics import SpecError
from ..dsl.parse import parse
from ..dsl.syntax import Let, Number
from . import sampling

# What the numbers are divided by, in turn, until an example takes few enough products; and the least that they become.
DIVISORS, LEAST = (2, 4, 8, 16), 4
ENOUGH = 40_000_000


def smaller(net: Net) -> Net | None:
    """The net with the smallest divisor of its constants that makes it small enough, or else the smallest."""
    found, least = [net], net
    for divisor in DIVISORS:
        found += filter(None, (_made(net, defines) for defines in _divided(net, divisor)))
        least = min(found, key=sampling.products)
        if sampling.products(least) <= ENOUGH:
            break
    return None if least is net else least


def _divided(net: Net, divisor: int) -> Iterator[dict[str, Constant]]:
    """The large constants divided: all of them, and where the net does not take that, one of them."""
    lets = [s for s in parse(net.source).sentences if isinstance(s, Let)]
    values = {let.name: let.value.value for let in lets if isinstance(let.value, Number)} | net.defines
    less = {name: n // divisor for name, n in values.items() if type(n) is int and n >= LEAST * divisor}
    if less:
        yield net.defines | less
        yield from (net.defines | {name: n} for name, n in less.items())


def _made(net: Net, defines: dict[str, Constant]) -> Net | None:
    """The net with other constants, where these make a net with the same weights under the same names."""
    folder = str(Path(net.source.name).parent)
    try:
        made = load_text(net.source.text, net.source.name, {n: _text(v) for n, v in defines.items()}, folder)
    except SpecError:
        return None
    return made if list(made.weights) == list(net.weights) and list(made.states) == list(net.states) else None


def _text(value: Constant) -> str:
    """A constant as -D takes it."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
