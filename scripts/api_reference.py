"""Writes the tables of operations in docs/reference/http.md: `python scripts/api_reference.py`.

With `--check` nothing is written, and the exit status is 1 where they differ.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from control_plane.api.all import OPERATIONS
from control_plane.api.operation import Operation

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "http.md"
BEGIN = "<!-- operations: written by scripts/api_reference.py -->\n"
END = "<!-- end of operations -->\n"
CALLERS = {"public": "anybody", "login": "whoever is known"}


def tables() -> str:
    return "\n".join(
        _table(tag, list(some)) for tag, some in groupby(OPERATIONS, key=lambda one: one.tag)
    )


def _table(tag: str, some: list[Operation]) -> str:
    rows = "".join(map(_row, some))
    return f"### {tag}\n\n| address | who | what it does |\n| --- | --- | --- |\n{rows}"


def _row(one: Operation) -> str:
    who = CALLERS.get(one.permission, f"`{one.permission}`")
    takes = ["`If-Match`"] * one.takes_if_match
    takes += ["`Idempotency-Key`"] * one.takes_idempotency_key
    more = f" Takes {' and '.join(takes)}." if takes else ""
    return f"| `{one.method} {one.path}` | {who} | {one.summary.rstrip('.')}.{more} |\n"


def written(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main() -> int:
    page = PAGE.read_text()
    if "--check" in sys.argv:
        return int(page != written(page))
    PAGE.write_text(written(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
