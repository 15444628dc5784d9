"""What the conditions of a rule are made of: attributes and constants.

An attribute is a declared one, or derived on the spot: `age_s(t)`, `a + b`,
`a - b`.  What is neither is refused with the words to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from msgspec import Struct

from .catalog import Attribute
from .constants import BadConstant, constant_of, listed
from .derive import NotDerivable, derive_age, derive_pair
from .diagnostics import did_you_mean
from .extents import extent_of
from .syntax import Call, Expr, Fold, ListOf, Literal, Other, dotted
from .tree import Node
from .words import Words

ARITHMETIC = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "-_": "-"}


class Finding(Struct, frozen=True):
    """A diagnostic before it has a place in a file: an offset in the rule instead."""

    code: str
    offset: int
    message: str
    help: str = ""


class PartRefused(Exception):
    """This part of the rule has no tree; why is already among the findings."""


class Named(Struct, frozen=True):
    """An attribute by the name under which it is compared."""

    name: str
    attribute: Attribute


class NamedRule(Struct, frozen=True):
    node: Node
    leaves: int


class Scope(Struct, frozen=True):
    """What a rule may speak of.  `derived` grows with every attribute made on the spot."""

    attributes: Mapping[str, Attribute]
    derived: dict[str, Attribute]
    rules: Mapping[str, NamedRule]
    """The named rules that are whole; using another one is refused without a word."""


class Operands:
    """Reads attributes and constants of one rule; `found` collects what was refused."""

    def __init__(self, words: Words, scope: Scope) -> None:
        self.words = words
        self.scope = scope
        self.found: list[Finding] = []

    def _operand(self, expr: Expr) -> Named:
        """A declared attribute or one derived on the spot."""
        match expr:
            case Call(function="age_s"):
                inner = self._attribute(expr.args[0])
                return self._derived(expr, lambda: derive_age(inner.name, inner.attribute))
            case Call(function="_+_" | "_-_") if not any(map(self._is_constant, expr.args)):
                left, right = (self._attribute(each) for each in expr.args)
                sign = ARITHMETIC[expr.function]
                pair = (left.name, left.attribute, right.name, right.attribute)
                return self._derived(expr, lambda: derive_pair(sign, *pair))
        return self._attribute(expr)

    def _derived(self, expr: Expr, derive: Callable[[], tuple[str, Attribute]]) -> Named:
        try:
            name, attribute = derive()
        except NotDerivable as refused:
            self._refuse(expr, str(refused), "Derive from declared attributes of one type.")
        self.scope.derived[name] = attribute
        return Named(name, attribute)

    def _attribute(self, expr: Expr) -> Named:
        name = dotted(expr)
        if name is None:
            self._refuse(expr, f"{self._construct(expr)} is not an attribute.", self._instead(expr))
        attribute = self.scope.attributes.get(name)
        if attribute is None:
            inside = [each for each in self.scope.attributes if each.startswith(f"{name}.")]
            help = did_you_mean(name, inside or self.scope.attributes)
            self._note("P202", expr, f"`{name}` is not an attribute.", help)
            raise PartRefused
        return Named(name, attribute)

    def _is_constant(self, expr: Expr) -> bool:
        match expr:
            case Literal():
                return True
            case Call(function="timestamp" | "duration" | "-_" | "int" | "double" | "string"):
                return all(isinstance(each, Literal) for each in expr.args)
        return False

    def _constant(self, named: Named, expr: Expr) -> bool | int | str:
        try:
            return constant_of(named.name, named.attribute, expr, self.words)
        except BadConstant as bad:
            self._note(bad.code, expr, bad.message, bad.help)
            raise PartRefused from bad

    def _listed(self, named: Named, expr: ListOf) -> tuple[bool | int | str, ...]:
        try:
            return listed(named.name, named.attribute, expr, self.words)
        except BadConstant as bad:
            self._note(bad.code, bad.expr or expr, bad.message, bad.help)
            raise PartRefused from bad

    # --- words ---

    def _construct(self, expr: Expr) -> str:
        """What the author would call it."""
        match expr:
            case Fold():
                return f"`{self._word_before(expr)}`"
            case Call() if expr.function in ARITHMETIC:
                return f"Arithmetic with `{ARITHMETIC[expr.function]}`"
            case Call(function="_[_]"):
                return "An index in brackets"
            case Call():
                return f"`{expr.function.strip('_@')}`"
            case Literal():
                return "A constant"
            case ListOf() | Other():
                return "A list or map"
            case _:
                return "This"

    def _instead(self, expr: Expr) -> str:
        match expr:
            case Call() if expr.function in ARITHMETIC:
                return (
                    "Only the sum or difference of two attributes may be compared: move constants"
                    " to the other side."
                )
            case Call(function="size"):
                return 'Ask for elements: `"x" in customer.segments`.'
            case Call(function="dyn" | "int" | "double" | "string"):
                return "Write the constant in the attribute's type instead of converting."
        return ""

    def _word_before(self, expr: Expr) -> str:
        return self.words.words[max(self.words.index_at(expr.at) - 1, 0)].text

    def _place(self, expr: Expr) -> dict[str, Any]:
        start, end = extent_of(expr, self.words)
        return {"text": self.words.text[start:end], "start": start, "end": end}

    def _note(self, code: str, expr: Expr, message: str, help: str = "") -> None:
        self.found.append(Finding(code, extent_of(expr, self.words).start, message, help))

    def _refuse(self, expr: Expr, message: str, help: str = "") -> NoReturn:
        self._note("P205", expr, message, help)
        raise PartRefused
