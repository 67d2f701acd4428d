"""`netc plot`: the schedules of a spec, or one of the command line, in characters, as SVG and as numbers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import spec
from netc.cli.charts import LINES, MARGIN, Curve, text_chart
from netc.cli.main import run
from netc.dsl.words import WORDS

CHAINS = "dense 4 -> tanh -> dropout ramp(10%, 60%, epochs=5) -> dense 2"


def said(arguments: list[str], capsys: Any) -> str:
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_plot_of_a_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "small.net"
    path.write_text(spec(CHAINS, updater="sgd lr=step(0.1, every=5)", more="train epochs=20"))
    text = said(["plot", str(path)], capsys)
    assert "dropout1_rate = ramp(10%, 60%, epochs=5)" in text and "lr = step(0.1, every=5)" in text
    assert "20 epochs" in text and max(map(len, text.splitlines())) <= 80
    found = json.loads(said(["plot", str(path), "--json"], capsys))
    rate, lr = found["schedules"]
    assert (rate["name"], lr["name"]) == ("dropout1_rate", "lr")
    for times, values, right in ((rate["times"], rate["values"], lambda t: 0.1 + 0.5 * min(t / 5, 1)),):
        assert values[:-1] == pytest.approx([right(t) for t in times[:-1]], rel=1e-12)
    assert said(["plot", str(path), "-o", str(tmp_path / "out.svg")], capsys) == f"wrote {tmp_path / 'out.svg'}\n"
    drawn = ET.parse(tmp_path / "out.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 2


@pytest.mark.parametrize("word", [w for (kind, _), w in WORDS.items() if kind == "schedule"], ids=lambda w: w.name)
def test_plot_of_a_schedule(word: Any, capsys: pytest.CaptureFixture[str]):
    """The curve reaches the top line and the bottom one, but for a constant, which has neither."""
    text = said(["plot", word.example, "--epochs", "25"], capsys).splitlines()
    assumed = ", if the loss never improves" if word.watches else ""
    assert text[0] == f"lr = {word.example}{assumed}" and text[-1].endswith("25 epochs")
    for line in (text[1], text[LINES]):
        assert set("█▄▀") & set(line) or word.name == "fixed"
    if word.watches:
        return
    by_step = said(
        ["plot", word.example.replace(")", ", per=step)"), "--epochs", "2", "--steps-per-epoch", "7"], capsys
    )
    assert by_step.rstrip().endswith("14 steps")


def test_plot_of_a_faulty_schedule(capsys: pytest.CaptureFixture[str]):
    assert run(["plot", "cosin(1, epochs=2)"]) == 1
    assert "did you mean cosine?" in capsys.readouterr().err


def test_chart_at_a_point(capsys: pytest.CaptureFixture[str]):
    """A ramp is a straight line from one corner to the other."""
    times = tuple(float(t) for t in np.linspace(0, 1, 501))
    lines = text_chart(Curve("ramp", "epochs", times, times), 80)[1 : 1 + LINES]
    columns = 80 - MARGIN - 1
    for line, text in enumerate(lines):
        drawn = [i - MARGIN for i, c in enumerate(text) if c in "█▀▄" and i >= MARGIN]
        middle = (LINES - 1 - line + 0.5) / LINES * columns
        assert drawn and abs(np.mean(drawn) - middle) < 0.06 * columns
