"""docs/reference/bundle-format.md against the code: every column, its id, kind and bounds."""

from __future__ import annotations

import re

from edge.decision import tables as t
from edge.decision.errors import BundleError
from edge.decision.tables import COLUMNS, Kind
from tests.support.parts import ROOT

PAGE = (ROOT / "docs" / "reference" / "bundle-format.md").read_text()
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
BOUND = re.compile(r"^(-?)(?:2\^(\d+)(?: ([+-]) 1)?|([\d,]+))$")


def number(text: str) -> int:
    """Of `1,024`, `-2^53 + 1` and the like."""
    found = BOUND.match(text)
    assert found is not None, text
    sign, power, more, plain = found.groups()
    size = int(plain.replace(",", "")) if plain else 1 << int(power)
    return (-size if sign else size) + {"+": 1, "-": -1, None: 0}[more]


def said(kind: Kind) -> str:
    if kind.name == "start":
        return f"list of `{kind.target}`"
    return f"row of `{kind.target}`" + (" or -1" if kind.name == "maybe" else "")


def test_every_column_stands_there_with_its_id_and_kind() -> None:
    rows = ROW.findall(PAGE)
    assert [name for _, name, _, _ in rows] == list(COLUMNS)
    assert [int(number) for number, _, _, _ in rows] == list(range(1, len(COLUMNS) + 1))
    for _, name, kind, meaning in rows:
        column = COLUMNS[name]
        if column.name == "plain":
            assert tuple(map(number, kind.split(" to "))) == (column.low, column.high), name
        else:
            assert kind == ("bytes" if column.name == "blob" else said(column)), name
        assert meaning.strip()


def test_the_head_is_explained_to_its_end() -> None:
    entries = re.findall(r"^\| ([\d, ]+) \| ", PAGE.partition("## The columns")[0], re.MULTILINE)
    listed = [int(each) for entry in entries for each in entry.split(",")]
    assert listed == list(range(t.HEAD_SIZE))


def test_every_code_is_named() -> None:
    assert [code for code in BundleError.CODES if code not in PAGE] == []
