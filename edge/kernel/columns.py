"""Writes `columns.h`: the columns of a bundle, for C, from `edge.decision.tables`.

    python -m edge.kernel.columns

Numbers of columns, tables, kinds and bounds are typed nowhere by hand, so a column
that is added to `Tables` is in the kernel after this command and a build.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.decision import beacon, bounds, bundle, choosing, request, state
from edge.decision import tables as t
from edge.decision.errors import BundleError, RequestError
from edge.decision.reasons import Reason
from edge.decision.scoring import SCORE_LIMIT
from edge.decision.tables import COLUMNS, table_of

HEADER = Path(__file__).with_name("columns.h")
KINDS = ("plain", "ref", "maybe", "start", "blob")
CONSTANTS = (
    "BOOL INT DECIMAL STRING SET TIMESTAMP",
    "NO_OP AGE SUM DIFFERENCE HOUR WEEKDAY",
    "PERSONAL ORDERED",
    "CELLS ANY_OF NONE_OF PRESENT ABSENT",
    "STACKABLE WITHOUT_IDENTITY TOKEN",
    "CEILING CEILING_PPM FLOOR FLOOR_PPM MOST WITHIN_BASE",
    "GREEDY EPSILON INVERSE_GAP ALLOCATION",
    "VISITOR CUSTOMER",
    "IDENTITY LOGISTIC",
    "BASE SENSITIVITY ARM",
    "DOWN HALF_UP HALF_EVEN",
)
FLAGS = "GLOBAL_HOLDOUT HOLDOUT SESSION STATELESS DROPPED DISCLOSE EQUAL"
LIMITS = {
    "FORMAT": bundle.FORMAT,
    "BUNDLE_LIMIT": bundle.SIZE_LIMIT,
    "REQUEST_LIMIT": request.SIZE_LIMIT,
    "ELEMENT_LIMIT": request.SET_LIMIT,
    "WANTED_LIMIT": request.WANTED_LIMIT,
    "EARLIER_LIMIT": request.EARLIER_LIMIT,
    "ENTRY_LIMIT": state.ENTRY_LIMIT,
    "TERM_LIMIT": bounds.TERM_LIMIT,
    "TAKEN_LIMIT": bounds.TAKEN_LIMIT,
    "BEST_LIMIT": choosing.CANDIDATE_LIMIT,
    "SCORE_LIMIT": SCORE_LIMIT,
}


def header() -> str:
    """The text of `columns.h`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "/* Made by `python -m edge.kernel.columns` from edge/decision/tables.py. */"
    yield "#ifndef PROFFER_COLUMNS_H"
    yield "#define PROFFER_COLUMNS_H"
    yield ""
    for line in CONSTANTS:
        yield _enum((name, getattr(t, name)) for name in line.split())
    yield _enum((name, getattr(t, name)) for name in vars(t) if name.startswith("HEAD_"))
    yield _enum((f"FLAG_{name}", getattr(beacon, name)) for name in FLAGS.split())
    yield _enum((f"REASON_{reason.name}", reason) for reason in Reason if reason < 32)
    yield _enum(iter(LIMITS.items()))
    yield _enum((f"KIND_{name.upper()}", i) for i, name in enumerate(KINDS))
    yield _enum((f"{name.upper()}_COLUMNS", _width(name)) for name in ("offer", "rung"))
    tables = list(dict.fromkeys(map(table_of, COLUMNS)))
    yield _enum((f"TABLE_{name.upper()}", i) for i, name in enumerate([*tables, "count"]))
    yield _enum((name.upper(), i) for i, name in enumerate([*COLUMNS, "column_count"]))
    for error in (BundleError, RequestError):
        name = error.__name__.removesuffix("Error").upper()
        yield f"/* {error.__name__}: {', '.join(error.CODES)} */"
        yield f"#define {name}_ERRORS {len(error.CODES)}"
    yield ""
    yield from _kinds(tables)
    yield ""
    yield "#endif"


def _enum(members: Iterator[tuple[str, int]]) -> str:
    return "enum {\n" + "".join(f"    {name} = {int(value)},\n" for name, value in members) + "};"


def _width(table: str) -> int:
    """How many columns a table has; they are neighbours."""
    own = [i for i, name in enumerate(COLUMNS) if table_of(name) == table]
    assert own == list(range(own[0], own[0] + len(own)))
    return len(own)


def _kinds(tables: list[str]) -> Iterator[str]:
    bounds = list(dict.fromkeys((kind.low, kind.high) for kind in COLUMNS.values()))
    yield "/* The bounds that plain columns have: least and greatest value. */"
    yield "static const int64_t BOUNDS[][2] = {"
    yield from (f"    {{{low}LL, {high}LL}}," for low, high in bounds)
    yield "};"
    yield ""
    yield "/* Per column: kind, its table, the table it points at, row of BOUNDS. */"
    yield "static const uint8_t KINDS[][4] = {"
    for name, kind in COLUMNS.items():
        target = tables.index(kind.target) if kind.target else 0
        row = bounds.index((kind.low, kind.high))
        own = tables.index(table_of(name))
        yield f"    {{{KINDS.index(kind.name)}, {own}, {target}, {row}}}, /* {name} */"
    yield "};"


if __name__ == "__main__":
    HEADER.write_text(header())
