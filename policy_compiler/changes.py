"""One difference between two policies, and ways to find some: by value, by list, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

What = Literal["added", "removed", "changed", "widened", "narrowed", "moved"]


class Change(Struct, frozen=True, kw_only=True):
    """One difference.  `subject`: what it is about, such as `offer welcome`; `text`: the
    difference in words; `before` and `after` as in the listings, where that says more."""

    subject: str
    what: What
    text: str
    before: str = ""
    after: str = ""


def by_value(subject: str, name: str, old: object, new: object) -> Iterator[Change]:
    if old != new:
        said, now = _said(old), _said(new)
        text = f"{name}: {said or 'none'} -> {now or 'none'}"
        yield Change(subject=subject, what="changed", text=text, before=said, after=now)


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def by_field(subject: str, old: object, new: object, names: Mapping[str, str]) -> Iterator[Change]:
    """`names`: field -> what it is called in words."""
    for field, name in names.items():
        yield from by_value(subject, name, getattr(old, field), getattr(new, field))


def by_entry(subject: str, verb: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    """Lists of which each entry says one thing: what came and what went."""
    had, has = list(old), list(new)
    for each in has:
        if each not in had:
            yield Change(subject=subject, what="added", text=f"{verb} now: {each}", after=each)
    for each in had:
        if each not in has:
            text = f"{verb} no longer: {each}"
            yield Change(subject=subject, what="removed", text=text, before=each)


def by_name(
    kind: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    about: Callable[[Any], str],
    compare: Callable[[str, Any, Any], Iterable[Change]],
) -> Iterator[Change]:
    """Objects by name: added, removed, or compared."""
    for name, object in new.items():
        if name not in old:
            yield Change(subject=f"{kind} {name}", what="added", text=about(object))
    for name, object in old.items():
        if name not in new:
            yield Change(subject=f"{kind} {name}", what="removed", text=about(object))
    for name, object in new.items():
        if name in old:
            yield from compare(f"{kind} {name}", old[name], object)
