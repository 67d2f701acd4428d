"""Options of the test run."""

from __future__ import annotations

import os
import signal

import pytest

# Each core has a process of the tests already: more threads of BLAS in each, and they would wait for one another. It
# looks at this when NumPy is imported, which no plugin of pytest does.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# A shell that runs the tests in the background lets them ignore Ctrl-C, and so would the commands that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what comes out now where it was expected")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to say aloud, also where they pass in another process."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    found = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    for text in dict.fromkeys(text for name, text in found if name == "aloud"):
        terminalreporter.write_line(text)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expectations are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))
