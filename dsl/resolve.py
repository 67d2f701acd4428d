"""Declarations: the names, types and settings of a spec, each checked by itself."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from . import syntax
from .bodies import Body, chains, decided
from .constants import Constant, NotConstantError, evaluate
from .data_sentence import data_of
from .declared import Names, a_kind
from .definitions import Definitions, collect, where
from .diagnostics import Report, did_you_mean, listed
from .field_sentence import check_inner, field_of, lengths_of
from .libraries import Library, read_libraries
from .net import Field, counting
from .scope import Scope
from .series import check_series, over_time
from .source import Place
from .syntax import Call, Chain, Expr, Name, Tree
from .train_sentence import train_of
from .user_words import define

ARTIFACTS = ("numpy", "inference", "step")

VALUE_HELP = "use it in a chain, in the loss or as an output, or take it away"


@dataclass
class Spec:
    """The sentences of a spec, sorted, with its declarations resolved."""

    name: str
    doc: str
    place: Place
    scope: Scope
    fields: dict[str, Field]
    chains: list[Chain | syntax.Output | syntax.Repeat]
    # The branches of the file's own `if` sentences that are not taken.
    skipped: list[Body]
    losses: list[syntax.Loss]
    updater: syntax.Updater | None
    metrics: list[Expr]
    thresholds: list[syntax.Threshold]
    train: dict[str, Any]
    train_places: dict[str, Place]
    data: dict[str, Any] | None
    wanted: tuple[str, ...]
    places: dict[str, Place] = field(default_factory=lambda: {})
    # Inputs and targets whose declaration is at fault: what uses them is not to blame.
    faulty: set[str] = field(default_factory=lambda: set[str]())
    parts: dict[str, syntax.Part] = field(default_factory=lambda: {})
    libraries: tuple[Library, ...] = ()
    # What the spec and its libraries define, by kind and name.
    definitions: Definitions = field(default_factory=lambda: {})

    @property
    def blocks(self) -> list[str]:
        """The names of the blocks."""
        return [name for kind, name in self.definitions if kind == "block"]

    @cached_property
    def defining(self) -> dict[str, list[syntax.Node]]:
        """What defines each name: a part, or the definitions of its kinds."""
        found: dict[str, list[syntax.Node]] = {name: [part] for name, part in self.parts.items()}
        for (_, name), defined in self.definitions.items():
            found.setdefault(name, []).append(defined.definition)
        return found

    @property
    def last_name(self) -> str | None:
        """The name that the last chain gives to its value."""
        last = self.chains[-1] if self.chains else None
        return last.name if isinstance(last, Chain | syntax.Output) else None

    def of(self, role: str) -> tuple[Field, ...]:
        """The fields of a role, in the order of the text."""
        return tuple(f for f in self.fields.values() if f.role == role)

    @property
    def carries(self) -> bool:
        """Whether a window goes on from what the one before it left: where each follows on the other, of one series.

        With several losses there would be several of what it left, or one that another loss has moved on already.
        """
        window, data = self.train["window"], self.data or {}
        follow = data.get("stride") in (None, window) and data.get("id") is None
        steps = all(over_time(target, window) for target in self.of("target"))
        return bool(window and self.train["batch"]) and steps and follow and len(self.losses) < 2 and not self.solved

    @property
    def solved(self) -> bool:
        """Whether a solver trains, which looks at all rows at once."""
        own = (loss.updater for loss in self.losses if isinstance(loss.updater, Name | Call))
        words = [each.id if isinstance(each, Name) else each.word for each in own]
        words += [self.updater.link.word] if self.updater else []
        return any(self.scope.find("solver", word) for word in words)

    @property
    def targets(self) -> tuple[Field, ...]:
        """The targets that predictions are compared with; one that holds weights of examples is none of them."""
        return tuple(f for f in self.of("target") if f.name != self.train["sample_weight"])


def resolve(
    tree: Tree, defines: Mapping[str, Constant | None], folder: str | None, report: Report, whole: Place
) -> Spec:
    """Sort the sentences and resolve what they declare; faults go to the report."""
    libraries = read_libraries(tree, whole.source, folder, report)
    by: dict[type[syntax.Sentence], list[Any]] = {}
    for sentence in tree.sentences:
        by.setdefault(type(sentence), []).append(sentence)
    names = Names(report)
    header = _header(by.get(syntax.Header, []), names, whole)
    roles = _roles(tree)
    scope = Scope(_lets(by.get(syntax.Let, []), defines, names, roles), report, folder, declared=roles)
    sentences, skipped = decided(tree.sentences, scope)
    own = [(library, _library_scope(library, scope)) for library in libraries]
    parts = {p.name: p for p in by.get(syntax.Part, []) if names.declare(p.name, p.name_place)}
    fields: dict[str, Field] = {}
    faulty: set[str] = set()
    for declaration in by.get(syntax.Declaration, []):
        if names.declare(declaration.name, declaration.name_place):
            before = len(report.diagnostics)
            fields[declaration.name] = field_of(declaration, scope)
            found = lengths_of(declaration, fields[declaration.name], scope)
            # What another input tells of the first dimension holds here too.
            new = [f for f in found if f.shape or not counting(fields.values(), f.counts)]
            for lengths in new or found:
                if names.declare(lengths.name, declaration.name_place):
                    fields[lengths.name] = lengths
            if len(report.diagnostics) > before:
                faulty.add(declaration.name)
    faulty |= check_inner(fields, report)
    data = single(by.get(syntax.Data, []), "data", report)
    losses: list[syntax.Loss] = by.get(syntax.Loss, [])
    train: syntax.Train | None = single(by.get(syntax.Train, []), "train", report)
    spec = Spec(
        name=header.name if header else "",
        doc=header.doc if header else "",
        place=header.place if header else whole,
        scope=scope,
        fields=fields,
        chains=[s for s in sentences if isinstance(s, Chain | syntax.Output | syntax.Repeat)],
        skipped=skipped,
        losses=losses,
        updater=single(by.get(syntax.Updater, []), "updater", report),
        metrics=[item for metric in by.get(syntax.Metric, []) for item in metric.items],
        thresholds=by.get(syntax.Threshold, []),
        train=train_of(train, scope),
        train_places={o.key: o.place for o in train.options if o.key} if train else {},
        data=data_of(data, {n: f for n, f in fields.items() if f.role != "noise"}, scope) if data else None,
        wanted=_targets(single(by.get(syntax.Targets, []), "targets", report), bool(losses), report),
        places=names.places,
        faulty=faulty,
        parts=parts,
        libraries=libraries,
        definitions=collect(own, tree, scope),
    )
    define(spec.definitions)
    for chain in spec.chains:
        if isinstance(chain, Chain | syntax.Output) and chain.name and chain.name_place and not _refers(chain, spec):
            names.declare(chain.name, chain.name_place, renamed(chain.name))
    _name_losses(losses, names)
    _check_hidden(spec, report)
    if not report.failed:
        check_series(spec.train["window"], train, spec.data, data, spec.fields, report)
    return spec


def _check_hidden(spec: Spec, report: Report) -> None:
    """Say which names of the spec hide a definition; a part and a definition cannot share one."""
    for (kind, name), defined in spec.definitions.items():
        if name in spec.parts:
            place = spec.places[name]
            message = f"{name} is already defined in {where(defined.definition, place)}"
            report.error("duplicate-name", message, place, "choose another name")
        elif name in spec.places:
            message = f"{name} is also the name of {a_kind(kind)}; here it means your value"
            report.warning("hidden-word", message, spec.places[name], "another name would read more easily")


def _name_losses(losses: list[syntax.Loss], names: Names) -> None:
    """Declare the names of losses, which only one that is alone can do without."""
    for loss in losses:
        if loss.name is not None and loss.name_place is not None:
            names.declare(loss.name, loss.name_place)
            if loss.name == "epoch" or loss.name.startswith("val_"):
                message = f"history.csv has a column {loss.name} of its own, and a loss gives its name to one"
                names.report.error("unsafe-name", message, loss.name_place, "choose another")
        elif len(losses) > 1:
            help = "as in: loss critic = ...; or add them up in one: loss mse(a, b) + mse(c, d)"
            names.report.error("unnamed-loss", "with several losses each has a name", loss.place, help)


def _library_scope(library: Library, scope: Scope) -> Scope:
    """What the definitions of a library see: its own constants, and the words of all."""
    lets = [s for s in library.tree.sentences if isinstance(s, syntax.Let)]
    with scope.report.used(*library.uses):
        constants = _lets(lets, {}, Names(scope.report), {})
    return replace(scope, constants=constants, folder=library.folder, declared={})


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
        elif isinstance(sentence, syntax.Part):
            roles.setdefault(sentence.name, "a part")
        elif isinstance(sentence, syntax.Output):
            roles.setdefault(sentence.name, "a value of the net")
        elif isinstance(sentence, syntax.Loss) and sentence.name:
            roles.setdefault(sentence.name, "a loss")
    named = [chain.name for chain in chains(tree.sentences, repeated=False) if chain.name]
    return {**dict.fromkeys(named, "a value of the net"), **roles}


def _refers(chain: Chain | syntax.Output, spec: Spec) -> bool:
    """Whether an output only names a value that another sentence declares."""
    return isinstance(chain, syntax.Output) and chain.chain is None


def single(sentences: list[Any], word: str, report: Report) -> Any:
    """The only sentence of its kind, or None."""
    for extra in sentences[1:]:
        message = f"{word} stands twice; the first is in line {sentences[0].place.line}"
        report.error("duplicate-sentence", message, extra.place, "keep one of them")
    return sentences[0] if sentences else None


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


def needless(name: str) -> str:
    """The help for the name of a value that the next chain goes on from, without needing it."""
    return f"the next chain goes on from it without a name: leave out {name} =, or use {name}"


def renamed(name: str) -> str:
    """The help for a chain whose name is taken."""
    return f"choose another name, or leave out {name} =: a chain goes on from the one above it"


def unused(spec: Spec, used: Iterable[str], gone_on: Container[Place], report: Report) -> None:
    """Report every named value, input and target that nothing uses; `gone_on` are the names without need."""
    used = {*used, *(loss.name for loss in spec.losses if loss.name)}
    for name, place in spec.places.items():
        if name in used or name in spec.scope.constants:
            continue
        role = spec.fields[name].role if name in spec.fields else "part" if name in spec.parts else "value"
        if role == "target" and spec.losses and spec.wanted == ("inference",):
            continue  # a net that is exported alone does without its loss
        help = {
            "input": "use it as the source of a chain, or take it away",
            "noise": "use it as the source of a chain, or take it away",
            "target": "compare a prediction with it in the loss, or take it away",
            "value": needless(name) if place in gone_on else VALUE_HELP,
            "part": f"use it in a chain, as in: x -> {name}, or take it away",
        }[role]
        if role == "input" and spec.fields[name].counts:
            help = "take lengths=true away: another input tells them, or no step is looked at with others"
        report.error("unused", f"nothing uses the {role} {name}", place, help)
    for (kind, name), defined in spec.definitions.items():
        # A library offers more than each spec needs.
        if not defined.used and not defined.imports:
            help = "use it, take it away, or move it into a library"
            report.error("unused", f"nothing uses the {kind} {name}", defined.definition.name_place, help)
