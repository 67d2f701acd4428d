"""Declarations: the names, types and settings of a spec, each checked by itself."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from . import syntax
from .constants import Constant, NotConstantError, evaluate
from .diagnostics import Report, did_you_mean, listed
from .net import Field
from .options import Scope, bind
from .source import Place
from .syntax import Argument, Call, Chain, Expr, Items, Name, Number, Span, Text, Tree, TypeNode
from .types import BINARY, POSITIVE, REAL, UNIT, Domain, Shape
from .words import WORDS, Kind, Option

# One example holds at most so many numbers an input, and a shape so many axes.
LARGEST_EXAMPLE = 2**28
LONGEST_NAME = 32
MOST_AXES = 8

DOMAINS = {"f32": REAL, "unit": UNIT, "positive": POSITIVE, "binary": BINARY}
LATER_KINDS = ("u8", "token", "count", "simplex", "category", "normal")
ARTIFACTS = ("numpy", "inference", "step")


def _option(name: str, form: str, description: str, default: Any, **bounds: Any) -> tuple[str, Option]:
    return name, Option(name, Kind(form, description, **bounds), default, required=False)


TRAIN = dict(
    [
        _option("epochs", "whole", "a whole number of at least 1", 10, low=1),
        _option("batch", "whole", "a whole number of at least 1", 32, low=1),
        _option("seed", "whole", "a whole number of at least 0", 1, low=0),
        _option("validation", "real", "a share from 0 to below 1", 0.0, low=0, high=1, high_open=True),
        _option("early_stop", "whole", "a number of epochs of at least 1", None, low=1),
        _option("clip_norm", "real", "a number above 0", None, low=0, low_open=True),
    ]
)
LATER_TRAIN = ("test", "class_weight", "sample_weight", "window", "clip_value", "horizon")

LATER: dict[type[syntax.Sentence], str] = {
    syntax.Part: "part",
    syntax.Definition: "def",
    syntax.Repeat: "repeat",
    syntax.If: "if",
    syntax.Threshold: "threshold",
    syntax.Import: "import",
}


@dataclass
class Spec:
    """The sentences of a spec, sorted, with its declarations resolved."""

    name: str
    doc: str
    place: Place
    scope: Scope
    fields: dict[str, Field]
    chains: list[Chain | syntax.Output]
    loss: syntax.Loss | None
    updater: syntax.Updater | None
    metrics: list[Expr]
    train: dict[str, Any]
    data: dict[str, Any] | None
    wanted: tuple[str, ...]
    places: dict[str, Place] = field(default_factory=lambda: {})

    def of(self, role: str) -> tuple[Field, ...]:
        """The fields of a role, in the order of the text."""
        return tuple(f for f in self.fields.values() if f.role == role)


def resolve(tree: Tree, defines: Mapping[str, Constant], folder: str | None, report: Report, whole: Place) -> Spec:
    """Sort the sentences and resolve what they declare; faults go to the report."""
    later(tree, report)
    by: dict[type[syntax.Sentence], list[Any]] = {}
    for sentence in tree.sentences:
        by.setdefault(type(sentence), []).append(sentence)
    names = Names(report)
    constants = _lets(by.get(syntax.Let, []), defines, names, report)
    scope = Scope(constants, report, folder)
    header = single(by.get(syntax.Header, []), "net", report)
    if header is None:
        report.error("missing-net", "the spec has no name", whole, "begin it with: net NAME")
    else:
        names.check_net(header.name, header.name_place)
    fields: dict[str, Field] = {}
    for declaration in by.get(syntax.Declaration, []):
        if declaration.role != "noise" and names.declare(declaration.name, declaration.name_place):
            fields[declaration.name] = _field(declaration, scope)
    train = single(by.get(syntax.Train, []), "train", report)
    data = single(by.get(syntax.Data, []), "data", report)
    targets = single(by.get(syntax.Targets, []), "targets", report)
    losses = by.get(syntax.Loss, [])
    spec = Spec(
        name=header.name if header else "",
        doc=header.doc if header else "",
        place=header.place if header else whole,
        scope=scope,
        fields=fields,
        chains=[s for s in tree.sentences if isinstance(s, Chain | syntax.Output)],
        loss=losses[0] if losses else None,
        updater=single(by.get(syntax.Updater, []), "updater", report),
        metrics=[item for metric in by.get(syntax.Metric, []) for item in metric.items],
        train=_train(train, scope),
        data=_data(data, fields, report) if data else None,
        wanted=_targets(targets, report) if targets else ARTIFACTS,
        places=names.places,
    )
    for chain in spec.chains:
        if chain.name is not None and chain.name_place is not None and not _refers(chain, spec):
            names.declare(chain.name, chain.name_place)
    return spec


def _refers(chain: Chain | syntax.Output, spec: Spec) -> bool:
    """Whether an output only names a value that another sentence declares."""
    return isinstance(chain, syntax.Output) and chain.chain is None


def single(sentences: list[Any], word: str, report: Report) -> Any:
    """The only sentence of its kind, or None."""
    for extra in sentences[1:]:
        report.error("duplicate-sentence", f"{word} stands twice", extra.place, "keep one of them")
    return sentences[0] if sentences else None


def later(tree: Tree, report: Report) -> None:
    """Report every sentence whose machinery does not exist."""
    for sentence in tree.sentences:
        word = LATER.get(type(sentence))
        if isinstance(sentence, syntax.Declaration) and sentence.role == "noise":
            word = "noise"
        if isinstance(sentence, syntax.Loss) and (sentence.trains or sentence.updater):
            word = "loss with trains or with"
        if word:
            report.error("not-yet", f"this version of netc does not know what to do with {word}", sentence.place)
    for extra in [s for s in tree.sentences if isinstance(s, syntax.Loss)][1:]:
        message = "this version of netc trains one loss a net"
        report.error("not-yet", message, extra.place, "add the losses up in one expression: loss mse(a, b) + mse(c, d)")


class Names:
    """The names that a spec declares, each once and each safe in the artifacts."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.places: dict[str, Place] = {}

    def check(self, name: str, place: Place) -> bool:
        """Report a name that cannot stand in the artifacts."""
        why = ""
        if keyword.iskeyword(name):
            why = f"{name} is a keyword of Python"
        elif name.startswith("_"):
            why = f"{name} starts with an underscore"
        elif len(name) > LONGEST_NAME:
            why = f"this name has {len(name)} characters, and a name has at most {LONGEST_NAME}"
        if why:
            self.report.error("unsafe-name", f"{why}; the artifacts use the name", place, "choose another")
        return not why

    def check_net(self, name: str, place: Place) -> None:
        """Report a net's name that its trainer, a file of that name, could not have."""
        if self.check(name, place) and (name in sys.stdlib_module_names or name == "numpy"):
            message = f"the trainer would be {name}.py, and hide the module {name} from Python"
            self.report.error("unsafe-name", message, place, "choose another")

    def declare(self, name: str, place: Place) -> bool:
        """Declare a name; report one that is taken or unsafe, and warn of one that hides a word."""
        if not self.check(name, place):
            return False
        if name in self.places:
            line = self.places[name].line
            message = f"{name} is already declared in line {line}"
            self.report.error("duplicate-name", message, place, "choose another name")
            return False
        self.places[name] = place
        kinds = sorted({kind for kind, word in WORDS if word == name})
        if kinds:
            message = f"{name} is also the name of {listed([_article(k) for k in kinds])}; here it means your value"
            self.report.warning("hidden-word", message, place)
        return True


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _lets(lets: list[syntax.Let], defines: Mapping[str, Constant], names: Names, report: Report) -> dict[str, Constant]:
    constants: dict[str, Constant] = {}
    known = [let.name for let in lets]
    for name in defines:
        if name not in known:
            help = did_you_mean(name, known) or (f"the spec has {listed(known)}" if known else "the spec has none")
            report.error("unknown-define", f"-D {name}: the spec has no let of that name", None, help)
    for let in lets:
        if not names.declare(let.name, let.name_place):
            continue
        try:
            value = evaluate(let.value, constants, report)
            constants[let.name] = defines.get(let.name, value)
        except NotConstantError:
            constants[let.name] = 1
    return constants


