"""Drafts and reviews over HTTP: what a client sends, and what it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from control_plane.drafting.folders import unpack
from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.desks import BOB, copied, seeded

pytestmark = pytest.mark.anyio

YAML, ARCHIVE = {"Content-Type": "application/yaml"}, {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return seeded(tmp_path_factory.mktemp("seed"))


@pytest.fixture
async def plane(seed: Settings, tmp_path: Path) -> AsyncIterator[Running]:
    settings = replace(copied(seed, tmp_path), open_console=True)
    async with running(settings) as plane:
        yield plane


async def begin(plane: Running) -> dict[str, Any]:
    answer = await plane.client.post("/v1/drafts", json={"name": "Autumn"})
    assert answer.status_code == 201 and answer.headers["etag"] == answer.json()["etag"]
    return answer.json()


async def retitle(plane: Running, draft: dict[str, Any], title: str) -> httpx.Response:
    edit = {"op": "set", "path": "offers[ten-off].title", "value": title}
    return await plane.client.post(
        f"/v1/drafts/{draft['id']}/edits",
        json={"edits": [edit], "message": "why not"},
        headers={"If-Match": draft["etag"]},
    )


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_an_edit_says_which_version_it_is_of(plane: Running) -> None:
    draft = await begin(plane)
    address = f"/v1/drafts/{draft['id']}/file?path=new.yaml"
    answer = await plane.client.put(address, content=b"groups: {}", headers=YAML)
    assert problem(answer) == (428, "precondition-required")
    edited = (await retitle(plane, draft, "Autumn")).json()
    stale = await retitle(plane, draft, "Winter")
    assert problem(stale) == (412, "precondition-failed")
    assert stale.headers["etag"] == edited["etag"]
    got = await plane.client.get(f"/v1/drafts/{draft['id']}")
    assert got.headers["etag"] == edited["etag"] and got.json() == edited


async def test_files_come_and_go_byte_by_byte(plane: Running) -> None:
    draft = await begin(plane)
    address, data = f"/v1/drafts/{draft['id']}/file?path=a/new.yaml", b"\xef\xbb\xbfgroups: {}\r\n"
    put = await plane.client.put(address, content=data, headers=YAML | {"If-Match": draft["etag"]})
    assert put.status_code == 200
    got = await plane.client.get(address)
    assert got.content == data and got.headers["content-type"] == "application/yaml"
    gone = await plane.client.delete(address, headers={"If-Match": put.json()["etag"]})
    assert gone.json()["head"] == draft["head"]
    assert problem(await plane.client.get(address)) == (404, "unknown-file")
    odd = await plane.client.put(
        f"/v1/drafts/{draft['id']}/file?path=../x.yaml",
        content=b"",
        headers=YAML | {"If-Match": gone.json()["etag"]},
    )
    assert problem(odd) == (422, "catalog-refused") and "../x.yaml" in odd.json()["detail"]


async def test_one_offer_is_written_and_removed(plane: Running) -> None:
    draft = await begin(plane)
    address = f"/v1/drafts/{draft['id']}/offers/new"
    offer = {
        "title": "New",
        "kind": "gift",
        "placements": ["hero"],
        "rungs": [{"id": "a", "unit_cost": 1.5}],
    }
    put = await plane.client.put(
        address, json={"offer": offer}, headers={"If-Match": draft["etag"]}
    )
    assert put.json()["status"]["state"] == "ready-for-review"
    page = (await plane.client.get(f"/v1/drafts/{draft['id']}/offers?limit=200")).json()
    assert {each["id"]: each["state"] for each in page["items"]}["new"] == "draft-only"
    gone = await plane.client.delete(address, headers={"If-Match": put.json()["etag"]})
    assert gone.json()["head"] == draft["head"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
async def test_an_export_is_imported_as_the_same_content(plane: Running, kind: str) -> None:
    draft = (await retitle(plane, await begin(plane), "Autumn")).json()
    answer = await plane.client.get(f"/v1/catalog/revisions/{draft['head']}/catalog.{kind}")
    assert b"title: Autumn" in unpack(answer.content)["catalog.yaml"]
    again = await plane.client.post(
        "/v1/drafts/import?name=copy", content=answer.content, headers=ARCHIVE
    )
    assert again.status_code == 201 and again.json()["head"] == draft["head"]
    bad = await plane.client.post("/v1/drafts/import?name=x", content=b"PK", headers=ARCHIVE)
    assert problem(bad) == (422, "catalog-refused")


async def test_lists_come_in_pages(plane: Running) -> None:
    draft = await begin(plane)
    for title in ("A", "B", "C"):
        draft = (await retitle(plane, draft, title)).json()
    for address, total in ((f"/v1/drafts/{draft['id']}/history", 4), ("/v1/catalog/revisions", 4)):
        seen, after = [], ""
        while True:
            page = (await plane.client.get(f"{address}?limit=3&after={after}")).json()
            seen += page["items"]
            if page["next"] is None:
                break
            after = page["next"]
        assert len(seen) == len({str(each) for each in seen}) == total


async def test_a_review_from_question_to_approval(plane: Running) -> None:
    draft = (await retitle(plane, await begin(plane), "Autumn")).json()
    asked = await plane.client.post(
        f"/v1/drafts/{draft['id']}/reviews", json={}, headers={"If-Match": draft["etag"]}
    )
    assert asked.status_code == 201
    review = f"/v1/reviews/{asked.json()['id']}"
    (change,) = (await plane.client.get(f"{review}/diff")).json()["policy"]
    assert change["text"] == "title: Ten percent off -> Autumn"
    said = await plane.client.post(
        f"{review}/comments", json={"text": "Hm.", "about": "offer ten-off"}
    )
    comments = (await plane.client.get(f"{review}/comments")).json()
    assert said.status_code == 201 and comments["items"] == [said.json()]
    verdict = {"verdict": "approve", "content_hash": draft["head"]}
    own = await plane.client.post(f"{review}/verdicts", json=verdict)
    assert problem(own) == (403, "own-work")
    plane.services.desk.reviews.decide(BOB, asked.json()["id"], draft["head"], "approve", "")
    assert (await plane.client.get(review)).json()["is_approved"]
    got = (await plane.client.get(f"/v1/drafts/{draft['id']}")).json()
    assert (got["status"]["state"], got["status"]["approvals"]) == ("approved", 1)
    edited = (await retitle(plane, draft, "Winter")).json()
    assert edited["status"]["voided"]
    assert not (await plane.client.get(review)).json()["is_current"]
    late = await plane.client.post(f"{review}/verdicts", json=verdict)
    assert problem(late) == (409, "content-moved")


async def test_diagnostics_and_rebase_are_told_as_data(plane: Running) -> None:
    draft = await begin(plane)
    edit = {"op": "set", "path": "offers[ten-off].eligible", "value": "no.such > 1"}
    bad = await plane.client.post(
        f"/v1/drafts/{draft['id']}/edits",
        json={"edits": [edit]},
        headers={"If-Match": draft["etag"]},
    )
    assert bad.json()["status"]["state"] == "invalid"
    check = (await plane.client.get(f"/v1/drafts/{draft['id']}/diagnostics")).json()
    (found,) = [each for each in check["diagnostics"] if each["severity"] == "error"]
    assert found["file"] == "catalog.yaml" and found["line"] > 1 and found["help"]
    hint = (await plane.client.get(f"/v1/drafts/{draft['id']}/rebase")).json()
    assert hint["is_needed"] is False
    asked = await plane.client.post(
        f"/v1/drafts/{draft['id']}/reviews", json={}, headers={"If-Match": bad.json()["etag"]}
    )
    assert problem(asked) == (409, "not-reviewable")
