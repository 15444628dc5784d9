"""Bundles that are wrong in one column.

Bytes changed at random seldom get past the layout of a bundle.  These changes keep the
layout whole and spoil what it holds, so that the checks behind it are reached.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from edge.decision.bundle import _read_sections, write_bundle
from edge.decision.errors import BundleError
from edge.decision.tables import COLUMNS, Tables

Column = list[int]
EDGES = (0, 1, -1, 2, 255, 256, 65535, 65536, 1 << 20, 1 << 24, (1 << 32) - 1, 1 << 32)
BEYOND = ((1 << 53) - 1, 1 << 53, -(1 << 53), (1 << 63) - 1, -(1 << 63))


def spoiled(data: bytes, seed: int) -> bytes | None:
    """The bundle with one to four columns changed; None if this is not laid out as one."""
    random = Random(seed)
    try:
        columns = {name: list(values) for name, values in _read_sections(data)}
    except (BundleError, ValueError):
        return None
    if not columns:
        return None
    for _ in range(random.randrange(1, 5)):
        _spoil(columns, random)
    blobs = {n: bytes(v & 255 for v in c) for n, c in columns.items() if COLUMNS[n].name == "blob"}
    return write_bundle(Tables(**{**columns, **blobs}))


def _spoil(columns: dict[str, Column], random: Random) -> None:
    name = random.choice(list(columns) if random.random() < 0.9 else list(COLUMNS))
    column = columns.get(name, [])
    change = random.choice(CHANGES) if column else _lengthened
    columns[name] = change(column, columns, random)


def _changed(column: Column, columns: dict[str, Column], random: Random) -> Column:
    at = random.randrange(len(column))
    near = column[at] + random.choice((-1, 1, 7))
    value = random.choice((near, near, random.choice(EDGES), random.choice(BEYOND)))
    return [*column[:at], max(-(1 << 63), min(value, (1 << 63) - 1)), *column[at + 1 :]]


def _shortened(column: Column, columns: dict[str, Column], random: Random) -> Column:
    at = random.randrange(len(column))
    return column[:at] + column[at + 1 :]


def _lengthened(column: Column, columns: dict[str, Column], random: Random) -> Column:
    at = random.randrange(len(column) + 1)
    return [*column[:at], random.choice([*EDGES, *column[-3:]]), *column[at:]]


def _swapped(column: Column, columns: dict[str, Column], random: Random) -> Column:
    a, b = random.randrange(len(column)), random.randrange(len(column))
    swapped = list(column)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return swapped


def _another(column: Column, columns: dict[str, Column], random: Random) -> Column:
    return list(columns[random.choice(list(columns))])


def _emptied(column: Column, columns: dict[str, Column], random: Random) -> Column:
    return []


CHANGES: tuple[Callable[[Column, dict[str, Column], Random], Column], ...] = (
    _changed,
    _changed,
    _changed,
    _shortened,
    _lengthened,
    _swapped,
    _another,
    _emptied,
)
