"""The one intermediate representation that every artifact is printed from.

program  = inputs equation* results
input    = role name value           role: example target weight state draw clock gradient moment
equation = value+ = op value* attrs  with the section of the net and the place in the text that it comes from
value    = type hint                 assigned once
op       = a record of all facts about one primitive, see `Op`
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .section import Section, Use
from .source import Place
from .types import Domain, Shape, Type


@dataclass(eq=False)
class Value:
    """What an equation assigns: `hint` is the name that a reader would expect, `gradient_of` whose gradient it is.

    `channels` says that its features stand on the first axis behind the batch, as those of images do, or, where it is
    false, on the last one; None leaves that to the shape. `given` is its place and name in uses of blocks.
    """

    type: Type
    hint: str = ""
    gradient_of: Value | None = None
    channels: bool | None = None
    leans: str = ""  # the word that took the last of two axes for features, where nothing said so
    step: Value | None = None  # what each step was to the layer that saw it as an example of its own
    # The memory cells beside the states of a recurrent layer.
    cells: Value | None = None
    given: dict[Use, tuple[int, str]] = field(default_factory=lambda: {})


@dataclass(frozen=True, eq=False)
class Op:
    """All facts about one primitive, side by side.

    `type` gives the result's Type, or a tuple of them, from the arguments' types and the attributes; its positional
    parameters name the arguments, its keyword-only ones the attributes; of an argument `like` only the shape counts.
    `numpy` is a Python expression over those, `kernels` are functions that it calls, copied into the emitted file;
    `plain` are shorter ones of the same names, and which equations they serve. `onnx` is an operator's name, or a
    function of (graph, equation, *names) that adds nodes and returns the results' names. `grad` gets a Backward and
    the results' gradients and returns one gradient an argument, None for none. An op with a `body` is a formula over
    other ops, which passes may put in its place, and do where it has no spelling. `flops` counts operations on numbers
    for one example. `cases` are arguments for its tests: one string an argument, such as "N,4" or "N,4 in unit" or "N
    of 3"; `note` is a remark printed where it is used; `called` is the name of a result that nothing else names; a
    `cheap` op is a view or a number, spelled again at each use rather than named.
    """

    name: str
    type: Callable[..., Type | tuple[Type, ...]]
    numpy: str | Callable[..., str] | None = None
    onnx: str | Callable[..., Any] | None = None
    grad: Callable[..., Any] | None = None
    body: Callable[..., Any] | None = None
    kernels: tuple[Callable[..., Any], ...] = ()
    plain: tuple[Callable[[Equation], bool], tuple[Callable[..., Any], ...]] | None = None
    flops: Callable[[Equation], int] | None = None
    cases: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = ()
    note: str = ""
    called: str = "part"
    cheap: Callable[[Equation], bool] = lambda eq: False

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments; the last starts with `*` where the op takes any number."""
        kinds = inspect.Parameter
        names = inspect.signature(self.type).parameters.values()
        return tuple(
            ("*" if p.kind is kinds.VAR_POSITIONAL else "") + p.name for p in names if p.kind is not kinds.KEYWORD_ONLY
        )

    def __call__(self, *args: Operand, **attrs: Any) -> Any:
        """Emit an equation with the builder of the first tensor among the arguments."""
        builder = next(a.builder for a in args if isinstance(a, Tensor))
        return builder.emit(self, *args, **attrs)


OPS: dict[str, Op] = {}


def define(
    name: str,
    type: Callable[..., Type | tuple[Type, ...]],
    *,
    grad: Callable[..., Iterable[Tensor | None]] | None = None,
    **facts: Any,
) -> Op:
    """Register a primitive; `facts` are the other fields of Op."""
    assert name not in OPS, name
    OPS[name] = Op(name, type, grad=grad, **facts)
    return OPS[name]


@dataclass(eq=False)
class Equation:
    """One application of an op. `undoes` is the forward equation that a backward one answers."""

    op: Op
    args: tuple[Value, ...]
    attrs: dict[str, Any]
    results: tuple[Value, ...]
    section: Section | None = None
    origin: tuple[Place, ...] = ()
    undoes: Equation | None = None

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value


@dataclass(frozen=True, eq=False)
class Input:
    """A named input of a program and what it is for; a draw's law is "uniform" on [0, 1) or "normal", standard."""

    role: str
    name: str
    value: Value
    law: str = ""


