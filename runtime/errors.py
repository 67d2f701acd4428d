"""What can go wrong outside the spec: a fault with a stable code, a message, a place and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

# Every code of the runtime and what it means; `netc explain` prints it.
CODES: dict[str, str] = {
    "data-alphabet": (
        "The symbols of a text are its distinct characters, of which there are as many as the type says, "
        "token(65), or the labels of the type, which then are single characters."
    ),
    "data-binding": (
        "The columns of a CSV file cannot be dealt out to the inputs and targets of the net. A field whose name is a "
        "column's takes that column; `bind` in the `data` sentence deals by hand; a single field that is left takes "
        "the columns that are left; and with one input and one target the last column is the target. Nothing else is "
        "guessed."
    ),
    "data-count": (
        "The files hold different numbers of examples for different fields. Every example needs a value of every "
        "field, so the counts have to agree."
    ),
    "data-steps": (
        "Fields whose types share a name for a number of steps, such as T, hold different numbers of them, or a length "
        "exceeds the steps that there are, or the net has learned fewer places than there are steps. Cut or pad the "
        "arrays to one length. Of sentences of words, each sentence that counts has one word or more, and padding none."
        " For the loss ctc each example has a step for every label, and one between equal labels side by side."
    ),
    "data-delimiter": (
        "The first line of a CSV file does not say which of comma, semicolon and tab parts its columns, because more "
        "than one of them occurs outside quotes. Name it with `delimiter`."
    ),
    "data-dtype": (
        "An array holds values of a kind that a field cannot take, as text for an f32 or fractions for a class."
    ),
    "data-empty": "A file holds no example at all.",
    "data-encoding": "A text file is not UTF-8. Save it as UTF-8 and try again.",
    "data-format": (
        "A file is none of the formats that are read (.npz, .npy, IDX also gzipped, PNG, JPEG, CSV), or it is "
        "damaged: its header and its content do not agree, or it ends too early. A folder of images holds images "
        "alone, or a folder for each class with images alone."
    ),
    "data-label": "A class is named by a label that the spec's type does not list.",
    "data-missing": "An array or a field's file is missing: the archive has no entry of the field's name.",
    "data-missing-value": (
        "A cell is empty or says NaN, NA or `?`. A net cannot learn from a value that is not there: fill it or remove "
        "the row before training."
    ),
    "data-not-a-number": "A cell of a column of numbers holds something else.",
    "data-pickled": "An array holds Python objects. Reading them would run code from the file, so it is never done.",
    "data-ragged": "A row of a CSV file has more or fewer cells than the first one.",
    "data-series": (
        "Series give no examples: they are too short for a window and what lies ahead of it, they differ in length "
        "where nothing says which steps count, or a field without steps has several values in one sequence."
    ),
    "data-shape": (
        "An array's shape is not the field's. Its first axis counts examples and the others are one example's shape; "
        "axes of size one may be left out, and nothing else is reshaped or broadcast."
    ),
    "data-source": (
        "It is not clear which files to read: neither the spec nor the command line names any, or `--data` names a "
        "field that the net does not have."
    ),
    "data-too-large": "A file declares more bytes than the stated limit. Archives are bounded before they are read.",
    "data-value": (
        "A value lies outside its type: not finite, outside 0..1 for unit, not above 0 for positive, neither 0 nor 1 "
        "for binary, or a class that does not exist."
    ),
    "file-missing": "A file does not exist.",
    "file-unreadable": "A file exists and cannot be read or written: it is a folder, or the system refuses.",
    "checkpoint-corrupt": (
        "A checkpoint cannot be read. netc writes them atomically, so something else has damaged or replaced it. "
        "Start afresh with `--force`."
    ),
    "checkpoint-mismatch": (
        "A checkpoint was saved by a different run: the spec, a `-D`, the data or the engine has changed since. A "
        "resumed run ends in the same weights as an uninterrupted one, which that would break."
    ),
    "model-foreign": (
        "An ONNX file does not carry the `netc` key in its metadata, or the key is malformed, so its inputs have no "
        "types. Build it with `netc build` or `netc train`."
    ),
    "model-unreadable": (
        "ONNX Runtime cannot load a model: the file is damaged, or its opset or IR version is newer than the "
        "installed runtime knows."
    ),
    "model-kind": (
        "A model cannot go on with a text or a series. It goes on with a text if it reads single characters and gives "
        "the probabilities of the next one, and with a series if its prediction is a later step of its only input."
    ),
    "model-failed": "ONNX Runtime loaded a model and then failed to run it. The message is the runtime's own.",
    "model-input": "A model was run with an input missing or with one that it does not have.",
    "not-finite": (
        "Training met a value that is infinite or not a number. The message names the first one: an input, the loss, "
        "a gradient or a weight. A smaller learning rate, `clip_norm` or `standardize` is the usual cure. A build "
        "refuses a spec whose gradient is not finite where its loss is, for examples that its types allow, and one "
        "whose artifacts do not agree on which values are not finite."
    ),
    "provider-missing": (
        "CUDA was asked for and the session did not get it. ONNX Runtime falls back to the CPU with only a warning; "
        "netc refuses instead, and names the library that is missing."
    ),
    "pillow-missing": (
        "Images are decoded by Pillow, which is not installed. It comes with the extra `images`: "
        '`pip install "netc[images]"`.'
    ),
    "run-exists": (
        "The folder holds the results of another run, or one is at work in it. Go on with `--resume`, replace them "
        "with `--force`, or choose another folder."
    ),
    "split-empty": "The validation split leaves no example to train on, or none to validate on.",
    "trainer-broken": (
        "An emitted trainer cannot be imported, or lacks one of the functions that training needs. It was edited or "
        "printed by another version."
    ),
    "weights-mismatch": (
        "The arrays of a weights file are not those of the net: a name is missing or unknown, or a shape differs."
    ),
}


class Fault(Exception):  # noqa: N818 - most faults are the data's
    """One thing that the user's data, files or machine must change; `code` is a key of CODES."""

    def __init__(self, code: str, message: str, where: str | None = None, help: str | None = None):
        assert code in CODES, f"{code} has no explanation in CODES"
        self.code = code
        self.message = message
        self.where = where
        self.help = help
        super().__init__(f"{where}: {message}" if where else message)


class Interrupted(Exception):  # noqa: N818 - not an error
    """Training was stopped by Ctrl-C; `checkpoint` is where it can be resumed from, or None where nothing is saved."""

    def __init__(self, checkpoint: Path | None, epoch: int, batch: int):
        self.checkpoint = checkpoint
        self.epoch = epoch
        self.batch = batch
        super().__init__(f"interrupted in epoch {epoch} after {batch} batches")


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The help that names the nearest known name, or None where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def listed(names: Iterable[object]) -> str:
    """Names as prose: `a, b and c`; a long list is cut and says so."""
    names = [str(n) for n in names]
    if len(names) > 12:
        names = [*names[:10], f"{len(names) - 10} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plural(count: int, noun: str) -> str:
    """`1 row`, `3 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
