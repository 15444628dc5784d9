"""A shop in production for tests of rotations: keys from a ceremony, real edges that decide.

    with shop(tmp_path, monkeypatch) as it:
        with it.deciding() as crowd:
            it.rotate_online()
        assert crowd.failures == []

Roots are proposed, signed and published by the very commands that people type.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from control_plane.channels import signer_of
from control_plane.key_status import chain_in
from control_plane.services import Services
from control_plane.settings import Settings, read_settings
from control_plane.storage.objects import ObjectStore
from edge.decision.claims import Root
from edge.decision.host import NotFound
from edge.local_crypto import verify_ed25519
from edge.policy import Policies
from edge.settings import Secrets
from policy_compiler.key_files import read_secrets, read_shop_keys
from tests.support import edges
from tests.support.cli import Ran, proffer

SETTLE_S = 0.5
"""Enough for an edge's refresh in these tests; ten seconds in the field."""


class StorePlane(edges.ControlPlane):
    """Serves what is in the object store, as a CDN before the bucket does."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__()
        self.store = store

    async def handle(self, request: Request) -> Response:
        if request.method == "POST":
            return await super().handle(request)
        if self.status != 200:
            return Response(status_code=self.status)
        data = self.store.get(request.url.path.removeprefix("/v1/"))
        return Response(data, 404 if data is None else 200)


class Crowd:
    """What visitors and starting edges met while they went on and on."""

    def __init__(self) -> None:
        self.decisions = 0
        self.starts = 0
        self.failures: list[str] = []


class Rotating:
    """The shop, its folders, and what its people do."""

    def __init__(self, folder: Path, services: Services, control: StorePlane, url: str) -> None:
        self.folder = folder
        self.services = services
        self.control = control
        self.url = url
        self.stack = ExitStack()
        self.worlds: list[edges.World] = []

    @property
    def store(self) -> ObjectStore:
        return self.services.store

    @property
    def first_root(self) -> bytes:
        return self.store.get("keys/root.1.jws") or b""

    def edge(self, name: str, stack: ExitStack | None = None) -> edges.World:
        """A real edge; the same name starts with what it kept."""
        secrets = Secrets(
            edge_secret=read_secrets(self.folder / "edge-secret")[0],
            cookie_secret=read_secrets(self.folder / "cookie-secret")[0],
            shop_key=read_shop_keys(self.folder / "shop-key")[0],
        )
        opened = edges.world(
            self.folder / name, published=False, control_url=self.url,
            pinned_root=self.first_root, secrets=secrets,
        )  # fmt: skip
        return (stack or self.stack).enter_context(opened)

    # --- people -------------------------------------------------------------

    def proffer(self, *arguments: str | Path) -> Ran:
        ran = proffer("keys", *arguments)
        assert ran.code == 0, (arguments, ran.out, ran.err)
        return ran

    def signed_and_out(self, *signers: str) -> None:
        """The proposal, carried to these root keys, then published."""
        (proposal,) = (self.folder / "carry").glob("*.proposed.jws")
        for name in signers:
            self.proffer("sign-root", proposal, "--key", self.folder / "safe" / f"{name}.pem")
        self.proffer("publish-root", proposal, "--settle", str(SETTLE_S))
        proposal.unlink()

    def propose(self, *arguments: str | Path) -> None:
        self.proffer(*arguments, "--out", self.folder / "carry")

    def rotate_online(self, *more: str) -> None:
        self.propose("rotate-online", *more)
        self.signed_and_out("root-1", "root-2")

    def revoke(self, *kids: str) -> None:
        self.propose("revoke", *kids)
        self.signed_and_out("root-1", "root-2")

    def status(self, code: int = 0) -> Any:
        ran = proffer("keys", "status", "--json")
        assert ran.code == code, ran.out + ran.err
        return ran.document

    def idle(self) -> list[str]:
        """Online keys that sign nothing any more."""
        listed = self.status(1)["keys"]
        return [key["kid"] for key in listed if key["role"] == "online" and not key["signs"]]

    # --- visitors -----------------------------------------------------------

    @contextmanager
    def deciding(self, *worlds: edges.World) -> Iterator[Crowd]:
        """Visitors of these edges, edges that start with nothing, and a server that looks."""
        crowd, ended = Crowd(), threading.Event()
        acts = [lambda w=w: self._visit(w, crowd) for w in worlds]
        acts += [lambda: self._start_cold(crowd), self.services.publisher.mend]
        threads = [threading.Thread(target=_again, args=(act, ended, crowd)) for act in acts]
        for thread in threads:
            thread.start()
        try:
            yield crowd
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _visit(self, world: edges.World, crowd: Crowd) -> None:
        with httpx.Client(base_url=world.url, timeout=20) as client:
            answer = client.post("/_proffer/decide", json={"placements": ["hero"]})
        crowd.decisions += 1
        decided = answer.json().get("decisions", [])
        if [slot["reason"] for slot in decided] != ["BEST"]:
            crowd.failures.append(f"{world.url}: {answer.status_code} {answer.text[:300]}")

    def _start_cold(self, crowd: Crowd) -> None:
        """An edge that keeps nothing, as in a worker: one look, and it must have a policy."""
        policies = Policies(edges.settings(self.first_root), Memory(self.store))  # type: ignore[arg-type]
        asyncio.run(policies.open())
        crowd.starts += 1
        if policies.current is None:
            crowd.failures.append(f"a cold start: {policies.story}")


def _again(act: Any, ended: threading.Event, crowd: Crowd) -> None:
    while not ended.is_set():
        try:
            act()
        except Exception as error:
            crowd.failures.append(repr(error))
        time.sleep(0.01)


class Memory:
    """A home that lends what a cold start needs, over the store itself."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def fetch(self, path: str, limit_bytes: int) -> bytes:
        data = self._store.get(path)
        if data is None:
            raise NotFound(path)
        return data

    async def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        return await verify_ed25519(key, message, signature)

    async def load(self, path: str) -> bytes | None:
        return None

    async def save(self, path: str, data: bytes) -> None: ...

    def now_s(self) -> int:
        return int(time.time())