@dataclass(eq=False)
class Program:
    """Equations from named inputs to named results."""

    name: str
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    results: dict[str, Value]

    def of(self, *roles: str) -> tuple[Input, ...]:
        """The inputs of some roles, in order."""
        return tuple(i for i in self.inputs if i.role in roles)

    def with_equations(self, equations: Iterable[Equation], results: dict[str, Value] | None = None) -> Program:
        """The same program with other equations."""
        return replace(self, equations=tuple(equations), results=self.results if results is None else results)

    @cached_property
    def producers(self) -> dict[Value, Equation]:
        """The equation that assigns each value."""
        return {value: equation for equation in self.equations for value in equation.results}

    @cached_property
    def uses(self) -> dict[Value, int]:
        """How often each value is read, results counting as reads."""
        uses: dict[Value, int] = {}
        for value in [a for e in self.equations for a in e.args] + list(self.results.values()):
            uses[value] = uses.get(value, 0) + 1
        return uses

    def check(self) -> Program:
        """Assert that every value is assigned once, before it is read, with the type that its op gives."""
        known = {i.value for i in self.inputs}
        for equation in self.equations:
            assert all(a in known for a in equation.args), f"{self.name}: read before assigned\n{show(equation, {})}"
            given = equation.op.type(*(a.type for a in equation.args), **equation.attrs)
            shapes = [t.shape for t in (given if isinstance(given, tuple) else (given,))]
            assert [r.type.shape for r in equation.results] == shapes, f"{self.name}: type\n{show(equation, {})}"
            assert not known & set(equation.results), f"{self.name}: assigned twice\n{show(equation, {})}"
            known.update(equation.results)
        missing = [name for name, value in self.results.items() if value not in known]
        assert not missing, f"{self.name}: results {missing} are not computed"
        return self

    def __str__(self) -> str:
        names = {i.value: i.name for i in self.inputs}
        lines = [f"{i.role} {i.name}: {i.value.type}" for i in self.inputs]
        lines += [show(equation, names) for equation in self.equations]
        return "\n".join([*lines, *(f"return {k} = {names.get(v, '?')}" for k, v in self.results.items())])


def show(equation: Equation, names: dict[Value, str]) -> str:
    """One equation on a line, with its types and its line of the spec; new values get numbered names."""
    for value in equation.results:
        names.setdefault(value, f"%{len(names)}{':' + value.hint if value.hint else ''}")
    left = ", ".join(f"{names[v]}: {v.type}" for v in equation.results)
    parts = [names.get(a, "?") for a in equation.args] + [f"{k}={v!r}" for k, v in equation.attrs.items()]
    line = f"  # line {equation.origin[0].line}" if equation.origin else ""
    return f"{left} = {equation.op.name}({', '.join(parts)}){line}"


class Tensor:
    """A handle on a value under construction: the language in which words and gradients are written."""

    __slots__ = ("builder", "value")

    # NumPy must not take over an operator whose left operand is one of its numbers.
    __array_ufunc__ = None

    def __init__(self, builder: Builder, value: Value):
        self.builder = builder
        self.value = value

    @property
    def type(self) -> Type:
        """The value's type."""
        return self.value.type

    @property
    def shape(self) -> Shape:
        """The value's shape, the batch axis included."""
        return self.value.type.shape

    @property
    def axis(self) -> int:
        """The axis of features: the channels of an image, whose type has three axes or more, else the last one."""
        channels = self.value.channels
        if channels is None:
            channels = len(self.shape) > 3 and isinstance(self.shape[1], int)
        return 1 if channels else len(self.shape) - 1

    @property
    def features(self) -> int:
        """The number of features, or of channels."""
        size = self.shape[self.axis]
        assert isinstance(size, int)
        return size

    @property
    def outputs(self) -> int:
        """The size of the last axis, as losses and metrics look at predictions."""
        size = self.shape[-1]
        assert isinstance(size, int)
        return size

    def named(self, hint: str) -> Tensor:
        """The same tensor, with the name that a reader would expect."""
        self.value.hint = hint
        return self

    def within(self, domain: Domain) -> Tensor:
        """The same new tensor, known to lie in a domain that the intervals of its parts do not tell."""
        self.value.type = replace(self.type, domain=self.type.domain.meet(domain))
        return self

    def __add__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["add"], self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["add"], other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["sub"], self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["sub"], other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["mul"], self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["mul"], other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["div"], self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["div"], other, self)

    def __pow__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["pow"], self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["pow"], other, self)

    def __matmul__(self, other: Tensor) -> Tensor:
        return self.builder.emit(OPS["matmul"], self, other)

    def __neg__(self) -> Tensor:
        return self.builder.emit(OPS["neg"], self)

    def __gt__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["greater"], self, other)

    def __lt__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["less"], self, other)

    def __ge__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["greater_equal"], self, other)

    def __le__(self, other: Operand) -> Tensor:
        return self.builder.emit(OPS["less_equal"], self, other)


