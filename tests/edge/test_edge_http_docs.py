"""`docs/reference/edge-http.md` says what the code does: no field, code or setting is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from control_plane import errors
from edge.answering import BODY_LIMIT_BYTES, FIELDS, DecideAnswer
from edge.app import Health, RunningPolicy
from edge.asgi import BODY_WAIT_S
from edge.beacons import BeaconAnswer
from edge.confirming import CONFIRM_FIELDS
from edge.cookies import STATE_COOKIE, VISITOR_COOKIE
from edge.deciding import Decided
from edge.decision.errors import RequestError
from edge.decision.events import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS, EVENT_LIMIT_BYTES
from edge.decision.reasons import Reason
from edge.flag_context import FIELDS as OWN_FIELDS
from edge.flag_context import ErrorCode
from edge.flags import REASONS, Metadata, Offer
from edge.local_server import CONNECTIONS, HEAD_BYTES, HEAD_WAIT_S, STALL_S
from edge.local_settings import EdgeSettings
from edge.ofrep import Failure
from edge.outbox import QUEUE_LIMIT, Tally
from edge.pages import SLOT_LIMIT_BYTES
from edge.policy import Refreshing
from edge.problems import PROBLEMS, Problem, ProblemBody, ProblemType
from edge.slots import SLOTS_LIMIT
from edge.vouching import CONTEXT_FIELDS, SESSION_FIELDS
from tests.support.edges import World, assert_problem
from tests.support.parts import ROOT

TEXT = (ROOT / "docs" / "reference" / "edge-http.md").read_text()
WORDS = set(re.findall(r"[A-Za-z_][\w-]*", TEXT))
SECTIONS = dict(part.split("\n", 1) for part in TEXT.split("\n## ")[1:])
DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in msgspec.structs.fields(EdgeSettings)
}


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


@pytest.mark.parametrize("fields", [FIELDS, CONFIRM_FIELDS, CONTEXT_FIELDS, SESSION_FIELDS])
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


# --- limits and numbers -------------------------------------------------------


def test_the_table_of_limits_is_that_of_the_code() -> None:
    limits = SECTIONS["Limits"]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| [^|]+ \|$", limits, re.MULTILINE))
    told = {
        "body of a decide call or an evaluation; of a batch":
            f"{BODY_LIMIT_BYTES >> 10} KiB; {BATCH_LIMIT_BYTES >> 10} KiB",
        "body on its way to the origin":
            f"{DEFAULTS['request_limit_bytes'] >> 20} MiB (`request_limit_bytes`)",
        "a client that takes nothing of its answer": f"{STALL_S:g} s",
        "connections at once": f"{CONNECTIONS:,}",
        "a slot's element; slots of a page":
            f"{SLOT_LIMIT_BYTES >> 10} KiB; {SLOTS_LIMIT} placements",
    }  # fmt: skip
    assert {name: rows[name] for name in told} == told
    assert f"| a request's head | {HEAD_BYTES >> 10} KiB |" in limits
    assert f"| a request's head | {HEAD_WAIT_S:g} s |" in limits
    assert f"{BODY_WAIT_S:g} s | 408" in limits


@pytest.mark.parametrize(
    "name", ["refresh_s", "origin_timeout_s", "request_limit_bytes", "drain_s", "ofrep"]
)
def test_a_setting_has_its_default_in_the_table(name: str) -> None:
    shown = f"{DEFAULTS[name]}".removesuffix(".0").lower()
    assert f"| `{name}` | {shown} |" in TEXT


def test_every_number_is_named(w: World) -> None:
    said = w.visitor().get("/_proffer/metrics").text
    names = set(re.findall(r"^# TYPE (proffer_\w+)", said, re.MULTILINE))
    assert len(names) > 10
    assert names == set(re.findall(r"`(proffer_[a-z_]+)`", SECTIONS["Metrics"]))


# --- ofrep.md -----------------------------------------------------------------

OFREP = (ROOT / "docs" / "reference" / "ofrep.md").read_text()


def test_flags_are_told_field_by_field() -> None:
    words = set(re.findall(r"`([A-Za-z_.]+)`", OFREP))
    fields = {*Offer.__struct_fields__, *Metadata.__struct_fields__, *Failure.__struct_fields__}
    assert fields - words - {"key", "errorDetails", "errorCode"} == set()
    assert {f"proffer.{name}" for name in OWN_FIELDS} <= words


def test_the_table_of_reasons_is_that_of_the_code() -> None:
    table = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| `([A-Z_]+)` \|$", OFREP, re.MULTILINE)
    told = {Reason[name]: theirs for ours, theirs in table for name in re.findall(r"[A-Z_]+", ours)}
    assert told == REASONS


def test_every_error_code_is_in_the_table() -> None:
    table = OFREP.partition("## Errors")[2]
    assert set(re.findall(r"\| `([A-Z_]+)` \|", table)) == set(get_args(ErrorCode))
