"""The checked-in SQL is what the expressions say, for both engines."""

from __future__ import annotations

import re

import pytest

from control_plane.analysis.expressions import QUERIES
from control_plane.analysis.queries import RESULTS, sql
from scripts.analysis_sql import DIALECTS, FOLDER, texts


def test_emitting_again_changes_nothing() -> None:
    assert {path: path.read_text() for path in FOLDER.rglob("*.sql")} == texts()


def test_every_query_has_a_result_and_a_text_in_every_dialect() -> None:
    assert RESULTS.keys() == QUERIES.keys()
    assert {path.parent.name for path in texts()} == set(DIALECTS)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", QUERIES)
def test_there_are_whole_numbers_only(dialect: str, name: str) -> None:
    text = sql(name, dialect)
    inexact = re.findall(r"\b(?:AVG|DOUBLE|FLOAT|REAL|DECIMAL|STDDEV\w*)\b| / ", text, re.I)
    assert inexact == []


@pytest.mark.parametrize("name", QUERIES)
def test_the_columns_are_those_that_the_result_has(name: str) -> None:
    fields = {field: str(kind) for field, kind in QUERIES[name].schema().items()}
    assert fields.keys() == set(RESULTS[name].__struct_fields__)
    assert {kind.removeprefix("!") for kind in fields.values()} <= {"string", "int64", "int8"}
