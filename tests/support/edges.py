"""A whole small world for an edge: a publisher, a control plane, a shop, and visitors.

    with world(tmp_path) as w:
        page = w.visitor().get("/page")
        assert w.control.events("shop.proffer.decision")

Everything speaks HTTP over real sockets and everything signed is really signed; what
is small are the programs.  The edge's home is the real one, with a clock that tests may
move (`w.home.ahead_s`).
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edge.app import App, create_app
from edge.decision.beacon import Record, unpack_record
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.claims import ManifestPayload, Release
from edge.decision.events import DecisionData, Event
from edge.local import LocalApp
from edge.local_home import LocalHome
from edge.local_metrics import PrometheusMeter
from edge.local_server import LIMITS, PatientProtocol
from edge.problems import PLACE, PROBLEMS
from edge.settings import Secrets, Settings
from policy_compiler.compiling import compile_catalog
from policy_compiler.keys import DevelopmentKeys
from policy_compiler.sign import development_root, sign_manifest

TENANT, CHANNEL = "pocket", "production"
MANIFEST_PATH = f"/v1/channels/{CHANNEL}/edge.jws"
DAY_S = 86_400
PATIENCE_S = 10.0
T = 1 << 20


@cache
def keys() -> DevelopmentKeys:
    return DevelopmentKeys.generate()


@cache
def pocket_bundle() -> bytes:
    """The catalog of `pocket.yaml`, compiled."""
    return compile_pocket(lambda text: text)


def compile_pocket(change: Callable[[str], str]) -> bytes:
    text = Path(__file__).with_name("pocket.yaml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shop.yaml").write_text(change(text))
        return compile_catalog(Path(folder)).data


def until(true: Callable[[], object]) -> None:
    """Wait until it is true, which it must be soon."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not become true"
        time.sleep(0.01)


# --- servers ------------------------------------------------------------------


