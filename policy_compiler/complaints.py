"""The CEL library's complaints in the words of the catalog.

The library says "found no matching overload for '_>=_' applied to '(double,
int)'"; the author needs "`cart.total` is a decimal(2): write 50.00".  So a rule
that does not check is parsed once more without types, and the node complained
about is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from .catalog import Attribute
from .cel import Complaint
from .conditions import COMPARISONS
from .constants import described, fitting
from .diagnostics import did_you_mean
from .operands import Finding
from .syntax import Call, Expr, Fold, ListOf, Literal, Select, dotted
from .words import Words

FUNCTIONS = (
    "has", "exists", "startsWith", "endsWith", "contains", "age_s", "timestamp", "sets.intersects"
)  # fmt: skip
_UNDEFINED = re.compile(r"(?:undeclared reference to|undefined field) '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)'")
_BIG = ("invalid int literal", "invalid uint literal", "invalid double literal")
_CONDITIONS = {"_&&_": "&&", "_||_": "||", "!_": "!", "_?_:_": "? :"}


class Explainer(Struct, frozen=True):
    """Explains complaints about one rule."""

    words: Words
    expr: Expr | None
    """The rule's tree without types, if it parses."""
    attributes: Mapping[str, Attribute]
    declared: frozenset[str]
    """Names of all attributes, those included whose declaration is broken."""
    rule_names: frozenset[str]

    def explain(self, complaint: Complaint) -> Finding | None:
        """A finding, or None where another diagnostic says the reason already."""
        offset = complaint.offset or 0
        message = complaint.message
        if undefined := _UNDEFINED.search(message):
            return self._unknown(undefined[1], offset)
        if overload := _OVERLOAD.search(message):
            return self._overload(overload[1], offset)
        if message.startswith(_BIG):
            return Finding("P208", offset, "The number is too large.")
        if "has() argument" in message:
            help = "Write `has(cart.total)`; `has` works on attributes only."
            return Finding("P205", offset, "`has()` needs an attribute.", help)
        return Finding("P201", offset, f"Broken rule: {_plain(message)}.")

    def _unknown(self, word: str, offset: int) -> Finding | None:
        index = self.words.index_at(offset)
        if self.words.words[index].text == "(":
            if self.words.words[index - 1].text != "has":
                help = did_you_mean(word, FUNCTIONS)
                return Finding("P205", offset, f"There is no function `{word}`.", help)
            offset = self.words.words[index + 1].start
        name, start = self.words.dotted_around(offset)
        if name.startswith("rules."):
            return self._unknown_rule(name.split(".")[1], start)
        if any(name == each or name.startswith(f"{each}.") for each in self._broken()):
            return None
        help = did_you_mean(name, self.declared) or "Declare it under `attributes`."
        return Finding("P202", start, f"`{name}` is not an attribute.", help)

    def _broken(self) -> frozenset[str]:
        return self.declared - self.attributes.keys()

    def _unknown_rule(self, name: str, start: int) -> Finding | None:
        if name in self.rule_names:
            return None
        help = did_you_mean(name, self.rule_names)
        return Finding("P211", start, f"There is no rule `{name}`.", help)

    # --- types that do not fit ---

    def _overload(self, function: str, offset: int) -> Finding | None:
        call = self._call_at(offset)
        if call is None:
            sign = function.strip("_@")
            return Finding("P203", offset, f"`{sign}` does not work on values of these types.")
        if call.function in _CONDITIONS:
            return self._no_condition(call, offset)
        if call.function == "age_s":
            return Finding("P203", offset, "`age_s` needs one attribute of type timestamp.")
        operands = [self._attribute(arg) for arg in call.args]
        comparable = call.function in (*COMPARISONS, "@in", "_+_", "_-_") and len(operands) == 2
        pairs = zip(operands, reversed(call.args), strict=True) if comparable else ()
        for operand, other in pairs:
            if operand and (finding := self._pair(call, operand, other)):
                return finding
        for name in filter(None, map(dotted, call.args)):
            if inside := [each for each in self.attributes if each.startswith(f"{name}.")]:
                message = f"`{name}` is a group of attributes, not an attribute."
                return Finding("P202", offset, message, did_you_mean(name, inside))
        sign = "[ ]" if call.function == "_[_]" else call.function.strip("_@")
        return Finding("P203", offset, f"`{sign}` does not work on values of these types.")

    def _pair(self, call: Call, operand: tuple[str, Attribute], other: Expr) -> Finding | None:
        name, attribute = operand
        if call.function == "@in" and other is call.args[0]:
            message = f"`{name}` is {described(attribute)}, so nothing is `in` it."
            help = f'Write `{name} in ["a", "b"]` or `{name} == "a"`.'
            return Finding("P203", call.at, message, help)
        if isinstance(other, Literal):
            message = f"`{name}` is {described(attribute)}, the constant is of type {other.kind}."
            return Finding("P203", call.at, message, self._instead(call, name, attribute, other))
        if isinstance(other, ListOf) and other.elements:
            first = other.elements[0]
            message = f"`{name}` is {described(attribute)}, the list is of another type."
            return Finding("P203", call.at, message, fitting(attribute, first, self.words))
        if second := self._attribute(other):
            message = (
                f"`{name}` is {described(attribute)}, `{second[0]}` is {described(second[1])}."
            )
            help = "Compare each of them with a constant."
            return Finding("P203", call.at, message, help)
        return None

    def _instead(self, call: Call, name: str, attribute: Attribute, constant: Literal) -> str:
        if constant.kind == "null":
            return f"Attributes are never null: write `has({name})`."
        if attribute.type == "set" and call.function in COMPARISONS:
            return f'Write `"x" in {name}`.'
        if call.function not in COMPARISONS and call.function != "@in":
            return ""
        return fitting(attribute, constant, self.words)

    def _no_condition(self, call: Call, offset: int) -> Finding:
        sign = _CONDITIONS[call.function]
        for arg in call.args:
            operand = self._attribute(arg)
            if operand and operand[1].type != "bool":
                message = (
                    f"`{operand[0]}` is {described(operand[1])}, but `{sign}` joins conditions."
                )
                return Finding("P203", offset, message, "Compare it with something.")
        return Finding(
            "P203", offset, f"`{sign}` joins conditions; one of its sides is none.",
            "Compare attributes with constants, and join the comparisons.",
        )  # fmt: skip

    def _attribute(self, expr: Expr) -> tuple[str, Attribute] | None:
        if isinstance(expr, Call) and expr.function == "age_s":
            return f"age_s({dotted(expr.args[0]) or '...'})", Attribute(type="int")
        if isinstance(expr, Call) and expr.function in ("_+_", "_-_"):
            first = self._attribute(expr.args[0])
            return (f"the result of `{expr.function[1]}`", first[1]) if first else None
        name = dotted(expr)
        attribute = self.attributes.get(name or "")
        return (name, attribute) if name and attribute else None

    def _call_at(self, offset: int) -> Call | None:
        waiting = [self.expr] if self.expr else []
        while waiting:
            node = waiting.pop()
            if isinstance(node, Call) and node.at == offset:
                return node
            waiting += _below(node)
        return None


def _below(node: Expr) -> tuple[Expr, ...]:
    match node:
        case Call():
            return node.args
        case Select():
            return (node.operand,)
        case ListOf():
            return node.elements
        case Fold():
            return (node.range, node.step)
        case _:
            return ()


def _plain(message: str) -> str:
    """Without the grammar's inner names, which help nobody."""
    text = message.removeprefix("Syntax error: ").split(" expecting ")[0]
    return text.replace("no viable alternative at input", "cannot read").rstrip(".")
