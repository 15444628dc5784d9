"""Tables in and out of a batch: CSV (also gzipped) and Parquet.

Requests: one row each.  These columns are the request's own fields

    visitor customer nonce locale consent now_s placements

and every other column is an attribute of that name.  An empty cell is absent.  Left
out, `consent` is full, `now_s` the start of the batch, `nonce` the row's number, and
`placements` all there are.  In text, elements of sets and of `placements` stand
between `|`, or the cell is a JSON array; times are Unix seconds, or ISO 8601 with an
offset.  A cell that is not of its attribute's type makes that attribute invalid, as
everywhere: an offer whose rule needs it is withheld.

Decisions: the columns of `control_plane.batch.Line`; in Parquet, `time` is in UTC.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

from msgspec import Struct, structs

from control_plane.batch import COLUMNS, BatchRefused, Feed, Fields, Line
from edge.decision import tables as t
from edge.decision.bundle import Bundle

OWN_COLUMNS = ("visitor", "customer", "nonce", "locale", "consent", "now_s", "placements")
CHUNK_ROWS = 10_000
CSV_CELL_LIMIT = 1 << 20
NO_DUCKDB = (
    "Install the extra `batch`: pip install 'proffer[batch]',"
    " in a checkout: .venv/bin/pip install -e '.[batch]'."
)


class ExtraMissing(Exception):
    """Parquet needs an extra that is not installed."""


# --- requests -----------------------------------------------------------------


class Defaults(Struct, frozen=True):
    """What a row may leave out."""

    now_s: int
    placements: tuple[str, ...]


def read_requests(path: Path, bundle: Bundle, now_s: int) -> Feed:
    """The rows of a table.  Raises `BatchRefused`, for Parquet also `ExtraMissing`."""
    placements = [bundle.placement_name(row) for row in range(bundle.rows["placement"])]
    defaults = Defaults(now_s, tuple(placements))
    if path.suffix == ".parquet":
        return _read_parquet(path, bundle, defaults)
    total = sum(1 for _ in _csv_rows(path)) - 1
    return Feed(total=total, requests=_from_csv(path, bundle, defaults))


def _from_csv(path: Path, bundle: Bundle, defaults: Defaults) -> Iterator[Fields]:
    rows = _csv_rows(path)
    _, heads = next(rows)
    for number, (line, values) in enumerate(rows, 1):
        if len(values) != len(heads):
            raise BatchRefused(
                f"{path}:{line}: {len(values)} values under {len(heads)} columns.",
                "Correct the line; values with commas need quotes.",
            )
        yield _fields(bundle, defaults, number, dict(zip(heads, values, strict=True)))


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, values) of every row, the head first."""
    csv.field_size_limit(CSV_CELL_LIMIT)
    found = False
    try:
        with _open_text(path) as text:
            reader = csv.reader(text, strict=True)
            for values in reader:
                if values:
                    if not found:
                        _check_head(path, values)
                    found = True
                    yield reader.line_num, values
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise BatchRefused(
            f"{path} cannot be read: {cause}.", "Give a CSV file in UTF-8."
        ) from None
    if not found:
        raise BatchRefused(f"{path} is empty.", "The first line names the columns.")


def _check_head(path: Path, heads: Sequence[str]) -> None:
    twice = [name for name in heads if heads.count(name) > 1]
    if twice:
        raise BatchRefused(f"{path}:1: the column {twice[0]!r} is there twice.", "Rename one.")


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_parquet(path: Path, bundle: Bundle, defaults: Defaults) -> Feed:
    duckdb = _duckdb()
    connection, where = duckdb.connect(), [str(path)]
    try:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", where).fetchall()
        columns = ", ".join(_column(name, kind) for name, kind, *_ in described)
        count = connection.execute("SELECT count(*) FROM read_parquet(?)", where).fetchall()
        rows = connection.execute(f"SELECT {columns} FROM read_parquet(?)", where)
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise BatchRefused(f"{path} cannot be read: {cause}.", "Give a Parquet file.") from None
    heads = [name for name, *_ in described]
    return Feed(total=count[0][0], requests=_from_parquet(rows, heads, bundle, defaults))


