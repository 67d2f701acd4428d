"""How a run is shown while it goes on: a progress bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
import time

import click

from ..runtime import Observer, Record, Start
from ..runtime.history import numbers


def epoch_line(record: Record, epochs: int) -> str:
    """What an epoch came to."""
    width = len(str(epochs))
    parts = [
        f"epoch {record.epoch:>{width}}/{epochs}",
        *(f"{name} {value:.4f}" for name, value in record.losses.items()),
    ]
    parts += [f"{name} {value:.4f}" for name, value in numbers(record.training).items()]
    parts += [f"val_{name} {value:.4f}" for name, value in numbers(record.validation).items()]
    return "  ".join(parts)


class Lines(Observer):
    """A line an epoch."""

    def on_start(self, start: Start) -> None:
        """Say what begins."""
        self.epochs = start.epochs
        click.echo("\n".join(_opening(start)))

    def on_epoch(self, record: Record) -> None:
        """Say what the epoch came to."""
        click.echo(epoch_line(record, self.epochs))


class Bar(Observer):
    """A progress bar with the loss and the validation metrics."""

    # The bar is drawn anew at most so often, in seconds: training does not wait for the terminal.
    PAUSE = 0.1

    def on_start(self, start: Start) -> None:
        """Say what begins, and draw the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        click.echo("\n".join(_opening(start)))
        self.epochs, self.batches, self.drawn, self.last = start.epochs, start.batches, 0.0, ""
        self.losses = start.losses
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeRemainingColumn(compact=True))
        self.progress = Progress(*columns, TextColumn("{task.fields[said]}"), console=Console(highlight=False))
        done = start.epoch * start.batches + start.batch
        self.task = self.progress.add_task("training", total=start.epochs * start.batches, completed=done, said="")
        self.progress.start()

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        """Move the bar."""
        now = time.monotonic()
        if now - self.drawn >= self.PAUSE:
            self.drawn = now
            said = self.last or "  ".join(f"{n} {loss:.4f}" for n, loss in zip(self.losses, losses, strict=True))
            done = (epoch - 1) * batches + batch
            self.progress.update(self.task, completed=done, description=f"epoch {epoch}/{self.epochs}", said=said)

    def on_epoch(self, record: Record) -> None:
        """Show what the epoch came to."""
        shown = {**record.losses, **numbers(record.training)}
        judged = numbers(record.validation)
        shown |= {f"val_{name}": value for name, value in judged.items() if name not in record.losses}
        self.last = "  ".join(f"{name} {value:.4f}" for name, value in list(shown.items())[:3])
        description = f"epoch {record.epoch}/{self.epochs}"
        self.progress.update(self.task, completed=record.epoch * self.batches, description=description, said=self.last)

    def stop(self) -> None:
        """Leave the bar as it is."""
        if hasattr(self, "progress"):
            self.progress.stop()


def watcher(quiet: bool) -> Observer:
    """Whoever shows the run: nobody, a bar, or lines."""
    if quiet:
        return Observer()
    return Bar() if sys.stdout.isatty() else Lines()


def _opening(start: Start) -> list[str]:
    where = f"{start.engine} engine on {start.provider} ({start.provider_reason})"
    rows = f"{start.training:,} rows to train on"
    rows += f", {start.validation:,} held out for validation" if start.validation else ""
    lines = [where, rows]
    if start.resumed:
        lines.append(_resumed(start))
    return [*lines, *start.notes]


def _resumed(start: Start) -> str:
    """Where a resumed run goes on; epochs and batches count from 1."""
    if start.batch:
        return f"resumed in epoch {start.epoch + 1} of {start.epochs}, after batch {start.batch} of {start.batches}"
    if start.epoch:
        return f"resumed after epoch {start.epoch} of {start.epochs}"
    return "resumed from the beginning: no batch was done yet"
