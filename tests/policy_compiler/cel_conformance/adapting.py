"""Cases of CEL's own conformance suite as rules over attributes.

Most cases are expressions of constants, and a rule compares an attribute with
constants.  So a constant is bound to an attribute that is sent with just that value,
where the meaning stays the same:

    1 < 2                     x.a < 2  and  1 < x.a
    'a' in ['a', 'b']         x.a in ['a', 'b']  and  'a' in x.a, a set
    'ab'.startsWith('a')      x.a.startsWith('a'), with and without enumerated values
    true && (2 / 0 > 3 ...)   as it stands, and with x.yes for true; what divides by
                              zero is an attribute that was not sent: an error, too
    "\\u270c"                  x.a == "\\u270c"

Where that does not do, the case itself says which rule stands for it (`Stand`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from policy_compiler.cel import CelLibrary, Checked
from policy_compiler.conditions import COMPARISONS, TEXT_TESTS
from policy_compiler.extents import Extent, extent_of
from policy_compiler.syntax import Call, Expr, ListOf, Literal
from policy_compiler.words import Words
from tests.support.rule_inputs import Json

FOLDER = Path(__file__).parent
SCALE = 6
Value = bool | int | float | str | list[str] | None
"""None stands for an error."""


class Stand(Struct, forbid_unknown_fields=True):
    """A rule that stands for a case; `expected` where it differs in kind from the case's."""

    rule: str
    sent: dict[str, Value] = {}
    absent: dict[str, str] = {}
    """Attributes that are declared, of this type, and not sent."""
    expected: bool | None = None


class Case(Struct, array_like=True):
    name: str
    expr: str
    expected: Value
    stand: Stand | None = None


class File(Struct, forbid_unknown_fields=True):
    source: str
    commit: str
    license: str
    about: str
    cases: list[Case]
    left_out: dict[str, list[str]]
    """Why -> the cases that were not carried over."""


class Variant(Struct, frozen=True):
    """A rule, what is declared and sent for it, and what it must be."""

    rule: str
    attributes: dict[str, dict[str, object]]
    sent: dict[str, Json]
    expected: bool | None


def files() -> dict[str, File]:
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=File)
        for path in sorted(FOLDER.glob("*.json"))
    }


def variants(case: Case) -> list[Variant]:
    if case.stand is not None:
        return [_standing(case, case.stand)]
    parsed = LIBRARY.parse(case.expr)
    assert isinstance(parsed, Checked), parsed
    expr = parsed.expr
    if isinstance(expr, Literal) and not isinstance(case.expected, bool):
        attribute, sent = _declared(expr, Words(case.expr))
        return [Variant(f"x.a == {case.expr}", {"x.a": attribute}, {"x.a": sent}, True)]
    assert isinstance(case.expected, bool | None)
    return list(_bound(case.expr, expr, case.expected))


LIBRARY = CelLibrary({}, ())


def _standing(case: Case, stand: Stand) -> Variant:
    attributes = {name: dict[str, object](type=kind) for name, kind in stand.absent.items()}
    sent: dict[str, Json] = {}
    for name, value in stand.sent.items():
        attributes[name], sent[name] = _attribute(value)
    expected = case.expected if stand.expected is None else stand.expected
    assert isinstance(expected, bool | None)
    return Variant(stand.rule, attributes, sent, expected)


def _attribute(value: Value) -> tuple[dict[str, object], Json]:
    match value:
        case bool():
            return {"type": "bool"}, value
        case int():
            return {"type": "int"}, value
        case float():
            return {"type": "decimal", "scale": SCALE}, f"{Decimal(str(value)):f}"
        case str():
            return {"type": "string"}, value
        case list():
            return {"type": "set"}, list[Json](value)
    raise ValueError(f"no attribute holds {value!r}")


# --- constants become attributes ----------------------------------------------


