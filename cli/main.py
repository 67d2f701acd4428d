"""The command `netc`: its commands, and what becomes of errors."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import traceback
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from .exits import BUG, FAULT, INTERRUPTED, USAGE

try:
    import click

    from ..dsl.diagnostics import Diagnostic, SpecError
    from . import show
except KeyboardInterrupt:
    # There is nothing yet to tell it with, and no traceback ever reaches the user.
    raise SystemExit(INTERRUPTED) from None


COMMANDS = {
    "check": "check",
    "build": "build",
    "train": "train",
    "run": "run",
    "plot": "plot",
    "explain": "explain",
    "words": "words",
}


class _Lazy(click.Group):
    """Imports a command when it is called, so that none pays for what another needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{COMMANDS[cmd_name]}", __package__).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(metadata.version("netc"), prog_name="netc")
def netc() -> None:
    """Compile a .net spec to a NumPy trainer and ONNX graphs, train it, run it.

    Every artifact is executed and proven equal to the others before it is said to be built.
    """


def entry() -> None:
    """Run the command line; no traceback ever reaches the user."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A label or a path that the terminal has no letter for is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    # NumPy's BLAS gives other bits with other numbers of threads; the environment decides, and a run records it.
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command line."""
    as_object = "--json" in arguments
    try:
        done: Any = netc.main(arguments, prog_name="netc", standalone_mode=False)
        return done if isinstance(done, int) else 0
    except SystemExit:
        return _unread()  # so click leaves where the output is read no further
    except BaseException as error:
        try:
            return _failed(error, as_object)
        except BrokenPipeError:
            return _unread()
        except OSError as full:
            return _untold(full)


def _untold(error: OSError) -> int:
    """Standard output takes no JSON, on a full disk say: what is wrong goes to standard error."""
    with contextlib.suppress(OSError):
        show.failure([Diagnostic("system", f"standard output: {error.strerror or error}", None)], as_object=False)
    return _unread()


def _unread() -> int:
    """Whoever read our output has seen enough; what is left of it must not fail at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAULT


def _failed(error: BaseException, as_object: bool) -> int:
    if isinstance(error, SpecError):
        show.failure(error.diagnostics, as_object)
        return FAULT
    if isinstance(error, click.ClickException):
        if not as_object:
            error.show()
            return USAGE
        show.failure([Diagnostic("usage", error.format_message(), None, "netc COMMAND --help")], as_object)
        return USAGE
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _interrupted("interrupted", as_object)
    if isinstance(error, BrokenPipeError):
        return _unread()
    return _runtime_fault(error, as_object)


def _runtime_fault(error: BaseException, as_object: bool) -> int:
    """Faults of the runtime, whose package is imported only by commands that run something."""
    if "netc.runtime.errors" in sys.modules:
        from ..runtime.errors import Fault, Interrupted

        if isinstance(error, Interrupted):
            saved = f"saved in {error.checkpoint}: go on with --resume" if error.checkpoint else "nothing is saved"
            return _interrupted(f"{error}; {saved}", as_object)
        if isinstance(error, Fault):
            show.failure([Diagnostic(error.code, error.message, None, error.help, where=error.where)], as_object)
            return FAULT
    if isinstance(error, OSError):
        message = f"{error.filename or 'the system'}: {error.strerror or error}"
        show.failure([Diagnostic("system", message, None)], as_object)
        return FAULT
    if isinstance(error, MemoryError):
        help = "make the net, the batch or the data smaller"
        show.failure([Diagnostic("system", "there is not enough memory", None, help)], as_object)
        return FAULT
    return _bug(error, as_object)


def _interrupted(message: str, as_object: bool) -> int:
    if as_object:
        show.failure([Diagnostic("interrupted", message)], as_object)
    else:
        click.echo(message, err=True)
    return INTERRUPTED


def _bug(error: BaseException, as_object: bool) -> int:
    message = f"this is a bug of netc, not of your spec: {type(error).__name__}: {error}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="netc-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
        help = f"please report it with the spec and {Path(name)}"
    except OSError:
        help = f"please report it with the spec; it happened in {_where(error)}"
    show.failure([Diagnostic("internal", message, None, help)], as_object)
    return BUG


def _where(error: BaseException) -> str:
    """The last place of a traceback, where there is no file to put the whole of it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return "".join(f"{Path(frame.filename).name}, line {frame.lineno}" for frame in last)
