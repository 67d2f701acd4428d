"""import: libraries are read once, see their own constants, travel with the net, and cannot lead out of the folder."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.cli.artifacts import MANIFEST
from netc.codegen import to_numpy
from netc.codegen.about import digest
from netc.codegen.onnx_file import metadata
from netc.dsl import Source, SpecError, check, load, load_text
from netc.dsl.libraries import DEEPEST
from netc.dsl.parse import SIZE_LIMIT
from road import netc

HEAD = "net small\ninput x: f32[6]\ntarget y: f32[2]\n"
TAIL = "\nloss mse\nupdater sgd\ntrain epochs=1 batch=4\n"
WIDE = "let width = 5\ndef block wide(n=width) { dense n -> tanh }\n"


def written(
    folder: Path, files: dict[str, str], chains: str = "wide -> dense 2", imports: str = 'import "a.net"'
) -> Path:
    """A spec with its libraries in a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    spec = folder / "spec.net"
    spec.write_text(f"{HEAD}{imports}\n{chains}{TAIL}", "utf-8")
    return spec


def faults(spec: Path) -> list[tuple[str, str, list[str]]]:
    """The code of each error, its file and line, and those of the uses."""
    try:
        load(spec)
    except SpecError as error:
        return [(d.code, _at(d.place), [_at(use) for use in d.uses]) for d in error.diagnostics]
    return []


def _at(place: Any) -> str:
    return f"{Path(place.source.name).name}:{place.line}" if place else ""


# What libraries give --------------------------------------------------------------------------------------------------


def test_definitions_and_their_own_constants(tmp_path: Path):
    """A library's let is seen by its definitions alone, whatever the spec calls so."""
    net = load(written(tmp_path, {"a.net": WIDE}, "let width = 3\nwide -> wide width -> dense 2"))
    assert [w.shape for w in net.weights.values()] == [(6, 5), (5,), (5, 3), (3,), (3, 2), (2,)]
    assert list(net.weights)[:2] == ["wide1_W1", "wide1_b1"]
    assert net.layers[0].section.title == "dense 5 -> tanh"


def test_the_command_line_sets_the_lets_of_the_spec_alone(tmp_path: Path):
    spec = written(tmp_path, {"a.net": WIDE})
    with pytest.raises(SpecError, match="the spec has no let of that name"):
        load(spec, {"width": "3"})
    own = written(tmp_path, {"a.net": WIDE}, "let width = 4\nwide -> wide width -> dense 2")
    assert next(iter(load(own, {"width": "3"}).weights.values())).shape == (6, 5)


def test_libraries_import_one_another_and_each_is_read_once(tmp_path: Path):
    files = {
        "a.net": 'import "sub/base.net"\ndef block wide() { narrow -> dense 4 }\n',
        "b.net": 'import "sub/base.net"\ndef block other() { narrow -> relu }\n',
        "sub/base.net": 'import "deep/more.net"\nlet k = 3\ndef block narrow() { dense k -> bend }\n',
        "sub/deep/more.net": "def block bend() { tanh }\n",
    }
    net = load(written(tmp_path, files, "wide -> other -> dense 2", 'import "a.net"\nimport "b.net"'))
    assert list(net.libraries) == ["sub/deep/more.net", "sub/base.net", "a.net", "b.net"]
    assert list(net.libraries.values()) == [files[name] for name in net.libraries]
    assert list(net.weights)[:4] == ["wide1_narrow1_W1", "wide1_narrow1_b1", "wide1_W1", "wide1_b1"]


def test_a_library_may_offer_more_than_is_used(tmp_path: Path):
    assert not faults(written(tmp_path, {"a.net": f"{WIDE}def block unused(n) {{ dense n }}\n"}))


def test_a_file_under_two_names_is_one_library(tmp_path: Path):
    spec = written(tmp_path, {"a.net": WIDE}, imports='import "a.net"\nimport "b.net"')
    (tmp_path / "b.net").symlink_to("a.net")
    assert list(load(spec).libraries) == ["a.net"]


