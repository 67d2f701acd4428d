"""The shape of the project: who may import whom, how long a file may be, and what a source never holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400


@dataclass(frozen=True)
class Rule:
    """What a package may reach, and what to do instead where it wants more."""

    ours: frozenset[str]
    others: frozenset[str]
    instead: str


RULES = {
    "dsl": Rule(
        frozenset({"grammars"}),
        frozenset({"lark", "numpy"}),
        "dsl says what a net is and knows no file format and no engine: give the op or word a fact that codegen reads",
    ),
    "codegen": Rule(
        frozenset({"dsl"}),
        # numpy is how onnx takes and gives the values of a tensor
        frozenset({"jinja2", "onnx", "numpy"}),
        "codegen prints Programs and runs nothing: the runtime executes what is printed, and cli brings both together",
    ),
    "runtime": Rule(
        frozenset(),
        # PIL reads image files, where there are any: the extra `images`
        frozenset({"numpy", "onnxruntime", "PIL"}),
        "the runtime sees artifacts, never the language: put what it needs into the emitted file or the metadata",
    ),
    "cli": Rule(
        frozenset({"dsl", "codegen", "runtime"}),
        frozenset({"click", "rich", "numpy"}),
        "cli is thin and brings the others together: put the work into dsl, codegen or runtime",
    ),
    "grammars": Rule(frozenset(), frozenset(), "grammars is data: read it from dsl"),
}

TOP_LEVEL = {
    *("pyproject.toml", "dsl", "codegen", "runtime", "grammars", "tests", "specs", "cli", "docs", "benchmarks", ".ci"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", ".gitignore"),
}


def sources() -> list[Path]:
    """Every file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so there is no telling what is a source")
    return [path for path in (ROOT / name for name in listed.split("\0") if name) if path.is_file()]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


# Imports ---------------------------------------------------------------------------------------------