@contextmanager
def running(app: Any, **config: Any) -> Iterator[str]:
    """Serve an ASGI app from a thread; gives its URL."""
    options = {"port": 0, "log_level": "warning", "lifespan": "on", "date_header": False}
    server = uvicorn.Server(uvicorn.Config(app, **options | config))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class ControlPlane:
    """Serves signed files and takes beacons; `status` other than 200 is what it answers instead."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: list[list[dict[str, Any]]] = []
        self.asked: list[str] = []
        self.status = 200
        self.receipt: dict[str, Any] = {}
        self.slow_s = 0.0

    async def handle(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        body = await request.body()
        await asyncio.sleep(self.slow_s)
        if self.status != 200:
            return Response(status_code=self.status)
        if request.url.path == "/v1/beacons":
            return JSONResponse(self._take(msgspec.json.decode(body)), 202)
        data = self.files.get(request.url.path)
        return Response(data, 404 if data is None else 200)

    def _take(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        """Counts as the real one does: what came before is a duplicate."""
        names = {(event["source"], event["id"]) for event in batch}
        fresh = names - {(event["source"], event["id"]) for event in self.events()}
        self.batches.append(batch)
        counts = {"accepted": len(fresh), "duplicates": len(batch) - len(fresh), "quarantined": 0}
        return counts | self.receipt

    def app(self) -> ASGIApp:
        return Starlette(routes=[Route("/{path:path}", self.handle, methods=["GET", "POST"])])

    # --- publishing ---------------------------------------------------------

    def publish(self, sequence: int, *bundles: bytes, **changes: Any) -> bytes:
        """Sign a manifest for these bundles (equal shares) and serve it."""
        bundles = bundles or (pocket_bundle(),)
        raw = sign_manifest(keys(), a_manifest(sequence, bundles, **changes))
        for bundle in bundles:
            self.files[f"/v1/bundles/{sha256(bundle).hexdigest()}"] = bundle
        self.files[MANIFEST_PATH] = raw
        return raw

    # --- what came in -------------------------------------------------------

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        found = [event for batch in self.batches for event in batch]
        return [event for event in found if event["type"].endswith(kind)]

    def records(self) -> dict[str, Record]:
        """The records of all decision events, by the id of their first slot."""
        found = {e["id"]: msgspec.convert(e["data"], DecisionData) for e in self.events("decision")}
        return {name: unpack_record(data.record) for name, data in found.items()}


def a_manifest(sequence: int, bundles: tuple[bytes, ...], **changes: Any) -> ManifestPayload:
    now_s = int(time.time())
    share, rest = divmod(T, len(bundles))
    releases = tuple(
        Release(
            bundle=sha256(bundle).hexdigest(),
            size_bytes=len(bundle),
            share=share + (rest if index == 0 else 0),
        )
        for index, bundle in enumerate(bundles)
    )
    payload = ManifestPayload(
        tenant=TENANT,
        channel=CHANNEL,
        projection="edge",
        epoch=1,
        sequence=sequence,
        issued_s=now_s - 60,
        expires_s=now_s - 60 + DAY_S,
        releases=releases,
        ramp="r1",
    )
    return msgspec.structs.replace(payload, **changes)


class Shop:
    """An origin: `pages` by path; remembers what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[Request], Response]] = {}
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: Request) -> Response:
        self.requests.append(request)
        self.bodies.append(await request.body())
        page = self.pages.get(request.url.path)
        return page(request) if page else Response("no such page", 404)

    def put(self, path: str, html: str | bytes, **headers: str) -> bytes:
        """A page; underscores in names of headers become dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = html.encode() if isinstance(html, str) else html
        self.pages[path] = lambda request: HTMLResponse(body, headers=sent)
        return body

    def app(self) -> ASGIApp:
        methods = ["GET", "POST", "PUT", "HEAD", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self.handle, methods=methods)])


class MovedHome(LocalHome):
    """The real home in another time."""

    ahead_s = 0

    def now_s(self) -> int:
        return super().now_s() + self.ahead_s


class Visitor:
    """A browser's part: keeps cookies (also `Secure` ones over plain HTTP) and sends them back."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.send("GET", path, headers={"accept": "text/html"} | headers)

    def decide(self, *placements: str, **fields: Any) -> Any:
        """What the edge decides, which must go well."""
        answer = self.post_decide(placements=list(placements), **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post_decide(self, **fields: Any) -> httpx.Response:
        return self.send("POST", "/_proffer/decide", json=fields)

    def beacon(self, *events: object) -> httpx.Response:
        return self.send("POST", "/_proffer/beacon", json=list(events))

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {})}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        answer = self.client.request(method, path, headers=headers, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value, _, attributes = rest.partition(";")
            self.cookies[name] = value
            if "Max-Age=0" in attributes:
                del self.cookies[name]
        return answer

    @property
    def id(self) -> str:
        return self.cookies.get("__Host-pv", "").partition(".")[0]


class World:
    def __init__(
        self, url: str, app: App, home: MovedHome, control: ControlPlane, shop: Shop
    ) -> None:
        self.url = url
        self.app = app
        self.home = home
        self.control = control
        self.shop = shop
        self.bundle: Bundle = open_bundle(pocket_bundle())
        self.clients = ExitStack()

    def visitor(self) -> Visitor:
        return Visitor(self.clients.enter_context(httpx.Client(base_url=self.url)))

    def health(self) -> Any:
        return self.visitor().get("/_proffer/healthz").json()

    def reset(self) -> None:
        """Back to how it began; what is on its way to the control plane still gets there."""
        self.home.ahead_s = 0
        self.control.status = 200
        self.control.receipt = {}
        self.shop.pages.clear()
        self.shop.requests.clear()
        self.shop.bodies.clear()

    @property
    def logged(self) -> int:
        """How many decisions were logged so far."""
        return len(self.app.outbox) + self.app.outbox.tally.sent

    def record(self, decision: str) -> Record:
        """The record whose first slot has this id, once it has reached the control plane."""
        until(lambda: decision in self.control.records())
        return self.control.records()[decision]


def a_shown(decided: dict[str, Any], kind: str = "exposure", **changes: Any) -> dict[str, Any]:
    """What the page script would send about a slot."""
    data = {name: decided[name] for name in ("decision", "placement", "slot", "track", "receipt")}
    event = {
        "specversion": "1.0",
        "id": sha256(repr((decided, kind, changes)).encode()).hexdigest(),
        "source": "/page",
        "type": f"shop.proffer.{kind}",
        "data": data | {"time_s": int(time.time())},
    }
    return event | changes


def settings(root: bytes, **changes: Any) -> Settings:
    secrets = Secrets(
        edge_secret=keys().edge_secret,
        cookie_secret=keys().cookie_secret,
        shop_key=keys().shop_key,
    )
    made = Settings(
        tenant=TENANT, channel=CHANNEL, pinned_root=root, secrets=secrets, refresh_s=0.1,
        edge_headers={"X-Country": "geo.country"},
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


@cache
def pinned_root() -> bytes:
    return development_root(keys(), TENANT, int(time.time()))


@contextmanager
def world(
    data: Path,
    *,
    published: bool = True,
    control_url: str = "",
    origin_url: str = "",
    origin_timeout_s: float = 10.0,
    **changes: Any,
) -> Iterator[World]:
    """An edge between a control plane and a shop, all running; `changes` are of its settings."""
    control, shop = ControlPlane(), Shop()
    if published:
        control.publish(1)
    with ExitStack() as stack:
        control_url = control_url or stack.enter_context(running(control.app()))
        origin_url = origin_url or stack.enter_context(running(shop.app()))
        home = MovedHome(control_url, origin_url, data, origin_timeout_s)
        meter = PrometheusMeter()
        app = create_app(settings(pinned_root(), **changes), home, meter)
        meter.watch(app.health)
        served = running(LocalApp(app, home), server_header=False, http=PatientProtocol, **LIMITS)
        url = stack.enter_context(served)
        made = World(url, app, home, control, shop)
        stack.enter_context(made.clients)
        yield made


def assert_problem(answer: httpx.Response, status: int, name: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "help"} == set(problem)
    assert problem["status"] == status
    found = problem["type"].removeprefix(PLACE)
    assert found == (name or found)
    assert PROBLEMS[found].title == problem["title"]


def event_of(raw: dict[str, Any]) -> Event:
    return msgspec.json.decode(msgspec.json.encode(raw), type=Event)
