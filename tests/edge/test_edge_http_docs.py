"""`docs/reference/edge-http.md` says what the code does: no field, code or setting is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec
import pytest

from control_plane import errors
from edge.answering import BODY_LIMIT_BYTES, FIELDS, DecideAnswer
from edge.app import Health, RunningPolicy
from edge.beacons import BeaconAnswer
from edge.cookies import STATE_COOKIE, VISITOR_COOKIE
from edge.deciding import Decided
from edge.decision.errors import RequestError
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS, EVENT_LIMIT_BYTES
from edge.local import EdgeSettings
from edge.outbox import QUEUE_LIMIT, Tally
from edge.policy import Refreshing
from edge.problems import PROBLEMS, Problem, ProblemBody, ProblemType
from edge.vouching import CONTEXT_FIELDS, SESSION_FIELDS
from tests.support.edges import World, assert_problem
from tests.support.parts import ROOT

TEXT = (ROOT / "docs" / "reference" / "edge-http.md").read_text()
WORDS = set(re.findall(r"[A-Za-z_][\w-]*", TEXT))


def raised_problems() -> Iterator[str]:
    """The name of every `Problem(name, ...)` of the edge."""
    for path in sorted((ROOT / "edge").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem":
                yield from re.findall(r"'([a-z-]+)'", ast.unparse(node.args[0]))


@pytest.mark.parametrize(
    "kind",
    [Decided, DecideAnswer, BeaconAnswer, Health, RunningPolicy, Refreshing, Tally, EdgeSettings],
)
def test_every_field_is_named(kind: type[msgspec.Struct]) -> None:
    assert set(kind.__struct_fields__) - WORDS - {"checked_s"} == set()


@pytest.mark.parametrize("fields", [FIELDS, CONTEXT_FIELDS, SESSION_FIELDS])
def test_every_field_that_may_be_sent_is_named(fields: set[str]) -> None:
    assert fields <= WORDS


def test_the_table_of_problems_is_the_closed_list() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
    told = {name: ProblemType(title, int(status), help) for name, status, title, help in rows}
    assert told == PROBLEMS


def test_no_problem_of_the_list_is_never_raised() -> None:
    of_requests = {f"request-{code.lower()}" for code in RequestError.CODES}
    assert {*raised_problems(), *of_requests} == set(PROBLEMS)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problems_type_is_an_address_that_says_what_it_means(w: World, name: str) -> None:
    answer = w.visitor().get(Problem(name, "").body().type)
    assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")
    assert PROBLEMS[name].title in answer.text and PROBLEMS[name].help in answer.text


def test_the_edges_problems_have_the_control_planes_shape_and_names() -> None:
    assert ProblemBody.__struct_fields__ == errors.Problem.__struct_fields__
    for name in PROBLEMS.keys() & errors.PROBLEMS.keys():
        ours, theirs = PROBLEMS[name], errors.PROBLEMS[name]
        assert (ours.title, ours.status) == (theirs.title, theirs.status)


def test_there_is_no_other_problem_type(w: World) -> None:
    assert_problem(w.visitor().get("/_proffer/problems/none"), 404, "not-found")


def test_limits_and_cookies_are_those_of_the_code() -> None:
    assert f"at most {BODY_LIMIT_BYTES >> 10} KiB" in TEXT
    assert f"at most {BATCH_LIMIT_BYTES >> 10} KiB and {BATCH_LIMIT_EVENTS:,} events" in TEXT
    assert f"{EVENT_LIMIT_BYTES >> 10} KiB each" in TEXT
    assert f"queue full ({QUEUE_LIMIT:,})" in TEXT
    assert f"`{VISITOR_COOKIE}`" in TEXT and f"`{STATE_COOKIE}`" in TEXT