def _bound(text: str, expr: Expr, expected: bool | None) -> Iterator[Variant]:
    words = Words(text)
    match expr:
        case Call(args=(left, right)) if expr.function in COMPARISONS:
            if _is_constant(left) and _is_constant(right):
                yield from _with(text, words, left, expected)
                yield from _with(text, words, right, expected)
                return
        case Call(function="@in", args=(left, ListOf() as right)):
            yield from _with(text, words, left, expected)
            if _strings(right):
                yield _replaced(text, words, right, {"type": "set"}, _strings(right), expected)
            return
        case Call(args=(text_of, Literal(value=str(piece)))) if expr.function in TEXT_TESTS:
            assert isinstance(text_of, Literal) and isinstance(text_of.value, str)
            if expr.function == "startsWith":
                yield from _with(text, words, text_of, expected)
            values = sorted({text_of.value, piece, "another"})
            declared: dict[str, object] = {"type": "string", "values": values}
            yield _replaced(text, words, text_of, declared, text_of.value, expected)
            return
    yield _logical(text, words, expr, expected, bind=False)
    yield _logical(text, words, expr, expected, bind=True)


def _is_constant(expr: Expr) -> bool:
    return isinstance(expr, Literal) or (isinstance(expr, Call) and expr.function == "timestamp")


def _strings(expr: ListOf) -> list[Json]:
    """The list's elements if all are texts, else nothing."""
    values = [each.value for each in expr.elements if isinstance(each, Literal)]
    texts: list[Json] = [value for value in values if isinstance(value, str)]
    return texts if len(texts) == len(values) else []


def _with(text: str, words: Words, constant: Expr, expected: bool | None) -> Iterator[Variant]:
    """The constant as an attribute, unless no attribute can hold its value."""
    attribute, sent = _declared(constant, words)
    if not (isinstance(sent, str) and attribute["type"] == "decimal" and _too_fine(sent)):
        yield _replaced(text, words, constant, attribute, sent, expected)


def _too_fine(number: str) -> bool:
    return len(number.partition(".")[2]) > SCALE


def _declared(constant: Expr, words: Words) -> tuple[dict[str, object], Json]:
    if isinstance(constant, Call):
        (moment,) = constant.args
        assert isinstance(moment, Literal) and isinstance(moment.value, str)
        return {"type": "timestamp"}, int(datetime.fromisoformat(moment.value).timestamp())
    assert isinstance(constant, Literal)
    if constant.kind == "double":
        number = Decimal(words.number_at(constant.at).replace(" ", ""))
        return {"type": "decimal", "scale": SCALE}, f"{number:f}"
    assert isinstance(constant.value, bool | int | str)
    return _attribute(constant.value)


def _replaced(
    text: str,
    words: Words,
    part: Expr,
    attribute: dict[str, object],
    sent: Json,
    expected: bool | None,
) -> Variant:
    start, end = extent_of(part, words)
    return Variant(f"{text[:start]}x.a{text[end:]}", {"x.a": attribute}, {"x.a": sent}, expected)


# --- logic --------------------------------------------------------------------


def _logical(text: str, words: Words, expr: Expr, expected: bool | None, *, bind: bool) -> Variant:
    rule = text
    for (start, end), name in sorted(_substitutes(expr, words, bind), reverse=True):
        rule = rule[:start] + name + rule[end:]
    names = ("x.yes", "x.no") if bind else ()
    attributes: dict[str, dict[str, object]] = {name: {"type": "bool"} for name in names}
    attributes["x.none"] = {"type": "int"}
    return Variant(rule, attributes, {name: name == "x.yes" for name in names}, expected)


def _substitutes(expr: Expr, words: Words, bind: bool) -> Iterator[tuple[Extent, str]]:
    """Spans and what stands there instead."""
    match expr:
        case Call(function="_/_"):
            yield extent_of(expr, words), "x.none"
        case Call():
            for part in expr.args:
                yield from _substitutes(part, words, bind)
        case Literal(value=bool()) if bind:
            yield extent_of(expr, words), "x.yes" if expr.value else "x.no"
