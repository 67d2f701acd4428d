"""Ctrl-C that waits for the end of a step: the first is remembered, the second interrupts at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupts:
    """While it is entered, the first Ctrl-C only sets `asked`.

    Signals reach only the main thread, and a program that handles them itself is left to do so.
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
