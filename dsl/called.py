"""What a link uses: a block, with the constants and the values that it is given, or a part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .bodies import Body
from .definitions import Defined
from .ir import Tensor
from .scope import Scope
from .source import Place
from .universal import UNIVERSAL
from .words import Option

# The input of a block or part.
IN = "in"


@dataclass(frozen=True)
class Called:
    """A block with its definition, or a part, which has no options."""

    name: str
    kind: str
    body: Body
    definition: Defined | None = None

    @property
    def subject(self) -> str:
        """It as prose."""
        return f"the {self.kind} {self.name}"

    @property
    def options(self) -> Mapping[str, Option]:
        """The parameters."""
        return self.definition.options if self.definition else {}

    @property
    def keyed(self) -> Mapping[str, Option]:
        """The options that every use takes by name."""
        return {"name": UNIVERSAL["name"]} if self.definition else {}

    def places(self, names: Mapping[str, Any]) -> dict[str, Place]:
        """The places of those parameters of a block that have these names; that of its input is where it is named."""
        if self.definition is None:
            return {}
        block = self.definition.definition
        return {IN: block.name_place, **{p.name: p.place for p in block.parameters if p.name in names}}

    def scope(self, whole: Scope, constants: Mapping[str, Any], values: Mapping[str, Tensor | None]) -> Scope:
        """What its body sees: of the whole spec, or of its own file and of what it is given."""
        if self.definition is None:
            return whole
        own = self.definition.scope
        seen = {name: value for name, value in own.constants.items() if name not in values}
        declared = {**own.declared, **dict.fromkeys(values, f"a value that {self.subject} is given")}
        return replace(own, constants={**seen, **constants}, declared=declared)
