"""The OpenAPI document, and what every operation of the API keeps to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import inspect

from control_plane.api.all import OPERATIONS
from control_plane.api.describing import plainly
from control_plane.api.openapi import encoded, problems_of
from control_plane.api.operation import JSON, Operation
from control_plane.errors import PROBLEMS
from tests.control_plane.conftest import Running
from tests.control_plane.test_cli import proffer

DOCUMENT = msgspec.json.decode(encoded(OPERATIONS))
EVERY = pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)


def described(one: Operation) -> dict[str, Any]:
    return DOCUMENT["paths"][one.path][one.method.lower()]


# --- every operation ----------------------------------------------------------


def test_names_are_unique_and_begin_with_a_verb_in_snake_case():
    assert not [name for name, n in Counter(one.name for one in OPERATIONS).items() if n > 1]
    assert not [
        one.name for one in OPERATIONS if not re.fullmatch(r"[a-z]+(_[a-z]+)+|whoami", one.name)
    ]


@EVERY
def test_its_path_has_its_parameters(one: Operation):
    named = set(re.findall(r"{(\w+)}", one.path))
    fields = msgspec.structs.fields(one.params) if one.params else ()
    assert {field.encode_name for field in fields} == named
    assert one.path in ("/healthz", "/metrics") or one.path.startswith(("/v1/", "/problems/"))


@EVERY
def test_its_problems_are_known_and_its_successes_are_some(one: Operation):
    assert set(one.problems) <= set(PROBLEMS)
    assert one.answers and all(200 <= status < 300 for status in one.answers)
    assert {"internal", "rate-limited"} <= set(problems_of(one))


@EVERY
def test_it_says_in_one_sentence_what_it_does(one: Operation):
    assert re.fullmatch(r"[A-Z`].{8,110}", one.summary), one.summary


@EVERY
def test_an_edit_that_names_a_version_can_be_asked_for_it(one: Operation):
    if one.takes_if_match:
        assert one.changes


@EVERY
def test_its_body_takes_no_field_that_it_does_not_know(one: Operation):
    if one.body is None or one.body_media != JSON:
        return
    open_ones = [kind for kind in structs_in(inspect.type_info(one.body)) if not is_closed(kind)]
    assert not open_ones


def is_closed(kind: inspect.StructType) -> bool:
    return kind.cls.__struct_config__.forbid_unknown_fields


def structs_in(kind: Any, seen: frozenset[Any] = frozenset()) -> Iterator[inspect.StructType]:
    """All Structs inside a type."""
    if isinstance(kind, inspect.StructType):
        if kind.cls in seen:
            return
        yield kind
        seen |= {kind.cls}
        for field in kind.fields:
            yield from structs_in(field.type, seen)
    elif isinstance(kind, inspect.Type):
        for name in kind.__struct_fields__:
            part = getattr(kind, name)
            for each in part if isinstance(part, tuple) else (part,):
                yield from structs_in(each, seen)


SECRET = re.compile(r"secret|password|token|\blink\b|url")


@EVERY
def test_what_answers_with_a_secret_takes_no_key_since_answers_are_kept(one: Operation):
    if one.takes_idempotency_key:
        kinds = [inspect.type_info(kind) for kind in one.answers.values() if kind is not None]
        names = [field.name for kind in kinds for s in structs_in(kind) for field in s.fields]
        assert not [name for name in names if SECRET.search(name)]


# --- the document -------------------------------------------------------------


def schemas() -> Iterator[tuple[str, Any]]:
    yield from DOCUMENT["components"]["schemas"].items()
    for one in OPERATIONS:
        for parameter in described(one)["parameters"]:
            yield f"{one.name}.{parameter['name']}", parameter["schema"]


def test_every_schema_is_one_of_json_schema_2020_12():
    for name, schema in schemas():
        Draft202012Validator.check_schema(schema)
        for pattern in patterns(schema):
            assert not re.search(r"\\[AZzswdbSWDB]|\\ud|\(\?[P<]", pattern), (name, pattern)


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from patterns(each)


def test_every_reference_leads_somewhere():
    text = msgspec.json.encode(DOCUMENT).decode()
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        place: Any = DOCUMENT
        for part in reference.split("/"):
            place = place[part]
        assert place


def test_a_problem_says_which_types_it_may_have():
    reserve = DOCUMENT["paths"]["/v1/redemptions/reserve"]["post"]
    name = reserve["responses"]["410"]["$ref"].rpartition("/")[2]
    schema = DOCUMENT["components"]["responses"][name]["content"]["application/problem+json"]
    assert schema["schema"]["properties"]["type"]["enum"] == ["/problems/token-expired"]


@EVERY
def test_who_may_is_told(one: Operation):
    told = described(one)
    assert told["x-permission"] == one.permission
    assert bool(told["security"]) == (one.permission != "public" or one.knows_caller)
    assert ("401" in told["responses"]) >= (one.permission != "public")
    assert ("403" in told["responses"]) >= (one.permission not in ("public", "login"))


def test_links_lead_from_a_thing_to_what_can_be_done_with_it():
    reserve = DOCUMENT["paths"]["/v1/redemptions/reserve"]["post"]["responses"]["200"]["links"]
    assert reserve["commit_redemption"] == {
        "operationId": "commit_redemption",
        "requestBody": {"reservation": "$response.body#/reservation"},
    }
    created = DOCUMENT["paths"]["/v1/drafts"]["post"]["responses"]["201"]["links"]
    assert created["get_draft"] == {
        "operationId": "get_draft",
        "parameters": {"draft": "$response.body#/id"},
    }


def test_links_name_operations_and_parameters_that_there_are():
    known = {one.name: {p["name"] for p in described(one)["parameters"]} for one in OPERATIONS}
    for one in OPERATIONS:
        for response in described(one)["responses"].values():
            for link in response.get("links", {}).values():
                sent = {name.removeprefix("header.") for name in link.get("parameters", ())}
                assert sent <= known[link["operationId"]]


def test_patterns_are_told_in_every_dialect():
    told = plainly([{"pattern": r"\A[^/\ud800-\udfff]+\Z"}, {"x": {"pattern": r"\Aa"}}])
    assert told == [{"pattern": "^[^/]+$"}, {"x": {"pattern": "^a"}}]


def test_blanks_are_those_that_the_server_knows():
    (pattern,) = plainly([{"pattern": r"\A[\s]\Z"}])
    there = {chr(n) for n in range(0x10000) if chr(n).isspace()}
    assert {chr(n) for n in range(0x10000) if re.search(pattern["pattern"], chr(n))} == there


@pytest.mark.anyio
async def test_it_is_served_and_printed_the_same(plane: Running):
    answer = await plane.client.get("/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT == msgspec.json.decode(proffer("openapi").out)
