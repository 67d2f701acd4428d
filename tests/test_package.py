"""What gets installed: the wheel and the source distribution are whole, and each kind of installation works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dsl", "codegen", "runtime", "cli", "grammars")
# pip says one of these where it cannot fetch the build backend, and nothing of the kind where a pin is wrong.
OFFLINE = ("Failed to establish a new connection", "NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that has to succeed, in an environment that knows nothing of this one."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(sign in said for sign in OFFLINE):
        pytest.skip("building needs an index of packages, and none can be reached")
    assert done.returncode == 0, said
    return done.stdout


def shipped(project: Path) -> set[str]:
    """What an installation has to hold, under the names it has there."""
    files = (path for package in PACKAGES for path in (project / package).rglob("*"))
    kept = {".py", ".lark", ".jinja", ".typed"}
    return {f"netc/{p.relative_to(project).as_posix()}" for p in files if p.suffix in kept}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, since building writes into it."""
    copy = tmp_path_factory.mktemp("package") / "project"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    """The folder with the source distribution, and the wheel that was built from it."""
    run(sys.executable, "-m", "build", "--outdir", project.parent / "dist", project, cwd=project.parent)
    return project.parent / "dist"


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("*.whl")
    return found


def empty(folder: Path) -> Path:
    """The scripts' folder of a new environment that sees this one's dependencies and no netc, so nothing is fetched."""
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    # A folder that a .pth file adds is searched, but its own .pth files, as an editable netc's, are not read.
    site = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return scripts


def install(scripts: Path, *what: str | Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", scripts / "python")
    run(*pip, "install", "--quiet", "--no-deps", *what, cwd=scripts)


def works(scripts: Path, project: Path, folder: Path) -> None:
    """Assert that the command of an installation runs from anywhere."""
    version = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert version in run(scripts / "netc", "--version", cwd=folder)
    shutil.copytree(project / "specs", folder / "specs")
    assert "dense" in run(scripts / "netc", "check", Path("specs", "iris.net"), cwd=folder)


def place(scripts: Path, folder: Path) -> Path:
    """Where an installation's code lies."""
    return Path(run(scripts / "python", "-c", "import netc.dsl; print(netc.dsl.__file__)", cwd=folder).strip())


def test_every_package_is_declared() -> None:
    """setuptools is told each folder by name, and forgets one silently that it is not told."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert set(declared) == {".".join(("netc", *folder.relative_to(ROOT).parts)) for folder in folders}


def test_the_wheel_is_whole_and_takes_one_name(built: Path, project: Path) -> None:
    with zipfile.ZipFile(wheel(built)) as archive:
        names = set(archive.namelist())
    assert {"netc/grammars/net.lark", "netc/codegen/templates/train.py.jinja"} <= names
    assert shipped(project) <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"netc", next(top for top in tops if top.endswith(".dist-info"))}
    # netc is a namespace: a file there would shut out whatever else is called netc.something
    assert "netc/__init__.py" not in names


def test_the_source_distribution_is_whole(built: Path, project: Path) -> None:
    (found,) = built.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.removeprefix("netc/") for name in shipped(project)} | {"pyproject.toml", "LICENSE"} <= names


def test_the_wheel_works(built: Path, project: Path, tmp_path: Path) -> None:
    scripts = empty(tmp_path / "env")
    install(scripts, "--no-index", wheel(built))
    assert (tmp_path / "env").resolve() in place(scripts, tmp_path).resolve().parents
    works(scripts, project, tmp_path)


def test_an_editable_installation_works(project: Path, tmp_path: Path) -> None:
    scripts = empty(tmp_path / "env")
    install(scripts, "--editable", project)
    assert place(scripts, tmp_path).resolve() == (project / "dsl" / "__init__.py").resolve()
    works(scripts, project, tmp_path)


@pytest.mark.exhaustive
def test_pip_install_in_an_empty_environment_works(project: Path, tmp_path: Path) -> None:
    """With every dependency from the index, as a user does it."""
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", project, cwd=tmp_path)
    works(scripts, project, tmp_path)
