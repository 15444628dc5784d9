"""Every endpoint and everybody: the real application answers as docs/reference/permissions.md
says, without a gap."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from starlette.routing import Mount, Route

from control_plane.accounts import matrix
from control_plane.accounts.actor import PERMISSIONS, ROLES, Permission, Role
from control_plane.accounts.matrix import LOGIN, PUBLIC, Line
from control_plane.accounts.roles import PERMISSIONS_OF
from control_plane.api.all import OPERATIONS
from control_plane.app import create_app
from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.homes import StorageHome
from tests.control_plane.people import URL, Member, again, guarded, key, member
from tests.support.parts import ROOT

pytestmark = pytest.mark.anyio
PAGE = ROOT / "docs" / "reference" / "permissions.md"
ROW = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (\S+)` \| (\w+) \| (.+) \|$", re.MULTILINE)
DENIED = {"unauthorized": 401, "not-permitted": 403, "forbidden": 403}

WAY_IN = {
    ("GET", "/"),
    ("GET", "/console/login"), ("POST", "/console/login"), ("POST", "/console/logout"),
    ("GET", "/console/setup"), ("POST", "/console/setup"),
    ("GET", "/console/account"), ("POST", "/console/account/password"),
    ("POST", "/console/account/end"),
}  # fmt: skip
"""Pages for coming in and going out; the last three show nothing without a session."""


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome) -> Settings:
    return guarded(tmp_path, home, calls_per_s=0, public_calls_per_s=0)


@pytest.fixture
async def plane(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as plane:
        yield plane


def cells() -> list[tuple[Line, dict[str, bool]]]:
    """The checked-in table: each line, and which roles it says may."""
    found = []
    for method, path, permission, marks in ROW.findall(PAGE.read_text()):
        may = [mark == matrix.YES for mark in marks.split(" | ")]
        found.append((Line(method, path, permission), dict(zip(ROLES, may, strict=True))))
    return found


def address(line: Line) -> str:
    """With something in place of each parameter."""
    return re.sub(r"\{[^}]+\}", "0" * 16, line.path)


async def denial(plane: Running, line: Line, headers: dict[str, str]) -> str:
    """The name of the problem if the caller was turned away, else "".

    A request that changes something has no body, so that whoever is let in changes nothing.
    """
    plane.client.cookies.clear()
    where = f"{line.method} {line.path}"
    if line.path.startswith("/console"):
        return await _denied_page(plane, line, headers)
    async with plane.client.stream(line.method, address(line), headers=headers) as answer:
        if answer.status_code not in DENIED.values():
            assert answer.status_code < 500, where
            return ""
        problem = msgspec.json.decode(await answer.aread())
    name = problem["type"].rpartition("/")[2]
    assert DENIED.get(name) == answer.status_code, (where, problem)
    return name


async def _denied_page(plane: Running, line: Line, headers: dict[str, str]) -> str:
    """The console's pages send people to the login; its buttons are forms with a token."""
    if line.method == "POST":
        form = {"csrf": headers.get("X-CSRF-Token", "none")}
        if "X-CSRF-Token" not in headers:
            headers = headers | {"Origin": URL, "Cookie": "proffer_console=none"}
        answer = await plane.client.post(line.path, data=form, headers=headers)
    else:
        answer = await plane.client.get(line.path, headers=headers)
    if answer.headers.get("location") == "/console/login":
        return "unauthorized"
    if answer.headers.get("content-type", "").startswith("text/html"):
        return "not-permitted" if answer.status_code == 403 else ""
    return answer.json()["type"].rpartition("/")[2] if answer.status_code in (401, 403) else ""


# --- no gaps ------------------------------------------------------------------


def test_the_checked_in_table_is_the_generated_one():
    told = "Run: python -m control_plane.accounts.matrix > docs/reference/permissions.md"
    assert PAGE.read_text() == matrix.page(), told


async def test_the_table_has_every_operation_of_the_openapi_document(plane: Running):
    document = (await plane.client.get("/v1/openapi.json")).json()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    table = {(line.method, line.path) for line, _ in cells() if "/console" not in line.path}
    assert table == described == {(each.method, each.path) for each in OPERATIONS}


def test_the_table_has_every_route_there_is(settings: Settings):
    """Routes of operations take every method themselves, so only their paths are compared."""
    told = {(line.method, line.path) for line, _ in cells()} | WAY_IN
    paths, pages = set(), set()
    for route in create_app(settings).routes:
        if isinstance(route, Mount):
            assert route.path == "/console/static"
            continue
        assert isinstance(route, Route)
        paths.add(re.sub(r":\w+\}", "}", route.path))
        pages |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    assert paths == {path for _, path in told}
    assert pages == {(method, path) for method, path in told if path in {p for _, p in pages}}


# --- every cell ---------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_exactly_what_the_table_says(plane: Running, role: Role):
    somebody = member(plane.services, role, [role])
    for line, may in cells():
        who = again(plane.services, somebody) if line.permission == LOGIN else somebody
        name = await denial(plane, line, who.headers)
        assert name == ("" if may[role] else "not-permitted"), line


async def test_somebody_without_a_role_may_only_what_takes_none(plane: Running):
    somebody = member(plane.services, "nemo", [])
    for line, _ in cells():
        who = again(plane.services, somebody) if line.permission == LOGIN else somebody
        name = await denial(plane, line, who.headers)
        assert name == ("" if line.allows(frozenset()) else "not-permitted"), line


async def test_nobody_may_only_what_is_public(plane: Running):
    for line, _ in cells():
        name = await denial(plane, line, {})
        assert name == ("" if line.permission == PUBLIC else "unauthorized"), line


@pytest.mark.parametrize("scope", PERMISSIONS)
async def test_a_key_with_a_single_scope_may_that_alone(plane: Running, scope: Permission):
    headers = key(plane.services, scope)
    for line, _ in cells():
        if "/console" in line.path:  # for people with a session
            assert await denial(plane, line, headers) == "unauthorized", line
            continue
        name = await denial(plane, line, headers)
        assert name == ("" if line.allows(frozenset({scope})) else "not-permitted"), line


async def test_no_cookie_alone_changes_anything(plane: Running):
    """What another page can make a browser send: the cookie, but neither Origin nor token."""
    somebody = member(plane.services, "anna", ["admin"])
    for line, _ in cells():
        if line.method == "GET" or line.permission == PUBLIC:
            continue
        for headers in forgeries(somebody):
            name = await denial(plane, line, headers)
            assert name == "forbidden", (line, headers)


def forgeries(somebody: Member) -> list[dict[str, str]]:
    token = {name: somebody.headers[name] for name in somebody.headers if name != "Origin"}
    return [
        somebody.cookie | {"X-CSRF-Token": "guessed"},
        token,
        token | {"Origin": "http://evil.example"},
        somebody.cookie | {"Origin": URL, "X-CSRF-Token": "guessed"},
    ]


def test_roles_are_what_was_agreed():
    assert {role: sorted(PERMISSIONS_OF[role]) for role in ROLES} == {
        "viewer": ["read"],
        "editor": ["edit", "read"],
        "approver": ["approve", "read"],
        "publisher": ["kill", "publish", "read"],
        "admin": sorted(PERMISSIONS),
    }
