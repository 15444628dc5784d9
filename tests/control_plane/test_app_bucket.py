"""The control plane over HTTP while its bucket is gone: reading goes on, publishing is refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import Edge, event, send, write_catalog
from tests.support.s3 import Bucket

pytestmark = pytest.mark.anyio


@pytest.fixture
async def plane(tmp_path: Path, bucket: Bucket) -> AsyncIterator[Running]:
    catalog = write_catalog(tmp_path / "catalog")
    settings = Settings(
        data=tmp_path / "var",
        tenant="tinyshop",
        catalog=catalog,
        object_store=bucket.url,
        open_console=True,
    )
    async with running(settings) as plane:
        yield plane


async def press(plane: Running, button: str, **fields: str) -> tuple[int, str]:
    headers = {"Origin": str(plane.client.base_url), "Cookie": "proffer_console=token"}
    form = {"csrf": "token"} | fields
    answer = await plane.client.post(f"/console/{button}", data=form, headers=headers)
    return answer.status_code, answer.text


async def test_edges_shops_and_pages_go_on_without_the_bucket(plane: Running, bucket: Bucket):
    live = plane.services.publisher.live()
    assert live is not None
    path = f"/v1/bundles/{live.bundle}"
    assert (await plane.client.get(path)).status_code == 200
    decided = Edge(plane.services).decide("ann", int(time.time()))
    bucket.remove()
    assert (await plane.client.get(path)).status_code == 200  # from the folder before it
    manifest = await plane.client.get("/v1/channels/production/edge.jws")
    assert manifest.content == live.signed  # from the database
    record = plane.edge.decision_event(decided)
    assert (await send(plane.client, [record])).json()["accepted"] == 1
    assert (await plane.client.get("/console")).status_code == 200
    assert (await plane.client.get("/healthz")).status_code == 200


async def test_what_only_the_bucket_has_is_unavailable_not_missing(plane: Running, bucket: Bucket):
    """A 404 would say that it was never published, and a record of it would be quarantined."""
    bucket.remove()
    answer = await plane.client.get("/v1/bundles/" + "0" * 64)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/storage-unavailable"
    assert bucket.name not in answer.text


async def test_publishing_without_the_bucket_is_refused_and_changes_nothing(
    plane: Running, bucket: Bucket
):
    before = plane.services.publisher.live()
    bucket.remove()
    for button, fields in (("publish", {}), ("pause", {"offer": "five-off"})):
        status, text = await press(plane, button, **fields)
        assert status == 503
        assert "Nothing was changed" in text and "the bucket" in text
    assert plane.services.publisher.live() == before


async def test_a_bundle_that_is_not_at_hand_is_no_reason_to_refuse_a_beacon_for_good(
    plane: Running, bucket: Bucket
):
    decided = Edge(plane.services).decide("ann", int(time.time()))
    bucket.remove()
    plane.services.policies._kept.clear()
    for copy in (plane.services.settings.data / "cache" / "bundles").iterdir():
        copy.unlink()
    batch = [
        plane.edge.decision_event(decided),
        event(
            "shop.proffer.exposure", "e", {"decision": "a" * 32, "placement": "hero", "time_s": 1}
        ),
    ]
    assert (await send(plane.client, batch)).status_code == 503
