"""`docs/reference/edge-http.md` says what the code does: no field, code or setting is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge.answering import BODY_LIMIT_BYTES, FIELDS, DecideAnswer
from edge.app import Health, RunningPolicy
from edge.beacons import BeaconAnswer
from edge.cookies import STATE_COOKIE, VISITOR_COOKIE
from edge.deciding import Decided
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS, EVENT_LIMIT_BYTES
from edge.local import EdgeSettings
from edge.outbox import QUEUE_LIMIT, Tally
from edge.policy import Refreshing
from edge.vouching import CONTEXT_FIELDS, SESSION_FIELDS
from tests.support.parts import ROOT

TEXT = (ROOT / "docs" / "reference" / "edge-http.md").read_text()
WORDS = set(re.findall(r"[A-Za-z_][\w-]*", TEXT))


def problem_codes() -> Iterator[str]:
    """Every literal `Problem(status, code, ...)` of the edge."""
    for path in sorted(Path(ROOT / "edge").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem":
                yield from re.findall(r"'([a-z-]+)'", ast.unparse(node.args[1]))


@pytest.mark.parametrize(
    "kind",
    [Decided, DecideAnswer, BeaconAnswer, Health, RunningPolicy, Refreshing, Tally, EdgeSettings],
)
def test_every_field_is_named(kind: type[msgspec.Struct]) -> None:
    assert set(kind.__struct_fields__) - WORDS - {"checked_s"} == set()


@pytest.mark.parametrize("fields", [FIELDS, CONTEXT_FIELDS, SESSION_FIELDS])
def test_every_field_that_may_be_sent_is_named(fields: set[str]) -> None:
    assert fields <= WORDS


def test_every_problem_has_its_code_in_the_tables() -> None:
    codes = set(problem_codes())
    assert len(codes) > 8
    told = {code for code in codes if f"`{code}`" in TEXT}
    assert codes - told == {"not-found", "method"}  # which need no explaining


def test_limits_and_cookies_are_those_of_the_code() -> None:
    assert f"at most {BODY_LIMIT_BYTES >> 10} KiB" in TEXT
    assert f"at most {BATCH_LIMIT_BYTES >> 10} KiB and {BATCH_LIMIT_EVENTS:,} events" in TEXT
    assert f"{EVENT_LIMIT_BYTES >> 10} KiB each" in TEXT
    assert f"queue full ({QUEUE_LIMIT:,})" in TEXT
    assert f"`{VISITOR_COOKIE}`" in TEXT and f"`{STATE_COOKIE}`" in TEXT
