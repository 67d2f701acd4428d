"""Specs with one mistake, and what the command says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import small, spec
from netc.dsl import SpecError
from netc.dsl.diagnostics import Diagnostic
from test_diagnostics import called, diagnostics_of


class Mistake(NamedTuple):
    """The chains of a spec, its other parts, and of the only error its code with its place, and what it says."""

    chains: str
    at: str
    said: str
    parts: Mapping[str, str] = {}


def text_of(mistake: Mistake) -> str:
    """The spec; one that begins as a file does is whole."""
    return mistake.chains if mistake.chains.startswith(("net", "input")) else spec(mistake.chains, **mistake.parts)


def refused(mistake: Mistake, folder: Path) -> Diagnostic:
    """The only error of a spec, which the command tells as it tells every error, ending in 1."""
    text = text_of(mistake)
    (error,) = diagnostics_of(text)
    path = folder / "spec.net"
    path.write_text(text, "utf-8")
    code, out, said = called(["check", str(path)])
    assert code == 1 and not out
    assert f"error[{error.code}]: {error.message}\n" in said and said.count("error[") == 1
    assert error.place is not None and f"spec.net:{error.place.line}:{error.place.column}\n" in said
    assert error.help is None or f"   = help: {error.help}\n" in said
    return error


def assert_told(mistake: Mistake, folder: Path) -> None:
    """The error has its code and its place, and message and help say what is wrong and what to do."""
    error = refused(mistake, folder)
    assert error.place is not None
    assert f"{error.code} {error.place.line}:{error.place.column}" == mistake.at
    assert mistake.said in f"{error.message} | {error.help}"


def assert_refused(text: str, given: str, code: str, help: str | None) -> None:
    """A layer over what it is given has errors of one code, each with a place, and the help holds some words."""
    with pytest.raises(SpecError) as caught:
        small(f"{text}\nflatten -> dense 2", given=given)
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert all(d.place is not None for d in caught.value.diagnostics)
    assert help is None or help in str(caught.value.diagnostics[0].help)