def _field(declaration: syntax.Declaration, scope: Scope) -> Field:
    node, report = declaration.type, scope.report
    for option in declaration.options:
        if option.key == "lengths":
            report.error("not-yet", "this version of netc has no inputs over time", option.place)
        else:
            message = f"{declaration.role} has no option {option.key}"
            report.error("unknown-option", message, option.key_place or option.place, "its only option is lengths")
    classes, labels = _classes(node, scope) if node.kind == "class" else (None, None)
    if node.kind in LATER_KINDS:
        report.error("not-yet", f"this version of netc has no type {node.kind}", node.place)
    elif node.kind not in (*DOMAINS, "class"):
        known = (*DOMAINS, "class")
        help = did_you_mean(node.kind, known) or f"there are {listed(known)}"
        report.error("unknown-type", f"{node.kind} is not a type", node.place, help)
    elif node.kind != "class" and node.domain:
        report.error("bad-type", f"{node.kind} takes no domain in parentheses", node.place, "write it without")
    domain = DOMAINS.get(node.kind, REAL)
    if node.kind == "class":
        domain = Domain(0.0, (classes or 2) - 1.0, False, False, whole=True)
        if declaration.role == "input":
            message = "this version of netc takes a class as a target alone"
            report.error("not-yet", message, node.place, "give one input a class, of type binary")
    shape = _shape(node, scope)
    place = declaration.name_place
    return Field(declaration.name, declaration.role, node.kind, shape, domain, classes, labels, declaration.doc, place)