def _result(type: Type, args: list[Tensor]) -> Value:
    """A new value, whose features stand where they stand in the arguments of its rank."""
    made = Value(type)
    for arg in args:
        if len(arg.shape) == type.rank:
            made.channels = arg.value.channels if made.channels is None else made.channels
            made.leans = made.leans or arg.value.leans
            made.step = made.step or arg.value.step
    return made


Operand = Tensor | int | float


@dataclass
class Builder:
    """Appends equations, and says for each where it comes from."""

    equations: list[Equation] = field(default_factory=lambda: [])
    inputs: list[Input] = field(default_factory=lambda: [])
    section: Section | None = None
    origin: tuple[Place, ...] = ()
    undoes: Equation | None = None

    def input(self, role: str, name: str, type: Type, law: str = "") -> Tensor:
        """A new named input."""
        value = Value(type, name)
        self.inputs.append(Input(role, name, value, law))
        return Tensor(self, value)

    def constant(self, number: float, dtype: str = "f32", name: str = "") -> Tensor:
        """A number of the spec; one with a name is a setting, printed by that name."""
        return self.emit(OPS["constant"], number=number, dtype=dtype, name=name)

    def emit(self, op: Op, *args: Operand, **attrs: Any) -> Any:
        """Append an equation and return its result, or a tuple of results."""
        return self.append(op, self.lift(args), attrs)

    def append(self, op: Op, tensors: list[Tensor], attrs: dict[str, Any]) -> Any:
        """Append an equation as it stands, and return its result, or a tuple of results."""
        types = op.type(*[t.type for t in tensors], **attrs)
        types_ = types if isinstance(types, tuple) else (types,)
        results = tuple([_result(t, tensors) for t in types_])
        args_ = tuple([t.value for t in tensors])
        self.equations.append(Equation(op, args_, attrs, results, self.section, self.origin, self.undoes))
        made = tuple([Tensor(self, r) for r in results])
        return made if isinstance(types, tuple) else made[0]

    def lift(self, args: Iterable[Operand]) -> list[Tensor]:
        """Numbers become constants of the precision beside them; a host number beside a tensor is cast to its."""
        dtypes = [a.type.dtype for a in args if isinstance(a, Tensor) and a.type.dtype != "bool"]
        wide = "f32" if "f32" in dtypes or not dtypes else dtypes[0]
        lifted: list[Tensor] = []
        for arg in args:
            tensor = arg if isinstance(arg, Tensor) else self.constant(arg, wide)
            if wide == "f32" and tensor.type.dtype == "f64":
                tensor = self.emit(OPS["cast"], tensor, dtype="f32")
            lifted.append(tensor)
        return lifted

    def program(self, name: str, results: dict[str, Tensor]) -> Program:
        """The program built so far."""
        values = {k: t.value for k, t in results.items()}
        return Program(name, tuple(self.inputs), tuple(self.equations), values)

    def inline(self, program: Program, arguments: dict[str, Tensor]) -> dict[str, Tensor]:
        """Append the equations of another program for the given arguments; return its results."""
        known = {i.value: arguments[i.name] for i in program.inputs}
        for equation in program.equations:
            outs = self.copy(equation, [known[a] for a in equation.args])
            known.update(zip(equation.results, outs, strict=True))
        return {name: known[value] for name, value in program.results.items()}

    def copy(self, equation: Equation, args: list[Tensor]) -> tuple[Tensor, ...]:
        """Append an equation like the given one over other arguments, with its hints."""
        outs = handles(self.emit(equation.op, *args, **equation.attrs))
        for old, new in zip(equation.results, outs, strict=True):
            new.value.hint, new.value.given = old.hint, {**new.value.given, **old.given}
        return outs


def handles(emitted: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What `emit` returned, as a tuple also where it is one tensor."""
    return emitted if isinstance(emitted, tuple) else (emitted,)


@dataclass(frozen=True)
class Backward:
    """What the gradient of an op may look at: the equation's arguments, results and attributes."""

    args: tuple[Tensor, ...]
    results: tuple[Tensor, ...]
    attrs: dict[str, Any]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.args)
