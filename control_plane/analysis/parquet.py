"""Rows into a Parquet file, by DuckDB: the one engine of the default report.

Rows go through a file of JSON lines: a million of them never are in memory at once, whole
numbers stay whole, and any text survives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from control_plane.analysis.columns import DUCKDB_TYPES, SHAPES, Shape
from control_plane.analysis.layout import TablesError

HELP = (
    "Install the extra `analysis`: pip install 'proffer[analysis]',"
    " in a checkout: .venv/bin/pip install -e '.[analysis]'."
)
MAKE_ROOM = "Make room or memory, then compact again; the tables are as before."
MEMORY_LIMIT = "512MB"


class ExtraMissing(TablesError):
    """DuckDB is not installed."""

    def __init__(self) -> None:
        super().__init__("tables for analysis need DuckDB, which is not installed.", HELP)


def needed() -> Any:
    """The module of DuckDB.  Raises `ExtraMissing`."""
    try:
        import duckdb
    except ImportError:
        raise ExtraMissing from None
    return duckdb


def engine(spill: Path | None = None) -> Any:
    """A DuckDB connection that reads and writes nothing but the files it is told.

    `spill`: folder for what does not fit into memory.  Raises `ExtraMissing`.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY_LIMIT,
    }
    if spill is not None:
        config["temp_directory"] = str(spill)
    return needed().connect(config=config)


@contextmanager
def telling(what: str, help: str) -> Iterator[None]:
    """Failures of DuckDB as `TablesError`."""
    try:
        yield
    except needed().Error as error:
        said = str(error).splitlines()[0]
        raise TablesError(f"{what}: {said}.", help) from None


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class PartWriter:
    """Writes the parts of one change into its folder for work."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._engine = engine(work)

    def write(self, shape: Shape, rows: Iterable[dict[str, Any]]) -> tuple[Path, int]:
        """A Parquet file of these rows, and how many they are."""
        lines, made = self._work / "rows.ndjson", self._work / "rows.parquet"
        count = 0
        with lines.open("wb") as file:
            for row in rows:
                file.write(msgspec.json.encode(row) + b"\n")
                count += 1
        types = {name: DUCKDB_TYPES[kind] for name, kind in shape.columns.items()}
        columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
        statement = (
            f"COPY (SELECT * FROM read_json({quoted(str(lines))},"
            f" format = 'newline_delimited', columns = {{{columns}}}))"
            f" TO {quoted(str(made))} (FORMAT parquet, COMPRESSION zstd)"
        )
        with telling(f"no Parquet could be written below {self._work.parent}", MAKE_ROOM):
            self._engine.execute(statement)
        lines.unlink()
        return made, count

    def close(self) -> None:
        self._engine.close()


def rows_in(name: str, files: Sequence[Path]) -> list[dict[str, Any]]:
    """All rows of a small table."""
    if not files:
        return []
    names = list(SHAPES[name].columns)
    with closing(engine()) as connection:
        chosen = ", ".join(f'"{name}"' for name in names)
        found = connection.execute(f"SELECT {chosen} FROM {scan(files)}").fetchall()
    return [dict(zip(names, values, strict=True)) for values in found]


ARMS = """
    SELECT bundle, arm FROM (
        SELECT bundle, shown_arm AS arm FROM decisions
        UNION SELECT bundle, ghost_arm FROM decisions
        UNION SELECT bundle, offer || '/' || rung FROM redemptions
    )
    WHERE arm <> 'none'
    EXCEPT SELECT bundle, arm FROM offers
    ORDER BY ALL
"""


def arms_without_version(files: Mapping[str, Sequence[Path]]) -> dict[str, list[str]]:
    """Bundle -> the arms that rows name and the table of offers does not have."""
    with closing(engine()) as connection:
        for name in ("decisions", "redemptions", "offers"):
            view(connection, name, files[name])
        found: dict[str, list[str]] = {}
        for bundle, arm in connection.execute(ARMS).fetchall():
            found.setdefault(bundle, []).append(arm)
        return found


def view(connection: Any, name: str, files: Sequence[Path]) -> None:
    """Make a table of these files, which may be none, known to the connection under its name."""
    columns = SHAPES[name].columns
    if files:
        chosen = ", ".join(f'"{column}"' for column in columns)
        source = f"SELECT {chosen} FROM {scan(files)}"
    else:
        empty = (f'NULL::{DUCKDB_TYPES[kind]} AS "{column}"' for column, kind in columns.items())
        source = f"SELECT {', '.join(empty)} WHERE false"
    connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS {source}')


def scan(files: Sequence[Path]) -> str:
    listed = ", ".join(quoted(str(path)) for path in files)
    return f"read_parquet([{listed}], hive_partitioning = false)"