def _classes(node: TypeNode, scope: Scope) -> tuple[int | None, tuple[str, ...] | None]:
    fail = scope.report.error
    help = 'write class(10), or class("red", "green")'
    if not node.domain:
        fail("bad-type", "class needs the number of classes or their labels", node.place, help)
        return None, None
    if all(isinstance(e, Text) for e in node.domain):
        labels = tuple(e.value for e in node.domain if isinstance(e, Text))
        if len(set(labels)) < len(labels) or len(labels) < 2 or not all(labels):
            fail("bad-type", "class needs at least two labels, each different and none empty", node.place, help)
            return None, None
        return len(labels), labels
    first, *more = node.domain
    try:
        number = scope.number(first)
    except NotConstantError:
        return None, None
    if more or not isinstance(number, int) or isinstance(number, bool) or not 2 <= number <= 2**20:
        fail("bad-type", "the number of classes is a whole number from 2 to 2^20", first.place, help)
        return None, None
    return number, None


def _shape(node: TypeNode, scope: Scope) -> Shape:
    if node.shape is None:
        return () if node.kind == "class" else (1,)
    dims: list[int] = []
    for expr in node.shape:
        if isinstance(expr, Name) and expr.id not in scope.constants and expr.id[0].isupper():
            message = f"this version of netc has no dimensions that are known only at run time, such as {expr.id}"
            scope.report.error("not-yet", message, expr.place)
            continue
        try:
            value = scope.number(expr)
        except NotConstantError:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            scope.report.error("bad-type", "a size is a whole number of at least 1", expr.place)
        else:
            dims.append(value)
    size = 1
    for dim in dims:
        size *= dim
    if size > LARGEST_EXAMPLE or len(node.shape) > MOST_AXES:
        message = f"an example holds at most {LARGEST_EXAMPLE:,} numbers in at most {MOST_AXES} axes"
        scope.report.error("too-large", message, node.place)
        return (1,)
    if node.kind == "class" and node.shape:
        message = "this version of netc has one label an example"
        scope.report.error("not-yet", message, node.place, "write class(...) without brackets")
        return ()
    return tuple(dims) or (1,)


