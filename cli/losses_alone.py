"""The file's losses without their gradients, cut out of its own text: what differences ask for, at a third of the work.

    losses_alone(trainer) -> a function for each loss, which gives its value alone

Functions of losses are straight-line, so a statement is needed only if it writes a name that the loss is computed from.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, TypeAlias

from ..runtime import Trainer
from ..runtime.module import Loss

# The value of a loss, from what its function of value and gradients takes.
Alone: TypeAlias = Callable[..., Any]


def losses_alone(trainer: Trainer) -> list[Alone]:
    """The losses of a file without their gradients."""
    defined = {each.name: each for each in ast.parse(trainer.text).body if isinstance(each, ast.FunctionDef)}
    return [_alone(defined[loss.and_grads.__name__], loss) for loss in trainer.losses]


def _alone(function: ast.FunctionDef, loss: Loss) -> Alone:
    match function.body[-1]:
        case ast.Return(ast.Tuple([value, *_])):
            pass
        case _:
            return lambda *examples, **options: loss.and_grads(*examples, **options)[0]
    own = {name for each in ast.walk(function) for name in _stored(each)}
    needed, kept = _named(value) & own, list[ast.stmt]([ast.Return(value)])
    for statement in reversed(function.body[:-1]):
        if _written(statement) & needed:
            needed |= _named(statement) & own
            kept.append(statement)
    function.body = kept[::-1]
    names: dict[str, Any] = dict(loss.and_grads.__globals__)
    module = ast.fix_missing_locations(ast.Module([function], []))
    exec(compile(module, f"{function.name} alone", "exec", dont_inherit=True), names)
    return names[function.name]


def _stored(node: ast.AST) -> set[str]:
    """The name that a node assigns or takes."""
    match node:
        case ast.Name(name, ast.Store()) | ast.arg(name):
            return {name}
        case _:
            return set()


def _named(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _written(statement: ast.stmt) -> set[str]:
    """The names that a statement may change: those it assigns, or all that it names where it is no assignment."""
    match statement:
        case ast.Assign(targets):
            return {_base(name) for target in targets for name in _parts(target)}
        case ast.AugAssign(target):
            return {_base(target)}
        case _:
            return _named(statement)


def _parts(target: ast.expr) -> list[ast.expr]:
    return [each for part in target.elts for each in _parts(part)] if isinstance(target, ast.Tuple) else [target]


def _base(target: ast.expr) -> str:
    """The name whose value an assignment changes."""
    while not isinstance(target, ast.Name):
        assert isinstance(target, ast.Subscript | ast.Attribute | ast.Starred), ast.dump(target)
        target = target.value
    return target.id
