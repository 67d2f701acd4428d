"""From the text of a .net file to checked, typed Programs."""

from .diagnostics import Diagnostic, Report, SpecError
from .load import check, load, load_text
from .net import Net
from .source import Source

__all__ = ["Diagnostic", "Net", "Report", "Source", "SpecError", "check", "load", "load_text"]