def _column(name: str, kind: str) -> str:
    """Instants as Unix seconds: as Python objects they would need one more package."""
    quoted = '"' + name.replace('"', '""') + '"'
    zoned = kind == "TIMESTAMP WITH TIME ZONE"
    return f"epoch_us({quoted}) // 1000000 AS {quoted}" if zoned else quoted


def _from_parquet(
    rows: Any, heads: list[str], bundle: Bundle, defaults: Defaults
) -> Iterator[Fields]:
    number = 0
    while chunk := rows.fetchmany(CHUNK_ROWS):
        for values in chunk:
            number += 1
            yield _fields(bundle, defaults, number, dict(zip(heads, values, strict=True)))


def _fields(bundle: Bundle, defaults: Defaults, number: int, row: Fields) -> Fields:
    said = {name: value for name, value in row.items() if value is not None and value != ""}
    own = {name: said.pop(name) for name in OWN_COLUMNS if name in said}
    fields: Fields = {
        "visitor": _text(own.get("visitor")),
        "customer": _text(own.get("customer")),
        "nonce": _text(own.get("nonce", number)),
        "locale": _text(own.get("locale")),
        "consent": _text(own.get("consent", "full")),
        "now_s": _timestamp(own.get("now_s", defaults.now_s)),
        "placements": _elements(own.get("placements", list(defaults.placements))),
        "attributes": {name: _value(bundle, name, value) for name, value in said.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _value(bundle: Bundle, name: str, value: object) -> object:
    row = bundle.attribute_rows.get(name)
    return value if row is None else READERS[bundle.tables.attribute_type[row]](value)


# Each gives what the request's JSON would hold, or the value as it is: then the
# attribute is invalid.


def _bool(value: object) -> object:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
    return value


def _int(value: object) -> object:
    """Also `3.0`: tables with empty cells often hold whole numbers so."""
    try:
        number = Decimal(str(value))
        return int(number) if number == number.to_integral_value() else value
    except (InvalidOperation, ValueError, OverflowError):
        return value


def _decimal(value: object) -> object:
    """Decimals are text in requests; numbers of a table are written out."""
    if isinstance(value, bool | str):
        return value
    try:
        return format(Decimal(str(value)), "f")
    except InvalidOperation:
        return value


def _elements(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.split("|")


def _timestamp(value: object) -> object:
    moment = value
    if isinstance(value, str) and not value.isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _int(value)
    if not isinstance(moment, datetime):
        return _int(value)
    if moment.tzinfo is None:
        return value  # whose time is meant, nobody knows
    return int(moment.timestamp())


READERS: dict[int, Callable[[object], object]] = {
    t.BOOL: _bool,
    t.INT: _int,
    t.DECIMAL: _decimal,
    t.STRING: _text,
    t.SET: _elements,
    t.TIMESTAMP: _timestamp,
}


# --- decisions ----------------------------------------------------------------


class DecisionTable:
    """Writes lines as CSV; what is not there is an empty cell."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def write(self, lines: Sequence[Line]) -> None:
        self._writer.writerows(structs.astuple(line) for line in lines)


PARQUET_TYPES = {
    "now_s": "BIGINT",
    "slot": "INTEGER",
    "tickets": "INTEGER",
    "propensity": "DOUBLE",
    "candidates": "INTEGER",
    "incentive": "DECIMAL(18, 6)",
}
TO_PARQUET = """
    COPY (SELECT * REPLACE (make_timestamp(now_s * 1000000) AS time)
          FROM read_csv(?, header = true, columns = {columns}, nullstr = '',
                                 quote = '"', escape = '"', delim = ','))
    TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def write_parquet(table: Path, target: Path) -> None:
    """A table of decisions from CSV to Parquet.  Raises `ExtraMissing`, `OSError`."""
    duckdb = _duckdb()
    columns = {name: PARQUET_TYPES.get(name, "VARCHAR") for name in COLUMNS}
    quoted = str(target).replace("'", "''")
    try:
        with duckdb.connect() as connection:
            connection.execute(TO_PARQUET.format(columns=columns, target=quoted), [str(table)])
    except duckdb.IOException as error:
        raise OSError(0, str(error).splitlines()[0], str(target)) from None


def check_parquet() -> None:
    """Raises `ExtraMissing` before any work is done."""
    _duckdb()


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise ExtraMissing("Parquet needs DuckDB, which is not installed.") from None
    return duckdb
