"""The libraries of a spec: the files that its imports name, each read once, without trust."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from .diagnostics import Report, SpecError
from .parse import SIZE_LIMIT, parse
from .source import Place, Source
from .spec_file import decoded, start_of
from .syntax import Definition, Header, Import, Let, Tree

# How many files may import one another in a row.
DEEPEST = 20

HELP = "a library lies in the spec's folder or below it, and is named with forward slashes"


@dataclass(frozen=True)
class Library:
    """A library file; `path` leads to it from the spec's folder, `uses` are the imports of it, the innermost first."""

    source: Source
    path: str
    folder: str
    tree: Tree
    uses: tuple[Place, ...]


def read_libraries(tree: Tree, source: Source, folder: str | None, report: Report) -> tuple[Library, ...]:
    """The libraries that a spec imports, each after those that it imports itself; faults go to the report."""
    reader = _Reader(folder, report, len(source.text))
    reader.follow(tree, PurePosixPath(), PurePosixPath(source.name).parent, ())
    return tuple(library for library in reader.found.values() if library is not None)


class _Reader:
    def __init__(self, folder: str | None, report: Report, size: int):
        self.base = None if folder is None else Path(folder).resolve()
        self.report, self.size = report, size
        # The libraries by their real paths; one at fault is None.
        self.found: dict[Path, Library | None] = {}
        self.open: list[tuple[Path, str]] = []

    def follow(self, tree: Tree, path: PurePosixPath, shown: PurePosixPath, uses: tuple[Place, ...]) -> None:
        """Read what a file imports; `path` is its folder from the spec's, `shown` is that folder's name."""
        seen: dict[str, Import] = {}
        for sentence in [s for s in tree.sentences if isinstance(s, Import)]:
            file = sentence.file.value
            if file in seen:
                message = f"this file is already imported in line {seen[file].place.line}"
                self.report.error("duplicate-sentence", message, sentence.place, "keep one of them")
                continue
            seen[file] = sentence
            real = self._real(sentence, path / file)
            if real is not None:
                self._read(sentence, real, path / file, shown / file, (sentence.place, *uses))

    def _real(self, sentence: Import, path: PurePosixPath) -> Path | None:
        """Where a file really lies; None, after a diagnostic, where it may not be read."""
        place = sentence.file.place
        if self.base is None:
            message = "a spec that is no file has no folder to import from"
            self.report.error("bad-path", message, place, "save it as a file, or write the definitions into it")
            return None
        if not _below(sentence.file.value):
            self.report.error("bad-path", "this is no path in the folder of its file or below it", place, HELP)
            return None
        try:
            real = (self.base / path).resolve()
        except (OSError, RuntimeError, ValueError):  # links that go round, or what no file can be called
            self.report.error("bad-path", "this path leads nowhere", place, HELP)
            return None
        if not real.is_relative_to(self.base):
            self.report.error("bad-path", "this path leads out of the spec's folder", place, HELP)
            return None
        return real

    def _read(
        self, sentence: Import, real: Path, path: PurePosixPath, shown: PurePosixPath, uses: tuple[Place, ...]
    ) -> None:
        round = [name for found, name in self.open if found == real]
        if round:
            names = [name for _, name in self.open][[found for found, _ in self.open].index(real) :]
            message = f"{real.name} imports itself: {' -> '.join([*names, str(path)])}"
            self.report.error("import-cycle", message, sentence.place, "move what both need into a third file")
            return
        if real in self.found:
            return
        self.found[real] = None
        if len(self.open) == DEEPEST:
            message = f"more than {DEEPEST} files import one another"
            self.report.error("too-deep", message, sentence.place, "import the last of them from the spec")
            return
        text = self._text(sentence, real)
        if text is None:
            return
        source = Source(str(shown), text)
        with self.report.used(sentence.place):
            tree = self._tree(source)
            if tree is None:
                return
            self.open.append((real, str(path)))
            self.follow(tree, path.parent, shown.parent, uses)
            self.open.pop()
        # A library stands after those that it imports.
        del self.found[real]
        self.found[real] = Library(source, str(path), str(real.parent), tree, uses)

    def _text(self, sentence: Import, real: Path) -> str | None:
        place = sentence.file.place
        try:
            if not stat.S_ISREG(real.stat().st_mode):  # a pipe could be waited for without end
                self.report.error("unreadable", "this is no file", place, HELP)
                return None
            text = decoded(start_of(real), "the library")
        except OSError as error:
            self.report.error("unreadable", f"the library cannot be read: {error.strerror}", place, HELP)
            return None
        except SpecError as error:
            for found in error.diagnostics:
                self.report.error(found.code, found.message, place, found.help)
            return None
        self.size += len(text)
        if self.size > SIZE_LIMIT:
            message = f"a spec and its libraries have at most {SIZE_LIMIT:,} characters together"
            self.report.error("too-long", message, place, "import less")
            return None
        return text

    def _tree(self, source: Source) -> Tree | None:
        """The tree of a library; None, after diagnostics, where it cannot be one."""
        try:
            tree = parse(source)
        except SpecError as error:
            self.report.adopt(error.diagnostics)
            return None
        foreign = next((s for s in tree.sentences if not isinstance(s, Definition | Let | Import)), None)
        if foreign is not None:
            what = "is a spec of its own" if isinstance(foreign, Header) else "holds a sentence that is none of them"
            message = f"a library holds def, let and import, but {source.name} {what}"
            self.report.error("not-a-library", message, foreign.place, "keep it in the spec, or in a file of its own")
            return None
        return tree


def _below(file: str) -> bool:
    """Whether a path stays below the folder that it begins in, as far as its text tells."""
    if not file.isprintable() or "\\" in file or PureWindowsPath(file).drive:
        return False
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and path != PurePosixPath()