def test_archives_lie_beside_their_library(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    np.savez(tmp_path / "sub" / "first.npz", W=np.full((6, 2), 0.5))
    block = 'def block wide() { dense 2 init=npz("first.npz", "W") }\n'
    net = load(written(tmp_path, {"sub/a.net": block}, "wide", 'import "sub/a.net"'))
    page: dict[str, Any] = {}
    exec(to_numpy(net), page)
    assert (page["init"](0)["wide1_W1"] == 0.5).all()


def test_a_library_by_itself_is_checked_and_said_to_be_one(tmp_path: Path):
    written(tmp_path, {"a.net": WIDE, "bad.net": "def block wide() { dens 3 -> relu }\n"})
    assert [code for code, _, _ in faults(tmp_path / "a.net")] == ["missing-net"]
    assert [code for code, _, _ in faults(tmp_path / "bad.net")] == ["missing-net", "unknown-word"]


# Where they come from and go to ---------------------------------------------------------------------------------------


def test_the_digest_covers_libraries(tmp_path: Path):
    net = load(written(tmp_path, {"a.net": WIDE}))
    plain = load_text(f"{HEAD}dense 2{TAIL}")
    assert digest(plain) == hashlib.sha256(plain.source.text.encode()).hexdigest()
    changed = load(written(tmp_path, {"a.net": WIDE.replace("5", "4")}))
    moved = load(written(tmp_path, {"b.net": WIDE}, imports='import "b.net"'))
    digests = {digest(n) for n in (net, changed, moved)}
    assert len(digests) == 3 and hashlib.sha256(net.source.text.encode()).hexdigest() not in digests
    assert digest(load(written(tmp_path / "elsewhere", {"a.net": WIDE}))) == digest(net)


def test_artifacts_name_their_libraries(tmp_path: Path):
    net = load(written(tmp_path, {"a.net": WIDE}))
    assert f"from spec.net with a.net (sha256 {digest(net)[:16]})" in " ".join(to_numpy(net).split('"""')[1].split())
    meta = metadata(net, [], False)
    assert (meta["libraries"], meta["spec_sha256"]) == ({"a.net": WIDE}, digest(net))


def test_a_changed_library_is_a_changed_spec(tmp_path: Path):
    spec = written(tmp_path, {"a.net": WIDE})
    data, rng = tmp_path / "data.npz", np.random.default_rng(0)
    np.savez(data, x=rng.standard_normal((8, 6)).astype(np.float32), y=rng.standard_normal((8, 2)).astype(np.float32))
    out = tmp_path / "out"
    netc("train", spec, "--data", data, "-o", out).ok()
    (tmp_path / "a.net").write_text(WIDE.replace("tanh", "sigmoid"), "utf-8")
    netc("train", spec, "--data", data, "-o", out, "--resume").refused("checkpoint-mismatch", "the spec")


def test_build_proves_a_spec_with_libraries(tmp_path: Path):
    spec = written(tmp_path, {"a.net": WIDE})
    netc("build", spec, "-o", tmp_path / "out").ok()
    assert "small.onnx" in json.loads((tmp_path / "out" / MANIFEST).read_text())


# Faults ---------------------------------------------------------------------------------------------------------------


def test_a_fault_in_a_library_lies_in_its_file(tmp_path: Path):
    text = "\n\ndef block wide(n) {\n    dense n -> reshape [7]\n}\ndef block other() { foo }\n"
    spec = written(tmp_path, {"a.net": f"let z = 1 / 0\n{text}"}, "wide 3 -> dense 2")
    assert faults(spec) == [
        ("bad-constant", "a.net:1", ["spec.net:4"]),
        ("unknown-word", "a.net:7", ["spec.net:4"]),
        ("shape-mismatch", "a.net:5", ["spec.net:5"]),
    ]


def test_syntax_errors_of_a_library(tmp_path: Path):
    spec = written(tmp_path, {"a.net": "let z =\ndef block wide( { dense 3 }\n"})
    found = faults(spec)
    assert {(at, tuple(uses)) for _, at, uses in found if at.startswith("a.net")} == {
        ("a.net:1", ("spec.net:4",)),
        ("a.net:2", ("spec.net:4",)),
    }


def test_a_name_is_defined_once(tmp_path: Path):
    twice = written(
        tmp_path, {"a.net": WIDE, "b.net": "def activation wide(x) = x\n"}, imports='import "a.net"\nimport "b.net"'
    )
    assert faults(twice)[0] == ("duplicate-name", "b.net:1", ["spec.net:5"])
    with pytest.raises(SpecError, match=r"wide is already defined in line 2 of .*a\.net"):
        load(twice)
    own = written(tmp_path, {"a.net": WIDE}, "def block wide() { relu }\nwide -> dense 2")
    assert faults(own)[0] == ("duplicate-name", "spec.net:5", [])
    part = written(tmp_path, {"a.net": WIDE}, "part wide { relu }\nwide -> dense 2")
    assert faults(part)[0] == ("duplicate-name", "spec.net:5", [])


FOREIGN = [
    "net other",
    "input z: f32",
    "dense 3",
    "part p { dense 3 }",
    "loss mse",
    "repeat 2 { relu }",
    'data "x.csv"',
]


@pytest.mark.parametrize("sentence", FOREIGN)
def test_a_library_holds_definitions_alone(tmp_path: Path, sentence: str):
    spec = written(tmp_path, {"a.net": f"let k = 3\n{sentence}\n"}, "dense 2")
    assert faults(spec) == [("not-a-library", "a.net:2", ["spec.net:4"])]


CYCLES = {
    "itself": {"a.net": 'import "a.net"\n'},
    "two": {"a.net": 'import "b.net"\n', "b.net": 'import "a.net"\n'},
    "by another way": {"a.net": 'import "sub/b.net"\n', "sub/b.net": 'import "up/a.net"\n'},
}


@pytest.mark.parametrize("name", CYCLES)
def test_cycles(tmp_path: Path, name: str):
    spec = written(tmp_path, CYCLES[name], "dense 2")
    (tmp_path / "sub").mkdir(exist_ok=True)
    (tmp_path / "sub" / "up").symlink_to("..")
    assert [code for code, _, _ in faults(spec)] == ["import-cycle"]


def test_a_cycle_shows_its_way(tmp_path: Path):
    with pytest.raises(SpecError, match=r"a\.net imports itself: a\.net -> b\.net -> a\.net"):
        load(written(tmp_path, CYCLES["two"], "dense 2"))


PATHS = {
    "absolute": "/etc/hostname",
    "upwards": "../out.net",
    "up and down": "sub/../a.net",
    "Windows": "C:a.net",
    "backslash": "sub\\\\a.net",
    "empty": "",
    "the folder": ".",
    "a line break": "a\\n.net",
    "a link out": "link.net",
    "a folder that is a link out": "away/a.net",
    "a link to itself": "loop.net",
}


@pytest.mark.parametrize("name", PATHS)
def test_paths_that_are_refused(tmp_path: Path, name: str):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "out.net").write_text(WIDE, "utf-8")
    (tmp_path / "a.net").write_text(WIDE, "utf-8")
    (folder / "link.net").symlink_to("../out.net")
    (folder / "away").symlink_to("..")
    (folder / "loop.net").symlink_to("loop.net")
    spec = written(folder, {"a.net": WIDE, "sub/x.net": WIDE}, "dense 2", f'import "{PATHS[name]}"')
    # Newer versions of Python leave a link to itself to whoever opens it.
    codes = {"a link to itself": {"bad-path", "unreadable"}}.get(name, {"bad-path"})
    found = faults(spec)
    assert len(found) == 1 and found[0][0] in codes, found


