"""Pages of any size through a real edge: what it holds in memory stays what it was."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from edge.pages import SLOT_LIMIT_BYTES
from tests.support.edges import (
    ControlPlane,
    Shop,
    keys,
    pinned_root,
    running,
    until,
)
from tests.support.processes import Server, serving

MIB = 1 << 20
PAGE_BYTES = 200 * MIB
GROWTH_BYTES = 24 * MIB
"""More than buffers of sockets need, and an eighth of the page."""

PROGRAM = """
import sys
from pathlib import Path
from edge.local import serve
from edge.local_settings import EdgeSettings
folder, control, origin, port = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
serve(EdgeSettings(tenant="pocket", control_url=control, origin_url=origin,
    root=folder / "root.1.jws", secrets=folder / "secrets.json", data=folder / "edge"), port=port)
"""
SLOT = b'<proffer-slot placement="hero">own</proffer-slot>'
LAST = SLOT.replace(b"hero", b"held")
PARAGRAPH = b'<p class="text">It goes on &amp; on, as <b>pages</b> do.</p>\n'

BODIES: dict[str, tuple[bytes, bytes, bytes]] = {
    # what stands before, what is repeated, what stands after
    "/paragraphs": (SLOT, PARAGRAPH, LAST),
    "/one-tag": (SLOT + b'<p title="', b"never ending ", b'">' + LAST),
    "/one-comment": (SLOT + b"<!-- ", b"<proffer-slot> ", b" -->" + LAST),
    "/one-script": (SLOT + b"<script>", b"if (a < b) c(); ", b"</script>" + LAST),
    "/one-slot": (SLOT + b"<proffer-slot placement=side>", b"never ending ", b"</proffer-slot>"),
    "/broken": (b"<html><proffer-slot", b" <a <<!- ' < \" =<p", b""),
}


def page(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        before, repeated, after = BODIES[request.url.path]
        size_bytes = int(request.query_params["size"])
        yield before
        block = repeated * (64 * 1024 // len(repeated))
        for _ in range(size_bytes // len(block)):
            yield block
        yield after

    return StreamingResponse(chunks(), media_type="text/html")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An edge in a process of its own, whose memory is nobody else's."""
    folder = tmp_path_factory.mktemp("large")
    secrets = {name: getattr(keys(), name) for name in ("edge_secret", "cookie_secret", "shop_key")}
    (folder / "secrets.json").write_bytes(msgspec.json.encode(secrets))
    (folder / "root.1.jws").write_bytes(pinned_root())
    control, shop = ControlPlane(), Shop()
    control.publish(1)
    shop.pages = dict.fromkeys(BODIES, page)
    with running(control.app()) as control_url, running(shop.app()) as origin:
        command = [sys.executable, "-c", PROGRAM, folder, control_url, origin, "{port}"]
        with serving(command, path="/_proffer/healthz") as server:
            until(lambda: httpx.get(f"{server.url}/_proffer/healthz").json()["policy"])
            yield server


def resident_bytes(server: Server) -> int:
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):  # the most that it ever had
            return int(line.split()[1]) << 10
    raise AssertionError("this system does not tell")


def fetch(server: Server, path: str, size_bytes: int) -> tuple[int, bytes, bytes]:
    """Size, beginning and end of a page, which is not kept here either."""
    size, head, tail = 0, b"", b""
    url = f"{server.url}{path}?size={size_bytes}"
    with httpx.stream("GET", url, headers={"accept": "text/html"}, timeout=60) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw(1 << 18):
            size += len(chunk)
            head = head or chunk[:4096]
            tail = (tail + chunk)[-4096:]
    return size, head, tail


def test_memory_stays_flat_with_a_page_of_200_mb(edge: Server) -> None:
    fetch(edge, "/paragraphs", 8 * MIB)
    before = resident_bytes(edge)
    size, head, tail = fetch(edge, "/paragraphs", PAGE_BYTES)
    assert size > PAGE_BYTES - 2 * MIB
    assert b"proffer-offer" in head and b'data-reason="' in tail
    grown = resident_bytes(edge) - before
    print(f"{size >> 20} MiB went through; memory grew by {grown / MIB:.1f} MiB")
    assert grown < GROWTH_BYTES


@pytest.mark.parametrize("path", ["/one-tag", "/one-comment", "/one-script", "/one-slot"])
def test_no_kind_of_page_makes_the_edge_hold_it(edge: Server, path: str) -> None:
    fetch(edge, path, MIB)
    before = resident_bytes(edge)
    size, head, tail = fetch(edge, path, 16 * MIB)
    assert size > 15 * MIB
    assert b"proffer-offer" in head
    assert (b'data-reason="' in tail) is (path != "/one-slot")
    assert resident_bytes(edge) - before < GROWTH_BYTES // 6


def test_a_broken_page_comes_through_byte_for_byte(edge: Server) -> None:
    url = f"/broken?size={MIB}"
    origin = b"".join([BODIES["/broken"][0], *_blocks("/broken", MIB)])
    answer = httpx.get(edge.url + url, headers={"accept": "text/html"})
    assert sha256(answer.content).digest() == sha256(origin).digest()
    assert len(origin) > SLOT_LIMIT_BYTES


def _blocks(path: str, size_bytes: int) -> Iterator[bytes]:
    repeated = BODIES[path][1]
    block = repeated * (64 * 1024 // len(repeated))
    yield from (block for _ in range(size_bytes // len(block)))
