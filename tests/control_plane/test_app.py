"""What edges and shops call over HTTP: objects and their caching, health, and errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from control_plane.api.all import OPERATIONS
from control_plane.app import PAGES, create_app
from control_plane.errors import PROBLEMS, Problem
from control_plane.ingest.typed import Reason
from control_plane.settings import PREFIX, Settings
from edge.decision.bundle import open_bundle
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import write_catalog
from tests.support.parts import ROOT

pytestmark = pytest.mark.anyio
REFERENCE = (ROOT / "docs" / "reference" / "http.md").read_text()
STORES = (ROOT / "docs" / "reference" / "event-stores.md").read_text()
BEACONS = (ROOT / "docs" / "reference" / "beacons.md").read_text()
FOR_EVER = "public, max-age=31536000, immutable"
MANIFEST = "/v1/channels/production/edge.jws"


# --- objects ------------------------------------------------------------------


async def test_an_edge_finds_everything_from_the_manifest_on(plane: Running):
    signed = (await plane.client.get(MANIFEST)).content
    live = plane.edge.live
    assert signed == live.signed
    bundle = await plane.client.get(f"/v1/bundles/{live.bundle}")
    assert open_bundle(bundle.content).tenant == "tinyshop"
    release = await plane.client.get(f"/v1/releases/{live.release}")
    assert sha256(release.content).hexdigest() == live.release
    root = await plane.client.get("/v1/keys/root.1.jws")
    assert b'"signatures"' in root.content


async def test_what_never_changes_is_cached_for_ever(plane: Running):
    live = plane.edge.live
    for path in (f"bundles/{live.bundle}", f"releases/{live.release}"):
        answer = await plane.client.get(f"/v1/{path}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == FOR_EVER
        assert answer.headers["etag"] == f'"{sha256(answer.content).hexdigest()}"'


async def test_a_root_is_not_cached_for_ever_since_its_name_does_not_bind_it(plane: Running):
    answer = await plane.client.get("/v1/keys/root.1.jws")
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("kind", ["bundles", "releases"])
async def test_a_tampered_file_is_never_served_and_raises_an_alarm(
    plane: Running, kind: str, caplog: pytest.LogCaptureFixture
):
    live = plane.edge.live
    name = f"{kind}/{live.bundle if kind == 'bundles' else live.release}"
    file = plane.services.settings.objects / name
    good, stat = file.read_bytes(), file.stat()
    assert (await plane.client.get(f"/v1/{name}")).status_code == 200
    file.write_bytes(bytes([good[0] ^ 1]) + good[1:])  # same size, same times
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    answer = await plane.client.get(f"/v1/{name}", headers={"If-None-Match": "*"})
    assert_canonical(answer, "damaged")
    assert f"ALARM: {name}" in caplog.text
    file.write_bytes(good)
    assert (await plane.client.get(f"/v1/{name}")).content == good


async def test_publishing_again_mends_a_tampered_bundle(settings: Settings):
    async with running(settings) as plane:
        digest = plane.edge.live.bundle
    (settings.objects / "bundles" / digest).write_bytes(b"something else")
    async with running(settings) as plane:
        assert (await plane.client.get("/healthz")).status_code == 200
        console = await plane.client.get("/console")
        assert "Nothing was published yet" in console.text
        plane.services.catalog.publish(actor="test")
        assert plane.edge.bundle.digest.hex() == digest
        assert (await plane.client.get(f"/v1/bundles/{digest}")).status_code == 200


async def test_the_manifest_is_cached_for_seconds_and_known_by_its_tag(plane: Running):
    first = await plane.client.get(MANIFEST)
    assert first.headers["cache-control"].startswith("public, max-age=5, stale-while-revalidate=")
    tag = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    unchanged = await plane.client.get(MANIFEST, headers=tag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    plane.services.publisher.resign()
    assert (await plane.client.get(MANIFEST, headers=tag)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/bundles/{'0' * 64}",
        f"/v1/releases/{'0' * 64}",
        "/v1/keys/root.2.jws",
        "/v1/channels/staging/edge.jws",
        "/v1/bundles/..%2f..%2fproffer.db",
        "/v1/channels/..%2f../edge.jws",
        "/v1/keys/root.x.jws",
    ],
)
async def test_what_is_missing_is_never_cached(plane: Running, path: str):
    answer = await plane.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_head_tells_the_same_without_the_body(plane: Running):
    get, head = await plane.client.get(MANIFEST), await plane.client.head(MANIFEST)
    assert head.content == b""
    assert head.headers["etag"] == get.headers["etag"]


async def test_the_private_part_of_the_data_folder_is_not_served(plane: Running):
    for path in ("/v1/keys/development-keys.json", "/v1/proffer.db", "/keys"):
        assert (await plane.client.get(path)).status_code == 404


async def test_health_tells_the_live_manifest(plane: Running):
    health = (await plane.client.get("/healthz")).json()
    live = plane.edge.live
    assert health == {"status": "ok", "sequence": live.sequence, "expires_s": live.expires_s}


async def test_before_the_first_publish_it_is_healthy_and_has_no_manifest(tmp_path: Path):
    app = create_app(Settings(data=tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client,
    ):
        assert (await client.get("/healthz")).json()["sequence"] is None
        assert (await client.get(MANIFEST)).status_code == 404


# --- errors -------------------------------------------------------------------


def assert_canonical(answer: httpx.Response, name: str) -> Problem:
    """The one shape that every error has."""
    kind = PROBLEMS[name]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"type", "title", "status", "detail", "help"}
    problem = msgspec.json.decode(answer.content, type=Problem)
    assert (problem.type, problem.title) == (f"/problems/{name}", kind.title)
    assert problem.status == answer.status_code == kind.status
    assert problem.detail and problem.help
    return problem


@pytest.mark.parametrize(
    ("method", "path", "name", "sent"),
    [
        ("GET", "/nothing", "not-found", {}),
        ("GET", f"/v1/bundles/{'0' * 64}", "not-found", {}),
        ("GET", "/problems/nothing", "not-found", {}),
        ("GET", "/v1/beacons", "method-not-allowed", {}),
        ("POST", "/healthz", "method-not-allowed", {}),
        ("POST", "/v1/beacons", "wrong-type", {"content": b"[]"}),
        ("POST", "/v1/redemptions/reserve", "unauthorized", {"json": {}}),
        ("POST", "/console/publish", "forbidden", {"data": {}}),
    ],
)
async def test_every_error_has_the_one_shape(
    plane: Running, method: str, path: str, name: str, sent: dict[str, Any]
):
    assert_canonical(await plane.client.request(method, path, **sent), name)


async def test_a_catalog_that_does_not_compile_is_told_to_programs(
    plane: Running, settings: Settings
):
    assert settings.catalog is not None
    write_catalog(settings.catalog, "shop: {tenant: tinyshop}")
    answer = await plane.client.post("/v1/channels/production/publish", json={})
    assert "catalog.yaml:1" in assert_canonical(answer, "policy-refused").detail


async def test_a_crash_tells_nothing_of_the_inside(settings: Settings):
    async def crash(request: Request) -> Response:
        raise RuntimeError("a secret")

    app = create_app(settings)
    app.router.routes.append(Route("/crash", crash))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/crash")
    assert_canonical(answer, "internal")
    assert "secret" not in answer.text


async def test_the_type_of_a_problem_leads_to_what_it_means(plane: Running):
    for name, kind in PROBLEMS.items():
        answer = await plane.client.get(f"/problems/{name}")
        assert answer.text == f"{kind.title} ({kind.status})\n\n{kind.help}\n"


# --- the reference ------------------------------------------------------------


def documented(heading: str) -> set[str]:
    """The names in the first column of the table below a heading of the references."""
    rest = [page.partition(f"\n## {heading}\n")[2] for page in (REFERENCE, BEACONS, STORES)]
    sections = "\n".join(text.partition("\n## ")[0] for text in rest)
    return set(re.findall(r"^\| `([^`]+)`", sections, re.MULTILINE))


def test_the_reference_lists_each_problem_and_no_other():
    assert documented("Problems") == set(PROBLEMS)


def test_the_reference_lists_each_setting_and_no_other():
    assert documented("Settings") == {PREFIX + name.upper() for name in Settings.__struct_fields__}


def test_the_reference_lists_each_reason_of_quarantine_and_no_other():
    assert documented("Quarantine") == {reason.name for reason in Reason}


def test_the_reference_describes_each_address():
    pages = {route.path for route in PAGES if isinstance(route, Route)}
    there = {one.path for one in OPERATIONS} | pages
    assert {name.partition(" ")[2] for name in documented("Addresses")} == there


def test_the_reference_has_the_tables_of_today():
    script = [sys.executable, ROOT / "scripts" / "api_reference.py", "--check"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "run python scripts/api_reference.py"


def test_the_reference_tells_the_status_of_each_problem():
    for name, kind in PROBLEMS.items():
        assert f"| `{name}` | {kind.status} |" in REFERENCE
