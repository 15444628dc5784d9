"""Constants of rules as the edge's exact integers and strings.

Decimals are read from their text in the rule: the double that CEL makes of
`50.10` has forgotten it.  `cart.total >= 50.10` with scale 2 becomes 5010.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from .catalog import Attribute
from .diagnostics import did_you_mean
from .syntax import Call, Expr, ListOf, Literal
from .words import Words

LIMIT = 10**15
"""Constants stay below, in the attribute's smallest unit."""

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d+))?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)


class BadConstant(Exception):
    """The constant has no exact value in the attribute's type."""

    def __init__(self, code: str, message: str, help: str = "", expr: Expr | None = None) -> None:
        self.code, self.message, self.help, self.expr = code, message, help, expr
        super().__init__(message)


def constant_of(name: str, attribute: Attribute, expr: Expr, words: Words) -> bool | int | str:
    """The constant in the attribute's type.  Raises BadConstant."""
    if attribute.type == "timestamp":
        return _seconds(expr)
    if not isinstance(expr, Literal):
        raise BadConstant("P205", "Constants are written out.", "Write the plain value.")
    if expr.kind == "null":
        raise BadConstant("P205", "Attributes are never null.", f"Write `has({name})`.")
    match attribute.type, expr.value:
        case "bool", bool():
            return expr.value
        case "int", int() if expr.kind == "int":
            return _within_limit(expr.value)
        case "decimal", float():
            return scaled(name, attribute.scale, words.number_at(expr.at))
        case (("string" | "set"), str()):
            return _listed_value(name, attribute, expr.value)
    raise BadConstant("P203", mismatch(name, attribute, expr), fitting(attribute, expr, words))


def listed(
    name: str, attribute: Attribute, expr: ListOf, words: Words
) -> tuple[bool | int | str, ...]:
    """Every constant of a list, each once.  Raises BadConstant."""
    if not expr.elements:
        raise BadConstant("P213", "The list is empty.")
    values: list[bool | int | str] = []
    for element in expr.elements:
        try:
            values.append(constant_of(name, attribute, element, words))
        except BadConstant as bad:
            code = "P213" if bad.code in ("P203", "P205") else bad.code
            raise BadConstant(code, bad.message, bad.help, element) from bad
    return tuple(dict.fromkeys(values))


def scaled(name: str, scale: int, text: str) -> int:
    """The decimal text times 10^scale, exactly.  Raises BadConstant."""
    number = Decimal(text)
    if number.is_zero():
        return 0
    digits = "".join(map(str, number.as_tuple().digits))
    exponent = int(number.as_tuple().exponent) + len(digits) - len(digits.rstrip("0"))
    if number.adjusted() + scale >= 15:
        raise BadConstant("P208", f"The number {text[:40]} is too large.")
    if exponent < -scale:
        raise BadConstant(
            "P207",
            f"{text[:40]} has more than the {scale} fraction digits of `{name}`.",
            f"Write {_shortened(number, scale)}, or raise the `scale` of `{name}`.",
        )
    return int(digits.rstrip("0")) * 10 ** (exponent + scale) * (-1 if number < 0 else 1)


def mismatch(name: str, attribute: Attribute, constant: Expr) -> str:
    kind = constant.kind if isinstance(constant, Literal) else "value"
    return f"`{name}` is {described(attribute)}, the constant is of type {kind}."


def described(attribute: Attribute) -> str:
    scale = f"({attribute.scale})" if attribute.type == "decimal" else ""
    return f"{'an' if attribute.type == 'int' else 'a'} {attribute.type}{scale}"


def fitting(attribute: Attribute, constant: Expr, words: Words) -> str:
    """What to write instead of a constant of another type, "" if we cannot know."""
    if not isinstance(constant, Literal):
        return ""
    written = words.number_at(constant.at) if constant.kind in ("int", "uint", "double") else ""
    match attribute.type:
        case "decimal" if constant.kind in ("int", "uint"):
            return f"Write {written.rstrip('uU')}.{'0' * max(attribute.scale, 1)}."
        case "int" if constant.kind != "bool":
            return f"Write a whole number such as {_whole(constant.value)}."
        case "string" | "set" if constant.value is not None:
            return f'Write "{written or constant.value}".'
        case "bool":
            return "Write true or false, or the attribute alone."
        case "timestamp":
            return 'Write timestamp("2026-11-27T00:00:00Z").'
    return ""


def _whole(value: object) -> int:
    if isinstance(value, int | float) and abs(value) < LIMIT:
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]{1,15}", value) else 5


def _shortened(number: Decimal, scale: int) -> str:
    return f"{number:.{scale}f}" if scale <= 6 else str(number)


def _within_limit(number: int) -> int:
    if abs(number) >= LIMIT:
        raise BadConstant("P208", f"The number {number} is too large.")
    return number


def _listed_value(name: str, attribute: Attribute, value: str) -> str:
    if attribute.values is not None and value not in attribute.values:
        help = did_you_mean(value, attribute.values)
        raise BadConstant("P206", f"`{name}` has no value {value!r:.60}.", help)
    return value


def _seconds(expr: Expr) -> int:
    match expr:
        case Call(function="timestamp", args=(Literal(value=int() as seconds),)):
            pass
        case Call(function="timestamp", args=(Literal(value=str() as text),)):
            seconds = _parsed(text)
        case _:
            raise BadConstant(
                "P203",
                "A point in time is compared with something else.",
                'Write timestamp("2026-11-27T00:00:00Z").',
            )
    if not 0 <= seconds < 253_402_300_800:
        raise BadConstant("P214", f"{seconds} is outside the years 1970 to 9999.")
    return seconds


def _parsed(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if not match:
        raise BadConstant("P214", f"{text!r:.40} is not a date, time and zone.")
    if (match["fraction"] or "").strip("0"):
        raise BadConstant("P214", f"{text!r:.40} has a fraction of a second.")
    try:
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text))
        return int(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise BadConstant("P214", f"{text!r:.40} does not exist.") from error
