"""Attributes that rules make on the spot: `age_s(t)`, `a + b`, `a - b`.

One expression is one attribute, by its canonical name, however many rules use
it.  It inherits from what it is made of: the least trusted source, every
restricting label, only the purposes that all of them allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .catalog import Attribute, Derived

TRUST = ("client", "signed", "edge")
"""Sources from least to most trusted."""
RESTRICTING = ("personal", "protected", "confidential")


class NotDerivable(Exception):
    """The attributes cannot be combined; the text says why."""


def derive_age(name: str, attribute: Attribute) -> tuple[str, Attribute]:
    """`age_s(name)`: seconds from that time to now."""
    if attribute.derived is not None:
        raise NotDerivable(f"`{name}` is itself derived.")
    if attribute.type != "timestamp":
        raise NotDerivable(f"`{name}` is not a timestamp.")
    derived = Derived(age_s=name)
    return f"age_s({name})", _inherit([attribute], type="int", derived=derived)


def derive_pair(
    sign: str, left: str, first: Attribute, right: str, second: Attribute
) -> tuple[str, Attribute]:
    """`left + right` (in the order of their names) or `left - right`."""
    for name, attribute in ((left, first), (right, second)):
        if attribute.derived is not None:
            raise NotDerivable(f"`{name}` is itself derived.")
        if attribute.type not in ("int", "decimal"):
            raise NotDerivable(f"`{name}` is not a number.")
    if (first.type, first.scale) != (second.type, second.scale):
        raise NotDerivable(f"`{left}` and `{right}` differ in type or scale.")
    if sign == "+" and right < left:
        left, right = right, left
    derived = Derived(sum=(left, right)) if sign == "+" else Derived(difference=(left, right))
    low, high = _range(sign, first, second)
    made = _inherit(
        [first, second],
        type=first.type,
        scale=first.scale,
        derived=derived,
        money=first.money and second.money,
        minimum=low,
        maximum=high,
    )
    return f"{left} {sign} {right}", made


def bases_of(name: str, attributes: Mapping[str, Attribute]) -> tuple[str, ...]:
    """The attributes that requests carry: the name itself, or what it is derived from."""
    attribute = attributes.get(name)
    if attribute is None or attribute.derived is None:
        return (name,)
    made = attribute.derived
    return tuple(each for each in (made.age_s, *(made.sum or ()), *(made.difference or ())) if each)


def _inherit(bases: list[Attribute], **fields: object) -> Attribute:
    labels = [label for label in RESTRICTING if any(label in base.labels for base in bases)]
    if all("publishable" in base.labels for base in bases):
        labels.append("publishable")
    source = min((base.source for base in bases), key=TRUST.index)
    purposes = [set(base.purpose) for base in bases if base.purpose]
    purpose = sorted(set.intersection(*purposes)) if purposes else []
    return Attribute(source=source, labels=labels, purpose=purpose, **fields)  # type: ignore[arg-type]


def _range(sign: str, first: Attribute, second: Attribute) -> tuple[Decimal | None, Decimal | None]:
    low, high = _least(second), second.maximum
    if sign == "-":
        low, high = (None if high is None else -high), (None if low is None else -low)
    return _sum(_least(first), low), _sum(first.maximum, high)


def _least(attribute: Attribute) -> Decimal | None:
    """Money without a declared minimum is never negative."""
    if attribute.minimum is None and attribute.money:
        return Decimal(0)
    return attribute.minimum


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a + b
