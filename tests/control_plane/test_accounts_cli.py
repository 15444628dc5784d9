"""`proffer accounts`, and the link that `proffer serve` prints: for whoever runs the server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from control_plane.services import Services
from tests.control_plane.homes import StorageHome
from tests.control_plane.people import PASSWORD, found_admin, guarded
from tests.support.cli import PROFFER, Ran, assert_clear, proffer
from tests.support.parts import ROOT
from tests.support.processes import serving


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop of its own tenant, with one admin."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = guarded(tmp_path, StorageHome(""))
    services = Services.open(settings)
    found_admin(services)
    services.close()
    return settings.data


def accounts(data: Path, *arguments: str) -> Ran:
    return proffer("accounts", *arguments, "--data", data)


def states(data: Path) -> list[tuple[str, list[str], bool]]:
    listed = accounts(data, "list", "--json").document
    return [(each["name"], each["roles"], each["disabled"]) for each in listed]


def test_people_are_added_changed_disabled_and_listed(data: Path):
    made = accounts(data, "add", "eva", "editor", "viewer", "--json")
    assert made.code == 0
    assert made.document["link"].startswith("http://127.0.0.1:8700/console/setup?token=")
    assert accounts(data, "roles", "EVA", "publisher").out == "eva: publisher, not set up\n"
    assert accounts(data, "disable", "eva").code == 0
    assert states(data) == [("anna", ["admin"], False), ("eva", ["publisher"], True)]
    assert accounts(data, "enable", "eva").code == 0
    assert accounts(data, "list").out.splitlines()[1].split("\t")[:3] == [
        "anna", "admin", "active",
    ]  # fmt: skip


def test_a_locked_out_admin_gets_a_link_that_works(data: Path, tmp_path: Path):
    ran = accounts(data, "link", "anna", "--server", "https://console.example/", "--json")
    link = ran.document["link"]
    assert link.startswith("https://console.example/console/setup?token=")
    services = Services.open(guarded(tmp_path, StorageHome("")))
    new = "another horse battery"
    services.accounts.logins.set_up(link.partition("token=")[2], "", new)
    assert services.accounts.logins.log_in("anna", new, "192.0.2.1").session.user
    services.close()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["disable", "anna"], 1, "nobody could manage accounts"),
        (["roles", "anna", "viewer"], 1, "nobody could manage accounts"),
        (["add", "ANNA", "viewer"], 1, "there is an account"),
        (["add", "a b", "viewer"], 1, "neither blanks nor slashes"),
        (["add", "eva", "king"], 2, "no role 'king'"),
        (["link", "eva"], 1, "nobody is called"),
        (["link"], 1, "there are accounts already"),
    ],
)
def test_what_cannot_be_says_why(data: Path, arguments: list[str], code: int, told: str):
    ran = accounts(data, *arguments)
    assert_clear(ran, code)
    assert told in ran.err
    assert states(data) == [("anna", ["admin"], False)]


def test_where_nothing_is_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    ran = accounts(tmp_path / "nowhere", "list")
    assert ran.code == 3
    assert not (tmp_path / "nowhere").exists()


def test_the_first_start_prints_a_link_and_the_next_does_not(tmp_path: Path):
    settings = guarded(tmp_path, StorageHome(""))
    command = [
        *PROFFER, "serve", "--catalog", str(settings.catalog), "--data", str(settings.data),
        "--port", "{port}", "--json",
    ]  # fmt: skip
    cheap = {"PROFFER_ARGON2_PASSES": "1", "PROFFER_ARGON2_MEMORY_KIB": "8", "DATABASE_URL": ""}
    with serving(command, path="/healthz", cwd=ROOT, env=cheap) as server:
        told = json.loads(server.output()[: server.output().index("\n}") + 2])
        assert told["setup"].startswith(f"{server.url}/console/setup?token=")
        assert "Set password" in httpx.get(told["setup"]).text
        token = told["setup"].partition("token=")[2]
        said = {"token": token, "name": "anna", "password": PASSWORD}
        assert httpx.post(f"{server.url}/v1/session/setup", json=said).status_code == 201
        assert server.output().count("token=") == 1
    with serving(command, path="/healthz", cwd=ROOT, env=cheap) as server:
        assert "token=" not in server.output()
