"""What every operation can rely on: callers, permissions, input, versions, answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from control_plane.accounts.actor import LOCAL
from control_plane.api.serving import routes_of
from control_plane.app import assemble
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.notes_api import Notes, serving
from tests.control_plane.test_app import assert_canonical

pytestmark = pytest.mark.anyio


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def services(settings: Settings) -> Any:
    services = Services.open(replace(settings, catalog=None, open_console=False))
    yield services
    services.close()


def key_for(services: Services, *scopes: Any) -> str:
    return services.accounts.keys.add(LOCAL, "test", scopes, None).secret


@pytest.fixture
async def client(notes: Notes, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """Of somebody who may read and edit."""
    async with serving(notes, services, key_for(services, "read", "edit")) as client:
        yield client


async def a_note(client: httpx.AsyncClient, text: str = "one") -> httpx.Response:
    answer = await client.post("/v1/notes", json={"text": text})
    assert answer.status_code == 201, answer.text
    return answer


# --- who ----------------------------------------------------------------------


async def test_a_stranger_is_asked_for_credentials_before_anything_is_read(
    notes: Notes, services: Services
):
    async with serving(notes, services) as stranger:
        for body in (b'{"text": "x"}', b"no json"):
            answer = await stranger.post("/v1/notes", content=body)
            assert_canonical(answer, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert notes.kept == {}


async def test_a_key_without_the_permission_is_told_which_it_takes(
    notes: Notes, services: Services
):
    async with serving(notes, services, key_for(services, "read")) as reader:
        assert (await reader.get("/v1/notes")).status_code == 200
        answer = await reader.post("/v1/notes", json={"text": "x"})
    assert "'edit'" in assert_canonical(answer, "not-permitted").detail


async def test_for_a_login_any_key_will_do(notes: Notes, services: Services):
    async with serving(notes, services, key_for(services, "audit")) as client:
        assert (await client.get("/v1/whoami")).text.startswith("key:")
        assert_canonical(await client.get("/v1/notes"), "not-permitted")


async def test_an_open_console_opens_what_people_do_and_not_what_programs_tell(
    settings: Settings,
):
    services = Services.open(replace(settings, catalog=None, open_console=True))
    try:
        async with serving(Notes(), services) as client:
            assert (await client.get("/v1/whoami")).text == "local"
            assert (await client.post("/v1/notes", json={"text": "x"})).status_code == 201
        async with serving(Notes(permission="redeem"), services) as client:
            assert_canonical(await client.get("/v1/notes"), "unauthorized")
    finally:
        services.close()


# --- what comes in ------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1e1", "`limit` is no whole number"),
        ("limit=+1", "`limit` is no whole number"),
        ("limit=", "`limit` is no whole number"),
        ("least=null", "`least` is null"),
        ("all=1", "neither true nor false"),
        ("limit=1&limit=1", "`limit` is there more than once"),
        ("colour=red", "`colour` is no parameter"),
        ("word=a%00b", "U+0000"),
        ("tag=a&tag=%00", "U+0000"),
        ("after=x", "no `next` of this list"),
    ],
)
async def test_a_query_that_does_not_fit_is_refused_with_its_parameter(
    client: httpx.AsyncClient, notes: Notes, query: str, told: str
):
    answer = await client.get(f"/v1/notes?{query}")
    assert told in assert_canonical(answer, "malformed-request").detail


async def test_a_query_is_typed(client: httpx.AsyncClient, notes: Notes):
    answer = await client.get("/v1/notes?limit=7&word=null&least=-3&tag=a&tag=b&all=true")
    assert answer.status_code == 200
    (asked,) = notes.asked
    assert (asked.limit, asked.word, asked.least) == (7, "null", -3)
    assert (asked.tag, asked.all) == (("a", "b"), True)


async def test_an_operation_without_a_query_takes_none(client: httpx.AsyncClient):
    assert_canonical(await client.get("/v1/whoami?x=1"), "malformed-request")


@pytest.mark.parametrize("path", ["/v1/notes/0", "/v1/notes/x", "/v1/notes/1.0", "/v1/notes/"])
async def test_a_path_that_does_not_fit_leads_nowhere(client: httpx.AsyncClient, path: str):
    await a_note(client)
    assert_canonical(await client.get(path), "not-found")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"text": 1}', "$.text"),
        (b'{"text": "x", "colour": "red"}', "colour"),
        (b'{"text": "\\u0000"}', "U+0000"),
        (b'{"text": "\\ud800"}', ""),
        (b'{"text": "\xff"}', ""),
        (b'{"text": "x"} {}', ""),
        (b"[" * 100_00, ""),
    ],
    ids=str,
)
async def test_a_body_that_does_not_fit_is_refused_with_its_field(
    client: httpx.AsyncClient, notes: Notes, body: bytes, told: str
):
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/v1/notes", content=body, headers=headers)
    assert told in assert_canonical(answer, "malformed-request").detail
    assert notes.kept == {}


async def test_a_backslash_before_u0000_makes_it_a_text_about_it(client: httpx.AsyncClient):
    answer = await client.post(
        "/v1/notes",
        content=b'{"text": "\\\\u0000"}',
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.json()["text"] == r"\u0000"


async def test_another_media_type_and_too_large_a_body_are_refused(client: httpx.AsyncClient):
    answer = await client.post("/v1/notes", content=b"text: x")
    assert_canonical(answer, "wrong-type")
    assert_canonical(await client.post("/v1/notes", json={"text": "x" * 70_000}), "too-large")


# --- versions -----------------------------------------------------------------


async def test_an_edit_names_the_version_that_it_is_of(client: httpx.AsyncClient, notes: Notes):
    tag = (await a_note(client)).headers["etag"]
    edit: dict[str, Any] = {"url": "/v1/notes/1", "json": {"text": "two"}}
    assert_canonical(await client.put(**edit), "precondition-required")
    changed = await client.put(**edit, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    lost = await client.put(**edit, headers={"If-Match": tag})
    assert 'the version is "2"' in assert_canonical(lost, "precondition-failed").detail
    assert notes.kept[1].version == 2


@pytest.mark.parametrize(
    ("sent", "holds"),
    [('"1"', True), ('"0", "1"', True), ("*", True), ('W/"1"', False), ("1", False), ("x", False)],
)
async def test_if_match_compares_strongly(client: httpx.AsyncClient, sent: str, holds: bool):
    await a_note(client)
    headers = {"If-Match": sent}
    answer = await client.put("/v1/notes/1", json={"text": "two"}, headers=headers)
    assert answer.status_code == (200 if holds else 412)


async def test_what_is_known_already_is_not_sent_again(client: httpx.AsyncClient):
    tag = (await a_note(client)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await client.get("/v1/notes/1", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    other = await client.get("/v1/notes/1", headers={"If-None-Match": '"2"'})
    assert other.status_code == 200


# --- answers ------------------------------------------------------------------


async def test_answers_are_typed_and_not_stored_by_others(client: httpx.AsyncClient):
    made = await a_note(client)
    assert made.headers["location"] == "/v1/notes/1"
    assert made.headers["content-type"] == "application/json"
    assert made.headers["cache-control"] == "no-store"
    assert made.headers["x-content-type-options"] == "nosniff"
    gone = await client.delete("/v1/notes/1")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-type" not in gone.headers


async def test_head_is_get_without_the_body(client: httpx.AsyncClient):
    await a_note(client)
    get, head = await client.get("/v1/notes/1"), await client.head("/v1/notes/1")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (await client.head("/v1/notes/2")).status_code == 404


async def test_options_and_wrong_methods_are_told_all_the_right_ones(client: httpx.AsyncClient):
    answer = await client.options("/v1/notes/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    for method in ("POST", "PATCH", "TRACE", "BREW"):
        wrong = await client.request(method, "/v1/notes/1")
        assert_canonical(wrong, "method-not-allowed")
        assert set(wrong.headers["allow"].split(", ")) == set(answer.headers["allow"].split(", "))


async def test_a_status_that_was_not_promised_is_a_fault_of_ours(
    client: httpx.AsyncClient, notes: Notes
):
    notes.breaks = AssertionError("a secret")
    answer = await client.post("/v1/notes", json={"text": "x"})
    assert_canonical(answer, "internal")
    assert "secret" not in answer.text


def test_an_operation_that_is_there_twice_is_noticed_at_the_start(notes: Notes):
    with pytest.raises(ValueError, match="GET /v1/notes is there twice"):
        routes_of([*notes.operations, *notes.operations[1:2]])


async def test_a_wrong_method_at_a_name_is_not_for_the_parameter(notes: Notes, services: Services):
    named = replace(notes.operations[0], path="/v1/notes/newest", name="add_newest")
    app = assemble(services.settings, [*notes.operations, named])
    app.state.services = services
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/v1/notes/newest")
    assert_canonical(answer, "method-not-allowed")
    assert answer.headers["allow"] == "OPTIONS, POST"


def test_names_come_before_parameters(notes: Notes):
    of_note = notes.operations[2]
    named = replace(of_note, path="/v1/notes/newest", name="get_newest", params=None)
    paths = [getattr(route, "path", "") for route in routes_of([of_note, named])]
    assert paths == ["/v1/notes/newest", "/v1/notes/{note}"]
