"""`netc explain`: what a diagnostic code means."""

from __future__ import annotations

import textwrap

import click

from ..dsl.diagnostics import CODES, did_you_mean, refuse
from .show import WIDTH, entry

# Where explanations begin in the list of all codes.
COLUMN = 24


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain a diagnostic CODE, or list all codes."""
    from ..runtime.errors import CODES as RUNTIME_CODES

    codes = {**CODES, **RUNTIME_CODES}
    if code is None:
        for name, text in sorted(codes.items()):
            click.echo("\n".join(entry(name, _first_sentence(text), COLUMN)))
    elif code not in codes:
        help = did_you_mean(code, codes) or "netc explain lists the codes"
        raise refuse("unknown-name", f"{code} is not a diagnostic code", help)
    else:
        click.echo("\n".join([code, "", *textwrap.wrap(codes[code], WIDTH)]))


def _first_sentence(text: str) -> str:
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