def _train(sentence: syntax.Train | None, scope: Scope) -> dict[str, Any]:
    defaults = {name: option.default for name, option in TRAIN.items()}
    if sentence is None:
        return defaults
    arguments: list[Argument] = []
    for argument in sentence.options:
        if argument.key in LATER_TRAIN:
            message = f"this version of netc has no {argument.key} in training"
            scope.report.error("not-yet", message, argument.place)
        else:
            arguments.append(argument)
    try:
        options = bind("train", TRAIN, arguments, sentence.place, scope)
    except NotConstantError:
        return defaults
    if options["early_stop"] and not options["validation"]:
        message = "early_stop watches the loss of the validation rows, and there are none"
        scope.report.error("missing-validation", message, sentence.place, "add validation=20%")
    return options


def _targets(sentence: syntax.Targets, report: Report) -> tuple[str, ...]:
    for name in sentence.names:
        if name.id not in ARTIFACTS:
            help = did_you_mean(name.id, ARTIFACTS) or f"there are {listed(ARTIFACTS)}"
            report.error("unknown-word", f"{name.id} is not an artifact", name.place, help)
    wanted = {name.id for name in sentence.names}
    return tuple(a for a in ARTIFACTS if a in wanted)


def _data(sentence: syntax.Data, fields: Mapping[str, Field], report: Report) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    header = None
    for option in sentence.options:
        key = option.key or ""
        if key == "header" and key not in fields:
            header = option.value.value if isinstance(option.value, syntax.Boolean) else None
            if header is None:
                report.error("bad-option", "header of data is true or false", option.value.place)
        elif key not in fields:
            help = did_you_mean(key, fields) or f"the spec declares {listed(fields)}"
            report.error("unknown-name", f"{key} is not an input or a target", option.key_place or option.place, help)
        else:
            bound[key] = _binding(option.value, report)
    if _outside(sentence.file.value):
        message = "the data file is named relative to the spec, with forward slashes"
        report.error(
            "bad-path", message, sentence.file.place, "another place is named on the command line: --data FILE"
        )
    return {"file": sentence.file.value, "bind": bound, "header": header}


def _outside(path: str) -> bool:
    return not path or "\0" in path or "\\" in path or PurePosixPath(path).is_absolute()


def _binding(value: Expr, report: Report) -> dict[str, Any]:
    match value:
        case Name() | Number():
            return {"column": _column(value)}
        case Span(first=Name() | Number() as first, last=Name() | Number() as last):
            return {"span": [_column(first), _column(last)]}
        case Items(items=items) if all(isinstance(i, Name | Number | Text) for i in items):
            return {"columns": [_column(i) for i in items]}
        case Text():
            return {"file": value.value}
        case Call(word="shift"):
            report.error("not-yet", "this version of netc has no shifted inputs", value.place)
        case _:
            help = 'write y=label, x=age..income, x=[age, income], y=3 or y="labels.gz"'
            report.error("bad-option", "this names no column, columns or file", value.place, help)
    return {}


def _column(expr: Any) -> str | int:
    match expr:
        case Name():
            return expr.id
        case Number():
            return int(expr.value)
        case _:
            return str(expr.value)


def unused(spec: Spec, used: Iterable[str], report: Report) -> None:
    """Report every named value, input and target that nothing uses."""
    used = set(used)
    for name, place in spec.places.items():
        if name in used or name in spec.scope.constants:
            continue
        role = spec.fields[name].role if name in spec.fields else "value"
        help = {
            "input": "use it as the source of a chain, or take it away",
            "target": "compare a prediction with it in the loss, or take it away",
            "value": "use it in a chain, in the loss or as an output, or take it away",
        }[role]
        report.error("unused", f"nothing uses the {role} {name}", place, help)
