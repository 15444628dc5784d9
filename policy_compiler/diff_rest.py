"""What differs although no listing shows it, or shows it only rounded.

A listing says a weight to three digits and leaves out how a rule is cut into clauses.  So
that no number of an object changes in silence, the columns of every placement and offer
about which nothing was said are compared as they are; and if still nothing was said of two
bundles that differ, the columns that do are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import structs

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from policy_compiler.changes import Change, by_value

UNSAID = ("group", "offer", "allocation", "unit")
"""Columns that number something within one bundle, or that listings always tell."""


def rest(before: Bundle, after: Bundle, said: Sequence[Change]) -> list[Change]:
    told = {change.subject for change in said}
    found = [*_objects("placement", before, after, told), *_offers(before, after, told)]
    if not (said or found) and before.digest != after.digest:
        found = [_columns(before, after)]
    return found


def _objects(table: str, before: Bundle, after: Bundle, told: set[str]) -> Iterator[Change]:
    had, has = _rows(table, before), _rows(table, after)
    for name in has:
        if name in had and f"{table} {name}" not in told:
            yield from _row(f"{table} {name}", table, (before, had[name]), (after, has[name]))


def _offers(before: Bundle, after: Bundle, told: set[str]) -> Iterator[Change]:
    yield from _objects("offer", before, after, told)
    had, has = _arms(before), _arms(after)
    for name in has:
        subject = f"offer {name.partition('/')[0]}"
        if name in had and subject not in told:
            for change in _row(subject, "rung", (before, had[name]), (after, has[name])):
                size = name.partition("/")[2]
                yield structs.replace(change, text=f"size {size} {change.text}")


def _rows(table: str, bundle: Bundle) -> dict[str, int]:
    return {
        bundle.text(text): row for row, text in enumerate(getattr(bundle.tables, f"{table}_name"))
    }


def _arms(bundle: Bundle) -> dict[str, int]:
    return {bundle.arm_name(row + 1): row for row in range(bundle.rows["rung"])}


def _row(
    subject: str, table: str, old: tuple[Bundle, int], new: tuple[Bundle, int]
) -> Iterator[Change]:
    for column in _plain(table):
        had, has = (getattr(bundle.tables, column)[row] for bundle, row in (old, new))
        name = column.partition("_")[2].replace("_", " ")
        yield from by_value(subject, f"{name} (as the edge counts it)", had, has)


def _plain(table: str) -> Iterable[str]:
    for column, kind in t.COLUMNS.items():
        own = t.table_of(column) == table and kind.name == "plain"
        if own and column.partition("_")[2] not in UNSAID:
            yield column


def _columns(before: Bundle, after: Bundle) -> Change:
    names = [
        name
        for name in structs.asdict(before.tables)
        if bytes(getattr(before.tables, name)) != bytes(getattr(after.tables, name))
    ]
    text = f"values of {', '.join(names)} changed"
    if names == ["notes"] and _unplaced(before) == _unplaced(after):
        text = "rules stand elsewhere in their files; nobody is decided upon otherwise"
    return Change(subject="bundle", what="changed", text=text)


def _unplaced(bundle: Bundle) -> object:
    """The notes without where rules stood, and how their names were called."""
    return _without_place(msgspec.msgpack.decode(bytes(bundle.tables.notes)))


def _without_place(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_place(each) for key, each in value.items()}
    if isinstance(value, list):
        is_node = len(value) > 4 and isinstance(value[0], str) and isinstance(value[2], int)
        kept = [value[0], *value[4:]] if is_node else value
        return [_without_place(each) for each in kept]
    return value