def test_files_that_cannot_be_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.net")
    (tmp_path / "latin.net").write_bytes(b"# caf\xe9\n")
    (tmp_path / "zeros.net").write_bytes(bytes(8))
    for name, code in {
        "missing.net": "unreadable",
        "sub": "unreadable",
        "pipe.net": "unreadable",
        "latin.net": "unreadable",
        "zeros.net": "bad-character",
        "a" * 300: "unreadable",
        "file/under.net": "unreadable",
    }.items():
        spec = written(tmp_path, {"sub/a.net": WIDE, "file": ""}, "dense 2", f'import "{name}"')
        assert {found[0] for found in faults(spec)} == {code}, name


def test_all_files_together_have_a_size(tmp_path: Path):
    half = f"# {'x' * (SIZE_LIMIT // 2)}\n"
    spec = written(tmp_path, {"a.net": half, "b.net": f"{half} "}, "dense 2", 'import "a.net"\nimport "b.net"')
    assert faults(spec) == [("too-long", "spec.net:5", [])]
    huge = written(tmp_path, {"a.net": f"# {'x' * SIZE_LIMIT}\n"}, "dense 2")
    assert faults(huge) == [("too-long", "spec.net:4", [])]


def test_imports_have_a_depth(tmp_path: Path):
    files = {f"l{i}.net": f'import "l{i + 1}.net"\n' for i in range(DEEPEST)} | {f"l{DEEPEST}.net": WIDE}
    spec = written(tmp_path, files, "dense 2", 'import "l0.net"')
    assert [code for code, _, _ in faults(spec)] == ["too-deep"]
    spec.write_text(spec.read_text("utf-8").replace("l0.net", "l1.net"), "utf-8")
    assert not faults(spec)


def test_a_file_is_imported_once(tmp_path: Path):
    spec = written(tmp_path, {"a.net": WIDE}, imports='import "a.net"\nimport "a.net"')
    assert faults(spec) == [("duplicate-sentence", "spec.net:5", [])]


def test_standard_input_has_no_folder(tmp_path: Path):
    text = f'{HEAD}import "a.net"\ndense 2{TAIL}'
    (tmp_path / "a.net").write_text(WIDE, "utf-8")
    assert [d.code for d in check(Source("spec.net", text))[1].ordered()] == ["bad-path"]
    assert not check(Source("spec.net", text), folder=str(tmp_path))[1].failed
    netc("check", "-", cwd=tmp_path, stdin=text).refused("bad-path", "no folder to import from")
