"""A real control plane and several real edges that follow it, with visitors on each.

    with followed(folder, catalog, edges=4, refresh_s=0.2) as shop:
        shop.post("/v1/channels/production/pause", offers=["five-off"])
        shop.get("/v1/channels/production/latency")

Everything speaks HTTP over real sockets.  Each edge is asked by visitors of its own, every
`PAUSE_S`, for as long as the block runs, and sends its records to the control plane.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from control_plane.app import create_app
from control_plane.settings import Settings
from edge.app import create_app as create_edge
from edge.local import LocalApp
from edge.local_home import LocalHome
from edge.local_metrics import PrometheusMeter
from edge.local_server import LIMITS, PatientProtocol
from edge.settings import Settings as EdgeSettings
from edge.settings import read_secrets
from tests.support.edges import running

TENANT, CHANNEL = "tinyshop", "production"
PAUSE_S = 0.25
CART = {"cart.total": "60.00", "cart.categories": ["lamps"], "visit.kind": "known"}


class Follower(threading.Thread):
    """The visitors of one edge; each request is somebody else's."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.done = threading.Event()
        self.failed: list[str] = []
        self.seen: list[tuple[float, str]] = []
        """When each answer came (Unix seconds), and the offer in it."""

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.done.is_set():
                self.visit(client)
                self.done.wait(PAUSE_S)

    def visit(self, client: httpx.Client) -> None:
        asked = {"placements": ["hero", "checkout"], "attributes": CART}
        client.cookies.clear()
        answer = client.post("/_proffer/decide", json=asked)
        if answer.status_code != 200:
            self.failed.append(answer.text)
            return
        for decided in answer.json()["decisions"]:
            self.seen.append((time.time(), decided["offer"]))

    def health(self) -> Any:
        return httpx.get(f"{self.url}/_proffer/healthz", timeout=30).json()


class Followed:
    """The control plane, and who follows it."""

    def __init__(self, client: httpx.Client, followers: list[Follower]) -> None:
        self.client = client
        self.followers = followers

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def channel(self, verb: str, **body: Any) -> Any:
        return self.post(f"/v1/channels/{CHANNEL}/{verb}", **body)

    def latency_of(self, sequence: int, limit: int = 20) -> Any:
        """What the control plane measured of that signing, from records."""
        found = self.get(f"/v1/channels/{CHANNEL}/latency", limit=limit)
        return next(each for each in found if each["sequence"] == sequence)

    def wait_for(self, sequence: int, within_s: float) -> list[float]:
        """When each edge ran that policy, in seconds from now; raises if one does not."""
        begin_s, found = time.monotonic(), dict[str, float]()
        while len(found) < len(self.followers):
            for follower in self.followers:
                policy = follower.health()["policy"]
                if follower.url not in found and policy and policy["sequence"] >= sequence:
                    found[follower.url] = time.monotonic() - begin_s
            assert time.monotonic() < begin_s + within_s, found
            time.sleep(0.02)
        return sorted(found.values())


@contextmanager
def followed(
    folder: Path, catalog: Path, *, edges: int, refresh_s: float | None = None, **changes: Any
) -> Iterator[Followed]:
    """`refresh_s` None: as edges do it unless told otherwise.  `changes`: of the settings."""
    settings = Settings(
        data=folder / "var", tenant=TENANT, catalog=catalog, open_console=True, **changes
    )
    with ExitStack() as stack:
        url = stack.enter_context(running(create_app(settings)))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=30))
        followers = [
            Follower(stack.enter_context(_edge(url, settings, folder / f"edge-{n}", refresh_s)))
            for n in range(edges)
        ]
        for follower in followers:
            follower.start()
        try:
            yield Followed(client, followers)
        finally:
            for follower in followers:
                follower.done.set()
            for follower in followers:
                follower.join()


@contextmanager
def _edge(url: str, plane: Settings, data: Path, refresh_s: float | None) -> Iterator[str]:
    home = LocalHome(url, url, data, 10.0)
    refresh: dict[str, Any] = {} if refresh_s is None else {"refresh_s": refresh_s}
    settings = EdgeSettings(
        tenant=TENANT,
        channel=CHANNEL,
        pinned_root=httpx.get(f"{url}/v1/keys/root.1.jws").content,
        secrets=read_secrets((plane.keys / "development-keys.json").read_bytes()),
        **refresh,
    )
    meter = PrometheusMeter()
    app = create_edge(settings, home, meter)
    meter.watch(app.health)
    local = LocalApp(app, home)
    with running(local, server_header=False, http=PatientProtocol, **LIMITS) as served:
        yield served
