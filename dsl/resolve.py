"""Declarations: the names, types and settings of a spec, each checked by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import syntax
from .constants import Constant, NotConstantError, evaluate
from .data_sentence import data_of
from .declared import Names
from .diagnostics import Report, did_you_mean, listed
from .net import Field
from .options import Scope, bind
from .source import Place
from .syntax import Argument, Chain, Expr, Name, Text, Tree, TypeNode
from .types import BINARY, POSITIVE, REAL, UNIT, Domain, Shape
from .words import Kind, Option

# One example holds at most so many numbers an input or a layer, and a shape so many axes.
LARGEST_EXAMPLE = 2**28
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

# Sentences without machinery, and what a user can do meanwhile.
LATER: dict[type[syntax.Sentence], tuple[str, str]] = {
    syntax.Part: ("part", "write its layers where they are used"),
    syntax.Definition: ("def", "use the words that netc words lists"),
    syntax.Repeat: ("repeat", "write its layers out"),
    syntax.If: ("if", "keep the branch that you want"),
    syntax.Threshold: ("threshold", "take it away; the model gives probabilities, and decides at 0.5"),
    syntax.Import: ("import", "write what you need of the library into the spec"),
}
NOISE = ("noise", "take it away, or make it an input")
SEVERAL = ("loss with trains or with", "train all weights by one loss and one updater")


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
    # Inputs and targets whose declaration is at fault: what uses them is not to blame.
    faulty: set[str] = field(default_factory=lambda: set[str]())

    def of(self, role: str) -> tuple[Field, ...]:
        """The fields of a role, in the order of the text."""
        return tuple(f for f in self.fields.values() if f.role == role)


def resolve(
    tree: Tree, defines: Mapping[str, Constant | None], folder: str | None, report: Report, whole: Place
) -> Spec:
    """Sort the sentences and resolve what they declare; faults go to the report."""
    later(tree, report)
    by: dict[type[syntax.Sentence], list[Any]] = {}
    for sentence in tree.sentences:
        by.setdefault(type(sentence), []).append(sentence)
    names = Names(report)
    header = _header(by.get(syntax.Header, []), names, whole)
    roles = _roles(tree)
    scope = Scope(_lets(by.get(syntax.Let, []), defines, names, roles), report, folder, declared=roles)
    fields: dict[str, Field] = {}
    faulty: set[str] = set()
    for declaration in by.get(syntax.Declaration, []):
        if declaration.role != "noise" and names.declare(declaration.name, declaration.name_place):
            before = len(report.diagnostics)
            fields[declaration.name] = _field(declaration, scope)
            if len(report.diagnostics) > before:
                faulty.add(declaration.name)
    data = single(by.get(syntax.Data, []), "data", report)
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
        train=_train(single(by.get(syntax.Train, []), "train", report), scope),
        data=data_of(data, fields, report) if data else None,
        wanted=_targets(single(by.get(syntax.Targets, []), "targets", report), bool(losses), report),
        places=names.places,
        faulty=faulty,
    )
    for chain in spec.chains:
        if chain.name is not None and chain.name_place is not None and not _refers(chain, spec):
            names.declare(chain.name, chain.name_place)
    return spec


def _header(headers: list[Any], names: Names, whole: Place) -> syntax.Header | None:
    header: syntax.Header | None = single(headers, "net", names.report)
    if header is not None:
        names.check_net(header.name, header.name_place)
    elif not names.report.failed:
        message = "the file has no net; without one it is a library, which cannot be built by itself"
        names.report.error("missing-net", message, whole, "begin it with: net NAME")
    return header


def _roles(tree: Tree) -> dict[str, str]:
    """What each name is that is declared otherwise than by let."""
    roles: dict[str, str] = {}
    for sentence in tree.sentences:
        if isinstance(sentence, syntax.Declaration):
            roles.setdefault(sentence.name, f"an {sentence.role}" if sentence.role == "input" else f"a {sentence.role}")
        elif isinstance(sentence, Chain | syntax.Output) and sentence.name:
            roles.setdefault(sentence.name, "a value of the net")
    return roles


def _refers(chain: Chain | syntax.Output, spec: Spec) -> bool:
    """Whether an output only names a value that another sentence declares."""
    return isinstance(chain, syntax.Output) and chain.chain is None


def single(sentences: list[Any], word: str, report: Report) -> Any:
    """The only sentence of its kind, or None."""
    for extra in sentences[1:]:
        message = f"{word} stands twice; the first is in line {sentences[0].place.line}"
        report.error("duplicate-sentence", message, extra.place, "keep one of them")
    return sentences[0] if sentences else None


def later(tree: Tree, report: Report) -> None:
    """Report every sentence whose machinery does not exist."""
    for sentence in tree.sentences:
        found = LATER.get(type(sentence))
        if isinstance(sentence, syntax.Declaration) and sentence.role == "noise":
            found = NOISE
        if isinstance(sentence, syntax.Loss) and (sentence.trains or sentence.updater):
            found = SEVERAL
        if found:
            word, help = found
            report.error("not-yet", f"this version of netc has no {word} yet", sentence.place, help)
    for extra in [s for s in tree.sentences if isinstance(s, syntax.Loss)][1:]:
        message = "this version of netc trains one loss a net"
        report.error("not-yet", message, extra.place, "add the losses up in one expression: loss mse(a, b) + mse(c, d)")


def _lets(
    lets: list[syntax.Let], defines: Mapping[str, Constant | None], names: Names, roles: Mapping[str, str]
) -> dict[str, Constant | None]:
    """The constants; one whose expression is at fault is None."""
    constants: dict[str, Constant | None] = {}
    report = names.report
    known = [let.name for let in lets]
    for name in defines:
        if name not in known and name.isidentifier():
            help = did_you_mean(name, known) or (f"the spec has {listed(known)}" if known else "the spec has no let")
            report.error("unknown-define", f"-D {name}: the spec has no let of that name", None, help)
    below = {**roles, **dict.fromkeys(known, "the name of a let that stands below")}
    for let in lets:
        if not names.declare(let.name, let.name_place):
            continue
        try:
            constants[let.name] = evaluate(let.value, constants, report, below)
        except NotConstantError:
            constants[let.name] = None
        constants[let.name] = defines.get(let.name, constants[let.name])
    return constants


def _field(declaration: syntax.Declaration, scope: Scope) -> Field:
    node, report = declaration.type, scope.report
    for option in declaration.options:
        if option.key == "lengths":
            report.error("not-yet", "this version of netc has no inputs over time", option.place, "take lengths away")
        else:
            message = f"{declaration.role} has no option {option.key}"
            report.error("unknown-option", message, option.key_place or option.place, "its only option is lengths")
    classes, labels = _classes(node, scope) if node.kind == "class" else (None, None)
    if node.kind in LATER_KINDS:
        help = f"there are {listed((*DOMAINS, 'class'))}"
        report.error("not-yet", f"this version of netc has no type {node.kind}", node.place, help)
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
            scope.report.error("not-yet", message, expr.place, "write a number, or the name of a let")
            continue
        try:
            value = scope.number(expr)
        except NotConstantError:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            scope.report.error("bad-type", "a size is a whole number of at least 1", expr.place, "as in f32[4]")
        else:
            dims.append(value)
    size = 1
    for dim in dims:
        size *= dim
    if size > LARGEST_EXAMPLE or len(node.shape) > MOST_AXES:
        message = f"an example holds at most {LARGEST_EXAMPLE:,} numbers in at most {MOST_AXES} axes"
        scope.report.error("too-large", message, node.place, "make its sizes smaller")
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
            scope.report.error("not-yet", message, argument.place, f"take {argument.key} away")
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


def _targets(sentence: syntax.Targets | None, trains: bool, report: Report) -> tuple[str, ...]:
    wanted: list[str] = []
    for name in sentence.names if sentence else ():
        if name.id not in ARTIFACTS:
            help = did_you_mean(name.id, ARTIFACTS) or f"there are {listed(ARTIFACTS)}"
            report.error("unknown-word", f"{name.id} is not an artifact", name.place, help)
            # Whether a loss is missing cannot be told.
            return ARTIFACTS if trains else ("inference",)
        if name.id in wanted:
            report.error("duplicate-option", f"{name.id} is given twice", name.place, "take one of them away")
        wanted.append(name.id)
    return tuple(a for a in ARTIFACTS if a in wanted) or ARTIFACTS


def unused(spec: Spec, used: Iterable[str], report: Report) -> None:
    """Report every named value, input and target that nothing uses."""
    used = set(used)
    for name, place in spec.places.items():
        if name in used or name in spec.scope.constants:
            continue
        role = spec.fields[name].role if name in spec.fields else "value"
        if role == "target" and spec.loss and spec.wanted == ("inference",):
            continue  # a net that is exported alone does without its loss
        help = {
            "input": "use it as the source of a chain, or take it away",
            "target": "compare a prediction with it in the loss, or take it away",
            "value": "use it in a chain, in the loss or as an output, or take it away",
        }[role]
        report.error("unused", f"nothing uses the {role} {name}", place, help)