@contextmanager
def shop(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> Iterator[Rotating]:
    """After the ceremony: two of three root keys in a safe, the first root out, a policy live."""
    for name in ("edge", "cookie", "shop"):
        file = folder / ("shop-key" if name == "shop" else f"{name}-secret")
        assert proffer("keys", "secret", name, file).code == 0
    ran = proffer("keys", "ceremony", "--tenant", edges.TENANT, "--out", folder / "safe")
    assert ran.code == 0, ran.err
    (folder / "online").mkdir()
    (folder / "safe" / "online.pem").rename(folder / "online" / "online.pem")
    environ = {
        "PROFFER_DATA": str(folder / "var"),
        "PROFFER_TENANT": edges.TENANT,
        "PROFFER_REQUIRE_APPROVAL": "false",
        "PROFFER_ONLINE_KEY_FILE": str(folder / "online"),
        "PROFFER_EDGE_SECRET_FILE": str(folder / "edge-secret"),
        "PROFFER_SHOP_KEY_FILE": str(folder / "shop-key"),
    } | more
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proffer("keys", "publish-root", folder / "safe" / "root.1.jws").code == 0
    settings: Settings = read_settings(environ)
    services = Services.open(settings)
    services.keys.settle_s = SETTLE_S
    control = StorePlane(services.store)
    try:
        services.publisher.publish(edges.pocket_bundle(), actor="test")
        with edges.running(control.app()) as url:
            made = Rotating(folder, services, control, url)
            with made.stack:
                yield made
    finally:
        services.close()


def roots_in(store: ObjectStore) -> list[Root]:
    chain = chain_in(store)
    return list(chain.roots) if chain else []


def kid_of_file(store: ObjectStore) -> str:
    return signer_of(store.get("channels/production/edge.jws") or b"")
