"""The command `netc`: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from importlib import import_module, metadata
from pathlib import Path

import click

from ..dsl.diagnostics import Diagnostic, SpecError
from . import show

# 1 the user's spec, data or machine is at fault; 2 usage; 70 a bug of ours; 130 interrupted.
FAULT, USAGE, BUG, INTERRUPTED = 1, 2, 70, 130

COMMANDS = {"check": "check", "build": "build", "train": "train", "run": "run", "explain": "explain", "words": "words"}


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
    # NumPy's BLAS gives other bits with other numbers of threads; the environment decides, and a run records it.
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command line."""
    as_object = "--json" in arguments
    try:
        netc.main(arguments, prog_name="netc", standalone_mode=False)
        return 0
    except SpecError as error:
        show.failure(error.diagnostics, as_object)
        return FAULT
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is left of it must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAULT
    except Exception as error:
        return _runtime_fault(error, as_object)


def _runtime_fault(error: Exception, as_object: bool) -> int:
    """Faults of the runtime, whose package is imported only by commands that run something."""
    from ..runtime.errors import Fault, Interrupted

    if isinstance(error, Interrupted):
        saved = f"saved in {error.checkpoint}: go on with --resume" if error.checkpoint else "nothing is saved"
        click.echo(f"{error}; {saved}", err=True)
        return INTERRUPTED
    if isinstance(error, Fault):
        show.failure([Diagnostic(error.code, error.message, None, error.help, where=error.where)], as_object)
        return FAULT
    if isinstance(error, OSError):
        message = f"{error.filename or 'the system'}: {error.strerror or error}"
        show.failure([Diagnostic("system", message, None)], as_object)
        return FAULT
    return _bug(error, as_object)


def _bug(error: Exception, as_object: bool) -> int:
    descriptor, name = tempfile.mkstemp(prefix="netc-", suffix=".txt")
    with os.fdopen(descriptor, "w") as file:
        traceback.print_exception(error, file=file)
    message = f"this is a bug of netc, not of your spec: {type(error).__name__}: {error}"
    help = f"please report it with the spec and {Path(name)}"
    show.failure([Diagnostic("internal", message, None, help)], as_object)
    return BUG
