"""The API keeps what its OpenAPI document promises: at least 1,000 cases by schemathesis.

`make fuzz` runs 50,000 (`fuzz/api_cases.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct
from msgspec.structs import replace

from control_plane.api.all import OPERATIONS
from control_plane.api.call import Answer, Call
from control_plane.errors import Refused
from tests.support.api_cases import Found, run

EXAMPLES = 3
SEED = 20261122


def told(found: Found) -> str:
    kinds = [
        f"{each.label}: {each.check}: {each.message}\n{each.code}"
        for each in found.failures.values()
    ]
    return "\n".join([*kinds, *found.errors])


@pytest.mark.filterwarnings("default")
def test_a_thousand_cases_are_answered_as_the_document_says():
    found = run(1000, SEED, EXAMPLES)
    assert found.is_clean, told(found)
    assert found.cases >= 1000
    assert found.by_phase["coverage"] and found.by_phase["fuzzing"] and found.by_phase["stateful"]
    assert found.followed, "nothing went on from an answer"
    assert found.by_status[200] and found.by_status[201] and found.by_status[404]


# --- does it see? -------------------------------------------------------------


async def crash(call: Call) -> Answer:
    raise RuntimeError("on purpose")


async def lie(call: Call) -> Answer:
    return Answer({"status": "ok", "sequence": "none", "expires_s": None})


async def surprise(call: Call) -> Answer:
    raise Refused("name-taken", "a problem that it does not name")


@pytest.mark.parametrize(
    ("handler", "check"),
    [
        (crash, "not_a_server_error"),
        (lie, "response_schema_conformance"),
        (surprise, "status_code_conformance"),
    ],
)
@pytest.mark.filterwarnings("default")
def test_an_operation_that_breaks_its_word_is_found(handler: Any, check: str):
    (health,) = [one for one in OPERATIONS if one.name == "get_health"]
    (document,) = [one for one in OPERATIONS if one.name == "get_openapi"]
    found = run(1, SEED, 1, (replace(health, handler=handler), document))
    assert f"GET /healthz: {check}" in found.failures
    assert "curl" in found.failures[f"GET /healthz: {check}"].code


@pytest.mark.filterwarnings("default")
def test_an_operation_that_takes_what_it_says_it_does_not_is_found():
    (kind,) = [one for one in OPERATIONS if one.name == "get_problem_type"]
    (document,) = [one for one in OPERATIONS if one.name == "get_openapi"]

    async def shrug(call: Call) -> Answer:
        return Answer("whatever")

    loose = replace(kind, handler=shrug, params=Anything)
    found = run(1, SEED, 1, (loose, document))
    assert not found.failures
    found = run(1, SEED, 1, (replace(loose, params=Promised), document))
    assert "GET /problems/{name}: negative_data_rejection" in found.failures


class Anything(Struct, frozen=True):
    name: str


class Promised(Struct, frozen=True):
    """Says more than it checks."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z]{3}$"})]
