"""The conditions of a rule: one attribute, compared with constants.

Each becomes one leaf of the checked tree, which the edge can turn into a set of
table cells.  What the type checker let pass but no table can answer is refused.
"""

from __future__ import annotations

from typing import NoReturn

from msgspec import structs

from .constants import described
from .derive import NotDerivable, derive_pair
from .operands import Named, Operands, PartRefused
from .syntax import Call, Expr, Fold, Ident, ListOf, Literal, Select
from .tree import AnyOf, Compare, Has, In, Node, StartsWith

COMPARISONS = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
TEXT_TESTS = ("startsWith", "endsWith", "contains")


class Conditions(Operands):
    """Builds the leaves of one rule."""

    def condition(self, expr: Expr) -> Node:
        """The leaf of the condition.  Raises PartRefused after noting why."""
        match expr:
            case Select(test_only=True):
                named = self._attribute(structs.replace(expr, test_only=False))
                return Has(attribute=named.name, **self._place(expr))
            case Select() | Ident():
                return self._bare(expr)
            case Call(function="@in"):
                return self._membership(expr)
            case Call(function="sets.intersects"):
                return self._intersection(expr)
            case Call() if expr.function in COMPARISONS:
                return self._comparison(expr)
            case Call() if expr.function in TEXT_TESTS:
                return self._text_test(expr)
            case Fold():
                return self._exists(expr)
            case _:
                help = self._instead(expr)
                self._refuse(expr, f"{self._construct(expr)} is not in the rule language.", help)

    def _bare(self, expr: Expr) -> Node:
        """A boolean attribute alone is the condition that it is true."""
        named = self._attribute(expr)
        if named.attribute.type != "bool":
            kind = described(named.attribute)
            self._note("P204", expr, f"`{named.name}` is {kind}, not a condition.")
            raise PartRefused
        return Compare(attribute=named.name, op="==", value=True, **self._place(expr))

    def _comparison(self, expr: Call) -> Node:
        op = COMPARISONS[expr.function]
        left, right = expr.args
        if self._is_constant(left) and not self._is_constant(right):
            left, right, op = right, left, MIRRORED[op]
        if self._is_constant(left):
            self._refuse(expr, "Both sides are constants.", "Compare an attribute with a constant.")
        named = self._operand(left)
        self._check_operator(expr, named, op)
        if not self._is_constant(right):
            self._refuse_two(expr, named, right)
        value = self._constant(named, right)
        return Compare(attribute=named.name, op=op, value=value, **self._place(expr))  # type: ignore[arg-type]

    def _check_operator(self, expr: Call, named: Named, op: str) -> None:
        kind = named.attribute.type
        if kind == "set":
            help = f'Write `"x" in {named.name}`, or `sets.intersects({named.name}, ["x", "y"])`.'
            self._refuse(expr, f"The set `{named.name}` cannot be compared as a whole.", help)
        if kind in ("string", "bool") and op not in ("==", "!="):
            help = "Write `==`, `!=`" + (", `in` or `startsWith`." if kind == "string" else ".")
            self._refuse(expr, f"`{op}` does not order a {kind}.", help)

    def _refuse_two(self, expr: Call, left: Named, right: Expr) -> NoReturn:
        """Two attributes: numbers can be subtracted, others not compared."""
        try:
            other = self._operand(right)
            derive_pair("-", left.name, left.attribute, other.name, other.attribute)
        except NotDerivable:
            self._refuse(expr, "Two attributes are compared.", "Compare each with a constant.")
        zero = "0" if left.attribute.scale == 0 else "0." + "0" * left.attribute.scale
        op = COMPARISONS[expr.function]
        help = f"Write `{left.name} - {other.name} {op} {zero}`."
        self._refuse(expr, "Two attributes are compared.", help)

    def _membership(self, expr: Call) -> Node:
        needle, hay = expr.args
        if not isinstance(hay, ListOf):
            return self._element(expr, needle, hay)
        named = self._operand(needle)
        if named.attribute.type in ("set", "bool"):
            help = "Write `sets.intersects`." if named.attribute.type == "set" else "Write `==`."
            self._refuse(expr, f"A {named.attribute.type} cannot be `in` a list.", help)
        values = self._listed(named, hay)
        return In(attribute=named.name, values=values, **self._place(expr))

    def _element(self, expr: Call, needle: Expr, hay: Expr) -> Node:
        """`"x" in customer.segments`."""
        named = self._set(expr, hay)
        if not self._is_constant(needle):
            self._refuse(expr, "Only constants can be looked up in a set.")
        value = self._constant(named, needle)
        return AnyOf(attribute=named.name, values=(str(value),), **self._place(expr))

    def _intersection(self, expr: Call) -> Node:
        left, right = expr.args
        if isinstance(left, ListOf):
            left, right = right, left
        if not isinstance(right, ListOf):
            help = 'Write `sets.intersects(customer.segments, ["a", "b"])`.'
            self._refuse(expr, "`sets.intersects` needs a set and a list of constants.", help)
        named = self._set(expr, left)
        values = tuple(str(value) for value in self._listed(named, right))
        return AnyOf(attribute=named.name, values=values, **self._place(expr))

    def _set(self, expr: Expr, operand: Expr) -> Named:
        named = self._operand(operand)
        if named.attribute.type != "set":
            self._refuse(expr, f"`{named.name}` is {described(named.attribute)}, not a set.")
        return named

    def _exists(self, expr: Fold) -> Node:
        macro = self._construct(expr)
        body = expr.step.args[1] if isinstance(expr.step, Call) and expr.step.args[1:] else None
        if not (macro == "`exists`" and body):
            help = 'Write `sets.intersects(customer.segments, ["a", "b"])`.'
            self._refuse(expr, f"{macro} is not in the rule language.", help)
        named = self._set(expr, expr.range)
        values = tuple(dict.fromkeys(self._element_values(named, expr.variable, body)))
        return AnyOf(attribute=named.name, values=values, **self._place(expr))

    def _element_values(self, named: Named, variable: str, body: Expr) -> list[str]:
        """The constants of `s == "a" || s in ["b"]`."""
        match body:
            case Call(function="_||_"):
                return [
                    v for each in body.args for v in self._element_values(named, variable, each)
                ]
            case Call(function="_==_", args=(Ident(name=name), constant)) if name == variable:
                return [str(self._constant(named, constant))]
            case Call(function="_==_", args=(constant, Ident(name=name))) if name == variable:
                return [str(self._constant(named, constant))]
            case Call(function="@in", args=(Ident(name=name), ListOf() as list)) if (
                name == variable
            ):
                return [str(value) for value in self._listed(named, list)]
        help = f'Write `exists({variable}, {variable} in ["a", "b"])`.'
        self._refuse(body, "Elements of a set can only be compared with constants.", help)

    def _text_test(self, expr: Call) -> Node:
        """On an enumerated string any test of the text is a list of its values."""
        test = expr.function
        named = self._operand(expr.args[0])
        piece = expr.args[1]
        if not (isinstance(piece, Literal) and isinstance(piece.value, str)):
            self._refuse(expr, f"`{test}` needs a constant.")
        if named.attribute.values is None:
            if test == "startsWith":
                return StartsWith(attribute=named.name, prefix=piece.value, **self._place(expr))
            help = f"Give `{named.name}` its `values`, or use `startsWith`."
            self._refuse(expr, f"`{test}` works on enumerated strings only.", help)
        values = tuple(v for v in named.attribute.values if _passes(v, test, piece.value))
        if not values:
            self._note("P206", piece, f"No value of `{named.name}` passes {test}({piece.value!r}).")
            raise PartRefused
        return In(attribute=named.name, values=values, **self._place(expr))


def _passes(value: str, test: str, piece: str) -> bool:
    if test == "contains":
        return piece in value
    return value.startswith(piece) if test == "startsWith" else value.endswith(piece)
