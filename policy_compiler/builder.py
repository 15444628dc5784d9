"""The rule language's profile: CEL's syntax tree -> the checked rule tree.

Rules are conditions over one attribute each, joined by `&& || !` and `? :`.
Each condition compares an attribute with constants, so that the edge can turn
it into a set of table cells.  An attribute is a declared one, or derived on the
spot: `age_s(t)`, `a + b`, `a - b`.

What the type checker let pass but the profile does not is refused here, each
with the words to write instead.  Refusal of one part does not hide the next.
"""

from __future__ import annotations

from msgspec import structs

from .conditions import Conditions
from .extents import extent_of
from .operands import PartRefused, Scope
from .syntax import Call, Expr, Ident, Literal, Select
from .tree import And, Conditional, Constant, Node, Not, Or
from .words import Words

LEAVES_MAX = 4096
"""Comparisons in a rule, those of the named rules it uses included."""


class Builder(Conditions):
    """Builds the tree of one rule."""

    def __init__(self, words: Words, scope: Scope) -> None:
        super().__init__(words, scope)
        self.leaves = 0

    def build(self, expr: Expr) -> Node | None:
        """The tree, or None after noting every reason in `found`."""
        try:
            return self._node(expr)
        except PartRefused:
            return None

    def _node(self, expr: Expr) -> Node:
        match expr:
            case Call(function="_&&_" | "_||_"):
                return self._joined(expr)
            case Call(function="!_"):
                return Not(part=self._node(expr.args[0]), **self._place(expr))
            case Call(function="_?_:_"):
                test, then, otherwise = self._all(expr.args)
                return Conditional(test=test, then=then, otherwise=otherwise, **self._place(expr))
            case Literal(kind="bool"):
                return Constant(value=bool(expr.value), **self._place(expr))
            case Select(operand=Ident(name="rules")):
                return self._named_rule(expr)
            case _:
                self._count(expr, 1)
                return self.condition(expr)

    def _joined(self, expr: Call) -> Node:
        """CEL joins in pairs; we join all operands of one kind."""
        operands: list[Expr] = []
        waiting: list[Expr] = [expr]
        while waiting:
            next = waiting.pop()
            if isinstance(next, Call) and next.function == expr.function:
                waiting += reversed(next.args)
            else:
                operands.append(next)
        form = And if expr.function == "_&&_" else Or
        return form(parts=self._all(operands), **self._place(expr))

    def _all(self, exprs: list[Expr] | tuple[Expr, ...]) -> tuple[Node, ...]:
        """Every part, so that all of them have their say before the whole is refused."""
        nodes = [self.build(each) for each in exprs]
        whole = [node for node in nodes if node is not None]
        if len(whole) < len(nodes):
            raise PartRefused
        return tuple(whole)

    def _named_rule(self, expr: Select) -> Node:
        if expr.test_only:
            self._refuse(expr, "`has()` asks for attributes, not for rules.", "Write the rule.")
        rule = self.scope.rules.get(expr.field)
        if rule is None:
            raise PartRefused
        self._count(expr, rule.leaves)
        start, end = extent_of(expr, self.words)
        return moved(rule.node, start, end)

    def _count(self, expr: Expr, leaves: int) -> None:
        """Named rules that use each other twice would grow without bound."""
        self.leaves += leaves
        if self.leaves > LEAVES_MAX:
            message = f"With the named rules it uses, the rule has over {LEAVES_MAX} comparisons."
            if self.leaves - leaves <= LEAVES_MAX:
                self._note("P210", expr, message)
            raise PartRefused


def moved(node: Node, start: int, end: int) -> Node:
    """The tree of a named rule where it is used: its own words, the user's place."""
    match node:
        case And() | Or():
            parts = tuple(moved(part, start, end) for part in node.parts)
            return structs.replace(node, parts=parts, start=start, end=end)
        case Not():
            return structs.replace(node, part=moved(node.part, start, end), start=start, end=end)
        case Conditional():
            test, then, otherwise = (
                moved(part, start, end) for part in (node.test, node.then, node.otherwise)
            )
            return Conditional(
                test=test, then=then, otherwise=otherwise, text=node.text, start=start, end=end
            )
        case _:
            return structs.replace(node, start=start, end=end)
