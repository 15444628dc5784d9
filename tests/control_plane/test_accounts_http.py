"""Accounts over HTTP and in the console: cookies, forgery, pages, and what each may press."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from control_plane.accounts.sessions import form_token
from control_plane.settings import Settings
from control_plane.storage import tables_accounts as t
from tests.control_plane.conftest import Running, running
from tests.control_plane.homes import StorageHome
from tests.control_plane.people import (
    PASSWORD,
    URL,
    first_token,
    found_admin,
    guarded,
    key,
    member,
    submit,
)

pytestmark = pytest.mark.anyio
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome) -> Settings:
    return guarded(tmp_path, home)


@pytest.fixture
async def plane(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as plane:
        yield plane


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


# --- logging in over HTTP -----------------------------------------------------


async def test_a_program_logs_in_acts_and_logs_out(plane: Running):
    found_admin(plane.services)
    said = {"name": "anna", "password": PASSWORD}
    opened = await plane.client.post("/v1/session", json=said)
    assert opened.status_code == 201
    own = {"Origin": URL, "X-CSRF-Token": opened.json()["form_token"]}
    who = (await plane.client.get("/v1/session")).json()
    assert (who["name"], "accounts" in who["permissions"]) == ("anna", True)
    assert who["form_token"] == opened.json()["form_token"]
    new = {"name": "eva", "roles": ["editor"]}
    assert (await plane.client.post("/v1/accounts/users", json=new)).status_code == 403
    made = await plane.client.post("/v1/accounts/users", json=new, headers=own)
    assert made.status_code == 201
    assert made.json()["setup"]["path"].startswith("/console/setup?token=")
    assert (await plane.client.delete("/v1/session", headers=own)).status_code == 204
    assert problem(await plane.client.get("/v1/session")) == (401, "unauthorized")


async def test_the_cookie_of_a_login_is_for_this_server_alone(plane: Running):
    found_admin(plane.services)
    said = {"name": "anna", "password": PASSWORD}
    cookie = (await plane.client.post("/v1/session", json=said)).headers["set-cookie"]
    assert cookie.startswith("proffer_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    url = "https://127.0.0.1/v1/session"
    cookie = (await plane.client.post(url, json=said)).headers["set-cookie"]
    assert cookie.startswith("__Host-proffer_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


async def test_over_https_a_form_from_http_is_foreign(plane: Running):
    token = found_admin(plane.services)
    headers = {
        "Cookie": f"__Host-proffer_session={token}",
        "X-CSRF-Token": form_token(token),
    }
    url = "https://127.0.0.1/v1/session/password"
    said = {"present": "x", "new": "y"}
    for origin, name in (("http://127.0.0.1", "forbidden"), ("https://127.0.0.1", "weak-password")):
        answer = await plane.client.post(url, json=said, headers=headers | {"Origin": origin})
        assert problem(answer)[1] == name


async def test_another_page_cannot_log_somebody_in(plane: Running):
    found_admin(plane.services)
    said, foreign = {"name": "anna", "password": PASSWORD}, {"Origin": "http://evil.example"}
    answer = await plane.client.post("/v1/session", json=said, headers=foreign)
    assert problem(answer) == (403, "forbidden")


async def test_a_wrong_key_is_refused_whatever_cookie_comes_along(plane: Running):
    anna = member(plane.services, "anna", ["admin"])
    headers = anna.headers | {"Authorization": "Bearer proffer_wrong"}
    assert problem(await plane.client.get("/v1/learning", headers=headers))[0] == 401


async def test_a_session_ends_by_time_and_by_idleness(plane: Running):
    anna = member(plane.services, "anna", ["viewer"])
    now_s, idle_s = int(time.time()), plane.services.settings.session_idle_s
    for values in ({"ends_s": now_s}, {"ends_s": now_s + 60, "seen_s": now_s - idle_s}):
        assert (await plane.client.get("/v1/session", headers=anna.cookie)).status_code == 200
        with plane.services.database.writing() as connection:
            connection.execute(update(t.sessions).values(**values))
        assert (await plane.client.get("/v1/session", headers=anna.cookie)).status_code == 401
        with plane.services.database.writing() as connection:
            connection.execute(update(t.sessions).values(ends_s=now_s + 60, seen_s=now_s))


async def test_roles_that_changed_hold_from_the_next_request_on(plane: Running):
    anna, eva = (member(plane.services, name, ["admin"]) for name in ("anna", "eva"))
    path = f"/v1/accounts/users/{eva.user.id}"
    seen = await plane.client.get(path, headers=anna.headers)
    new, version = {"roles": ["viewer"]}, {"If-Match": seen.headers["etag"]}
    put = await plane.client.put(f"{path}/roles", json=new, headers=anna.headers | version)
    assert (put.status_code, put.json()["roles"]) == (200, ["viewer"])
    assert problem(await plane.client.get(path, headers=eva.headers)) == (403, "not-permitted")
    stale = await plane.client.put(f"{path}/roles", json=new, headers=anna.headers | version)
    assert problem(stale) == (412, "precondition-failed")


async def test_a_setup_link_works_over_http_once(plane: Running):
    said = {"token": first_token(plane.services), "password": PASSWORD}
    missing = await plane.client.post("/v1/session/setup", json=said)
    assert problem(missing) == (400, "malformed-request")
    made = await plane.client.post("/v1/session/setup", json=said | {"name": "anna"})
    assert (made.status_code, made.json()["name"]) == (201, "anna")
    again = await plane.client.post("/v1/session/setup", json=said | {"name": "eva"})
    assert problem(again) == (410, "setup-link-spent")


async def test_lists_come_in_pages(plane: Running):
    anna = member(plane.services, "anna", ["admin"])
    for name in ("Zoe", "eva", "mia"):
        plane.services.accounts.users.add(anna.user.actor, name, [])
    names, after = [], ""
    for _ in range(2):
        url = f"/v1/accounts/users?limit=2&after={after}"
        page = (await plane.client.get(url, headers=anna.headers)).json()
        names += [user["name"] for user in page["items"]]
        after = page["next"]
    assert (names, after) == (["anna", "eva", "mia", "Zoe"], None)


async def test_a_key_is_shown_once_and_has_no_session(plane: Running):
    admin = key(plane.services, "accounts", "read")
    new = {"name": "ci", "scopes": ["read"]}
    made = (await plane.client.post("/v1/accounts/keys", json=new, headers=admin)).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    who = (await plane.client.get("/v1/session", headers=bearer)).json()
    assert (who["id"], who["permissions"]) == (f"key:{made['key']['id']}", ["read"])
    listed = await plane.client.get("/v1/accounts/keys", headers=admin)
    assert made["secret"] not in listed.text
    assert made["key"]["prefix"] in listed.text
    for method, path in (("DELETE", "/v1/session"), ("GET", "/v1/session/all")):
        answer = await plane.client.request(method, path, headers=bearer)
        assert problem(answer) == (409, "not-a-person")
    path = f"/v1/accounts/keys/{made['key']['id']}"
    assert (await plane.client.delete(path, headers=admin)).json()["revoked_s"]
    assert (await plane.client.get("/v1/session", headers=bearer)).status_code == 401


# --- the open console ---------------------------------------------------------


async def test_in_the_open_console_everybody_here_may_do_everything(tmp_path: Path):
    settings = guarded(tmp_path, StorageHome(""), open_console=True)
    async with running(settings) as plane:
        who = (await plane.client.get("/v1/session")).json()
        assert (who["id"], len(who["permissions"])) == ("local", 11)
        foreign = {"Host": "evil.example"}
        assert (await plane.client.get("/v1/session", headers=foreign)).status_code == 401
        new, evil = {"name": "eva"}, {"Origin": "http://evil.example"}
        answer = await plane.client.post("/v1/accounts/users", json=new, headers=evil)
        assert problem(answer) == (403, "forbidden")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "console.example", ""])
def test_without_a_login_the_console_stays_on_this_machine(tmp_path: Path, host: str):
    with pytest.raises(ValueError, match="PROFFER_OPEN_CONSOLE"):
        Settings(data=tmp_path, open_console=True, host=host)


# --- the console --------------------------------------------------------------


async def test_without_a_session_every_page_leads_to_the_login(plane: Running):
    for path in ("/console", "/console/account"):
        answer = await plane.client.get(path)
        assert answer.headers["location"] == "/console/login"
    assert (await plane.client.get("/console/live")).status_code == 401


async def test_the_first_account_logs_in_and_out_by_hand(plane: Running):
    client, token = plane.client, first_token(plane.services)
    page, words = f"/console/setup?token={token}", {"password": PASSWORD, "again": PASSWORD}
    wrong = words | {"again": "typed otherwise"}
    answer = await submit(client, page, "/console/setup", token=token, name="anna", **wrong)
    assert answer.status_code == 422
    assert "typed in two ways" in answer.text
    answer = await submit(client, page, "/console/setup", token=token, name="anna", **words)
    assert answer.headers["location"] == "/console"
    assert "Publish catalog" in (await client.get("/console")).text
    assert (await client.get("/console/login")).headers["location"] == "/console"
    session = client.cookies["proffer_session"]
    answer = await submit(client, "/console", "/console/logout")
    assert answer.headers["location"] == "/console/login"
    client.cookies.set("proffer_session", session)
    assert (await client.get("/console")).headers["location"] == "/console/login"
    spent = await client.get(page)
    assert spent.status_code == 410
    assert 'name="password"' not in spent.text


async def test_a_wrong_password_is_told_on_the_page_and_leaves_the_name(plane: Running):
    found_admin(plane.services)
    answer = await submit(
        plane.client, "/console/login", "/console/login", name='<b>"anna', password="wrong"
    )
    assert answer.status_code == 401
    assert 'value="&lt;b&gt;&#34;anna"' in answer.text
    answer = await submit(
        plane.client, "/console/login", "/console/login", name="anna", password=PASSWORD
    )
    assert answer.headers["location"] == "/console"


async def test_a_login_form_needs_its_token_and_its_origin(plane: Running):
    found_admin(plane.services)
    said = {"name": "anna", "password": PASSWORD}
    page = (await plane.client.get("/console/login")).text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    for form, headers in (
        (said | {"csrf": found[1]}, {}),
        (said | {"csrf": found[1]}, {"Origin": "http://evil.example"}),
        (said | {"csrf": "guessed"}, {"Origin": URL}),
        (said, {"Origin": URL}),
    ):
        answer = await plane.client.post("/console/login", data=form, headers=headers)
        assert problem(answer) == (403, "forbidden")


async def test_the_token_of_one_session_is_worth_nothing_in_another(plane: Running):
    anna, eva = (member(plane.services, name, ["admin"]) for name in ("anna", "eva"))
    form, headers = {"csrf": form_token(eva.token)}, anna.cookie | {"Origin": URL}
    answer = await plane.client.post("/console/publish", data=form, headers=headers)
    assert problem(answer) == (403, "forbidden")


async def test_each_sees_the_buttons_they_may_press(plane: Running):
    buttons = {"Publish catalog": "publisher", "Pause</button>": "publisher"}
    for role in ("viewer", "editor", "approver", "publisher", "admin"):
        somebody = member(plane.services, role, [role])
        html = (await plane.client.get("/console", headers=somebody.cookie)).text
        for text, wanted in buttons.items():
            assert (text in html) == (role in (wanted, "admin")), (role, text)


async def test_somebody_without_a_role_is_told_so_and_can_log_out(plane: Running):
    nemo = member(plane.services, "nemo", [])
    answer = await plane.client.get("/console", headers=nemo.cookie)
    assert answer.status_code == 403
    assert "Log out" in answer.text
    assert "Incremental" not in answer.text


async def test_what_somebody_published_carries_their_name(plane: Running):
    anna = member(plane.services, "anna", ["publisher"])
    form = {"csrf": form_token(anna.token), "offer": "ten-off"}
    headers = anna.cookie | {"Origin": URL}
    answer = await plane.client.post("/console/pause", data=form, headers=headers)
    assert answer.headers["location"] == "/console?done=pause"
    live = plane.services.publisher.live()
    assert live is not None
    assert live.actor == anna.user.actor.id
    html = (await plane.client.get("/console", headers=anna.cookie)).text
    assert re.search(r'<span class="fine">[^<]*anna</span>', html) or live.note


async def test_ones_own_password_and_sessions_are_changed_by_hand(plane: Running):
    found_admin(plane.services)
    client, page = plane.client, "/console/account"
    await submit(client, "/console/login", "/console/login", name="anna", password=PASSWORD)
    html = (await client.get(page)).text
    others = re.findall(r'name="session" value="([0-9a-f]{16})">(?:(?!</form>).)*End', html, re.S)
    assert len(others) == 1
    answer = await submit(client, page, f"{page}/end", session=others[0])
    assert answer.headers["location"] == "/console/account?done=ended"
    new = "another horse battery"
    form = {"present": PASSWORD, "new": new, "again": new}
    answer = await submit(client, page, f"{page}/password", **form)
    assert answer.headers["location"] == "/console/account?done=password"
    assert "The password is changed" in (await client.get(answer.headers["location"])).text
    wrong = await submit(client, page, f"{page}/password", **form)
    assert wrong.status_code == 401
