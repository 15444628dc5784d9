"""Bundles with a value changed within what its column allows.

Each column by itself stays right, so only the checks of meaning and of bounds can tell.
"""

from __future__ import annotations

from random import Random

from edge.decision.bundle import write_bundle
from edge.decision.tables import COLUMNS, Ints, Tables, table_of


def bent(tables: Tables, random: Random) -> bytes:
    """The bundle of these tables, with one to three values changed."""
    columns = {name: list(getattr(tables, name)) for name in COLUMNS if name != "notes"}
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice([name for name, values in columns.items() if values])
        bend(name, columns, random)
    heap = bytes(columns.pop("heap"))
    return write_bundle(Tables(**columns, heap=heap, notes=tables.notes))


def bend(name: str, columns: dict[str, list[int]], random: Random) -> None:
    kind, values = COLUMNS[name], columns[name]
    at = random.randrange(len(values))
    if kind.name == "start":
        if 0 < at < len(values) - 1:
            values[at] = random.randint(values[at - 1], values[at + 1])
    elif kind.name in ("ref", "maybe"):
        rows = rows_of(kind.target, columns)
        values[at] = random.randint(-(kind.name == "maybe"), rows - 1)
    else:
        near = values[at] + random.choice((-1, 1))
        value = random.choice((near, near, kind.low, kind.high, random.choice(values)))
        values[at] = max(kind.low, min(kind.high, value))


def rows_of(table: str, columns: dict[str, Ints] | dict[str, list[int]]) -> int:
    name = next(name for name in COLUMNS if table_of(name) == table)
    return len(columns[name]) - (COLUMNS[name].name == "start")
