"""Emits the SQL of `control_plane/analysis/sql/` from its Ibis expressions.

    python scripts/analysis_sql.py            writes the files
    python scripts/analysis_sql.py --check    exit code 1 if they are not what would be written

Needs the extra `test`: Ibis writes SQL here, and is not installed where Proffer runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ibis

from control_plane.analysis.expressions import QUERIES

FOLDER = Path(__file__).parents[1] / "control_plane" / "analysis" / "sql"
DIALECTS = {"duckdb": "duckdb", "spark": "pyspark"}
HEAD = (
    "-- Made by scripts/analysis_sql.py from control_plane/analysis/expressions.py; do not edit.\n"
)


def texts() -> dict[Path, str]:
    """Every file, and what is in it."""
    return {
        FOLDER / dialect / f"{name}.sql": f"{HEAD}{ibis.to_sql(query, dialect=name_in_ibis)}\n"
        for dialect, name_in_ibis in DIALECTS.items()
        for name, query in QUERIES.items()
    }


def main() -> int:
    made = texts()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    strange = set(FOLDER.rglob("*.sql")) - made.keys()
    if "--check" in sys.argv[1:]:
        for path in [*stale, *sorted(strange)]:
            print(f"{path.relative_to(FOLDER)} is not what would be emitted", file=sys.stderr)
        return 1 if stale or strange else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path])
        print(path.relative_to(FOLDER))
    for path in strange:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