def imported(tree: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports, wherever in it; relative names start at `netc`."""
    package = ["netc", *path.parent.parts]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, level=0):
                yield node.lineno, module or ""
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*package[: len(package) - level + 1], *([module] if module else [])]
                yield from ((node.lineno, ".".join([*base, alias.name])) for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name
            case _:
                pass


def violations(path: Path, text: str) -> list[str]:
    """What a file imports and should not; `path` is relative to the root."""
    package = path.parts[0]
    rule = RULES[package]
    tree = ast.parse(text)
    relative = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    found: list[str] = []
    for line, name in imported(tree, path):
        top, *rest = name.split(".")
        place = f"{path.as_posix()}:{line}: imports {name}"
        if top == "netc" and line in relative:
            if rest and rest[0] != package and rest[0] not in rule.ours:
                found.append(f"{place}; {rule.instead}")
        elif top == "netc" or top in RULES:
            found.append(f"{place}; inside the project one package reaches another by a relative import")
        elif top not in sys.stdlib_module_names and top not in rule.others:
            found.append(f"{place}; {rule.instead}")
    return found


@pytest.mark.parametrize("package", RULES)
def test_imports_go_one_way(package: str) -> None:
    found = [v for path in modules(package) for v in violations(path.relative_to(ROOT), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("dsl/x.py", "from ..codegen import to_numpy"),
        ("dsl/ops/x.py", "from ...runtime.session import Session"),
        ("dsl/ops/__init__.py", "from ... import cli"),
        ("dsl/x.py", "def f():\n    import onnx"),
        ("dsl/x.py", "if TYPE_CHECKING:\n    from jinja2 import Environment"),
        ("dsl/x.py", "importlib.import_module('onnxruntime')"),
        ("dsl/x.py", "from netc.dsl import load"),
        ("codegen/x.py", "from ..runtime import Session"),
        ("codegen/x.py", "import onnxruntime as ort"),
        ("codegen/x.py", "import dsl.ir"),
        ("runtime/x.py", "from ..dsl.ir import Program"),
        ("runtime/x.py", "from .. import codegen"),
        ("runtime/x.py", "from rich.progress import Progress"),
        ("cli/x.py", "import onnx"),
        ("cli/x.py", "import torch"),
    ],
)
def test_a_wrong_import_is_seen(path: str, text: str) -> None:
    assert len(violations(Path(path), text)) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("dsl/ops/x.py", "from ..ir import Op\nfrom ... import grammars\nimport numpy.linalg\nimport json"),
        ("dsl/__init__.py", "from .load import load\nfrom . import ops"),
        ("codegen/x.py", "from ..dsl.ir import Program\nfrom onnx import helper"),
        ("runtime/x.py", "import onnxruntime\nfrom .errors import Fault"),
        ("cli/x.py", "from ..dsl import load\nfrom ..codegen import to_numpy\nfrom .. import runtime\nimport click"),
    ],
)
def test_a_right_import_is_not(path: str, text: str) -> None:
    assert violations(Path(path), text) == []


@pytest.mark.parametrize(
    ("package", "foreign"),
    [
        ("netc.dsl", ["onnx", "onnxruntime", "jinja2", "click", "netc.codegen", "netc.runtime", "netc.cli"]),
        ("netc.codegen", ["onnxruntime", "click", "rich", "netc.runtime", "netc.cli"]),
        ("netc.runtime", ["lark", "onnx", "jinja2", "click", "rich", "netc.dsl", "netc.codegen", "netc.cli"]),
    ],
)
def test_a_package_loads_without_the_others(package: str, foreign: list[str]) -> None:
    code = f"import sys, {package}; print(*sorted(set({foreign!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


# Files -----------------------------------------------------------------------------------------------


def test_no_file_is_long() -> None:
    counts = {
        path: path.read_text("utf-8").count("\n") for path in sources() if path.suffix in {".py", ".lark", ".jinja"}
    }
    long = [f"{path.relative_to(ROOT)} has {count} lines" for path, count in counts.items() if count > LONGEST]
    assert not long, f"split by responsibility what has more than {LONGEST} lines: {'; '.join(long)}"


def test_the_top_level_is_the_agreed_one() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in sources()}
    assert found <= TOP_LEVEL, f"put into a folder that is there: {sorted(found - TOP_LEVEL)}"
    assert {"pyproject.toml", "dsl", "codegen", "runtime", "grammars", "tests", "specs"} <= found


MACHINE = re.compile(r"(?<![\w.~:/-])/(?:home|Users|root|work|tmp|mnt|private|var/folders)/\w|\b[A-Z]:\\+Users\b")
DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d\b")
TEXTS = {".py", ".net", ".lark", ".jinja", ".toml", ".md", ".txt", ".json", ""}


def test_no_source_names_a_machine_or_a_day() -> None:
    found: list[str] = []
    for path in sources():
        if path.suffix not in TEXTS or path.name == "CHANGELOG.md":
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            held = MACHINE.search(line) or DATE.search(line)
            if held:
                found.append(f"{path.relative_to(ROOT)}:{number}: {held.group()}")
    assert not found, "the same source has the same bytes everywhere and on every day:\n" + "\n".join(found)


# Templates -------------------------------------------------------------------------------------------

SETTINGS = {
    "undefined": "StrictUndefined",
    "trim_blocks": "True",
    "lstrip_blocks": "True",
    "keep_trailing_newline": "True",
}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).split(".")[-1]


def test_templates_are_strict_and_never_the_user_s() -> None:
    calls = [
        node
        for path in modules("codegen")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    environments = [node for node in calls if called(node) == "Environment"]
    if any((ROOT / "codegen" / "templates").glob("*.jinja")):
        assert environments, "templates are there and nothing reads them"
    for node in environments:
        given = {option.arg: ast.unparse(option.value).split(".")[-1] for option in node.keywords}
        assert SETTINGS.items() <= given.items(), f"line {node.lineno}: a template's Environment takes {SETTINGS}"
    rendered = [node.lineno for node in calls if called(node) in {"from_string", "Template"}]
    assert not rendered, "a template is a file of the project; text from a spec is a value, never a template"
