"""`proffer subject` and the same over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.conftest import running
from tests.control_plane.homes import StorageHome
from tests.control_plane.people import guarded, member
from tests.control_plane.rights.person import CUSTOMER, ORDER, VISITOR, Story, holding, opened
from tests.support.cli import assert_clear, proffer


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With the person in it, and tables in a folder of the shop's own."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = guarded(tmp_path, StorageHome(""))
    services = Services.open(settings)
    story = Story(services, tmp_path / "own")
    asyncio.run(story.live())
    story.compact()
    services.close()
    return settings


def test_a_person_is_exported_corrected_and_erased_beside_a_running_server(
    shop: Settings, tmp_path: Path
):
    who = ("--visitor", VISITOR, "--customer", CUSTOMER, "--data", shop.data)
    own = ("--tables", tmp_path / "own")
    services = Services.open(shop)  # as a server that runs meanwhile
    exported = proffer("subject", "export", *who)
    assert exported.code == 0
    assert len(exported.document["decisions"]) == 3
    file = tmp_path / "person.json"
    assert proffer("subject", "export", *who, "--output", file).code == 0
    assert json.loads(file.read_text())["orders"] == exported.document["orders"]
    order = ("--order", ORDER, "--data", shop.data, *own)
    assert proffer("subject", "correct", *order, "--margin", "18.00").out == (
        "changed: margin_micros\n"
    )
    assert holding(tmp_path / "own")
    erased = proffer("subject", "erase", *who, *own, "--json")
    assert erased.code == 0 and erased.document["left"] == []
    assert holding(shop.data, tmp_path / "own") == []
    assert opened(services).rows_holding() == {}
    services.close()


def test_wrong_use_is_told(shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = ("--data", shop.data)
    assert proffer("subject", "erase", *data).code == 2
    unknown = proffer("subject", "correct", "--order", "never", "--margin", "1", *data)
    assert_clear(unknown, 1)
    wrong = proffer("subject", "correct", "--order", ORDER, "--margin", "much", *data)
    assert wrong.code == 1
    shop.keys.rename(tmp_path / "away")
    missing = proffer("subject", "erase", "--visitor", VISITOR, *data)
    assert missing.code == 3 and "PROFFER_EDGE_SECRET_FILE" in missing.err
    assert not shop.keys.exists()


@pytest.mark.anyio
async def test_admins_do_the_same_over_http(shop: Settings):
    async with running(shop) as plane:
        admin = member(plane.services, "eva", ["admin"]).headers
        editor = member(plane.services, "ed", ["editor", "publisher", "approver"]).headers
        who = {"visitors": [VISITOR], "customers": [CUSTOMER]}

        async def ask(step: str, body: object, headers: dict[str, str] = admin):
            return await plane.client.post(f"/v1/subjects/{step}", json=body, headers=headers)

        assert (await ask("export", who, editor)).status_code == 403
        assert len((await ask("export", who)).json()["orders"]) == 1
        corrected = await ask("correct", {"order_id": ORDER, "customer": ""})
        assert corrected.json()["changed"] == ["customer"]
        nobody = await ask("correct", {"order_id": "never", "customer": ""})
        assert (nobody.status_code, nobody.json()["type"]) == (404, "/problems/unknown-order")
        assert (await ask("erase", {})).status_code == 400
        assert (await ask("erase", who)).json()["left"] == []
        assert opened(plane.services).rows_holding() == {}
