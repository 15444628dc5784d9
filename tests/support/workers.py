"""The edge as Python Workers in real workerd, between a control plane and a shop.

    with fleet(tmp_path) as f:
        page = f.visitor("bucket").get("/page")

One workerd runs the deployment folder several times, each time with other bindings, and
each in an isolate of its own; bindings are miniflare's.  `MEMBERS` says who has what.
"""

from __future__ import annotations

import atexit
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec

from policy_compiler.sign import sign_manifest
from tests.support.edges import (
    CHANNEL,
    TENANT,
    ControlPlane,
    Shop,
    Visitor,
    a_manifest,
    keys,
    pinned_root,
    pocket_bundle,
    running,
)
from tests.support.parts import ROOT, MissingPart
from tests.support.workers_bundle import bundle_folder

DRIVER = Path(__file__).with_name("workers.mjs")
DATE = "2026-11-01"
REFRESH_S = 0.1
PATIENCE_S = 60.0
NODE_MIN = (22, 12)
MANIFEST = f"channels/{CHANNEL}/edge.jws"

NOWHERE = "http://127.0.0.1:9"
"""Port 9 (discard): nobody listens."""

MEMBERS: dict[str, dict[str, Any]] = {
    # signed files from the control plane's address, events straight to it, nothing survives
    "address": {},
    # signed files from R2, events through a queue, the floor in KV
    "bucket": {
        "r2": {"POLICY_BUCKET": "policies"},
        "kv": {"EDGE_KV": "bucket-keeps"},
        "producers": {"BEACONS": {"queueName": "beacons"}},
        "consumers": {"beacons": {"maxBatchTimeout": 0, "maxRetries": 20, "retryDelay": 1}},
    },
    # signed files from KV
    "space": {"kv": {"POLICY_KV": "policies", "EDGE_KV": "space-keeps"}},
    # the floor in KV, signed files from the control plane's address
    "mindful": {"kv": {"EDGE_KV": "mindful-keeps"}},
    # a control plane that is away from the beginning
    "lost": {"vars": {"PROFFER_CONTROL_URL": NOWHERE}},
    # a shop that is away
    "shopless": {"vars": {"PROFFER_ORIGIN_URL": NOWHERE}},
    # on a route of the shop's own zone: requests go where they were addressed to
    "routed": {"host": "localhost", "vars": {"PROFFER_ORIGIN_URL": ""}},
    # no settings but the shop's address
    "bare": {"vars": {"PROFFER_SECRETS": "", "PROFFER_ROOT": ""}},
}


@cache
def node_22() -> str:
    """Path of Node.js as wrangler wants it: the one on PATH, or npm's."""
    found = shutil.which("node")
    if found is not None:
        said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
        version = tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2])
        if version >= NODE_MIN:
            return found
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packaged = ROOT / "node_modules" / f"node-{sys.platform}-{machine}" / "bin" / "node"
    if not packaged.is_file():
        raise MissingPart("Node.js 22.12 or newer is missing, which miniflare and wrangler need.")
    return str(packaged)


def workerd() -> Path:
    """The binary of npm's workerd."""
    found = sorted((ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd"))
    if not found:
        raise MissingPart("The npm package workerd is missing: run `npm ci`, or `make test`.")
    return found[0]


@cache
def worker_folder() -> Path:
    """The deployment folder, assembled anew for this run."""
    place = tempfile.mkdtemp(prefix="proffer-worker-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = Path(place) / "worker"
    command = [sys.executable, str(ROOT / "scripts" / "worker_folder.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MissingPart(f"`make worker` failed:\n{done.stderr}")
    return folder


def variables(control_url: str, origin_url: str) -> dict[str, str]:
    secrets = {
        "edge_secret": keys().edge_secret,
        "cookie_secret": keys().cookie_secret,
        "shop_key": keys().shop_key,
    }
    return {
        "PROFFER_TENANT": TENANT,
        "PROFFER_CHANNEL": CHANNEL,
        "PROFFER_ROOT": pinned_root().decode(),
        "PROFFER_SECRETS": msgspec.json.encode(secrets).decode(),
        "PROFFER_CONTROL_URL": control_url,
        "PROFFER_ORIGIN_URL": origin_url,
        "PROFFER_ORIGIN_TIMEOUT_S": "2",
        "PROFFER_REFRESH_S": str(REFRESH_S),
        "PROFFER_EDGE_HEADERS": '{"X-Country": "geo.country"}',
    }


# --- the process --------------------------------------------------------------


class Workers:
    """Node with miniflare and workerd; `ask` is described in `workers.mjs`."""

    def __init__(self, options: dict[str, Any], folder: Path, snapshot: Path | None = None) -> None:
        begin = ""
        if snapshot:
            begin = f"--python-load-snapshot={snapshot.name}"
            begin += f' "--python-snapshot-dir={snapshot.parent}"'
        wrapper = folder / "workerd.sh"
        wrapper.write_text(
            "#!/bin/sh\ncommand=$1; shift\n"
            f'exec "{workerd()}" "$command" '
            f'"--pyodide-bundle-disk-cache-dir={bundle_folder()}" {begin} "$@"\n'
        )
        wrapper.chmod(0o700)
        file = folder / "options.json"
        file.write_text(json.dumps(options))
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
        self._process = subprocess.Popen(
            [node_22(), str(DRIVER), str(file)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "MINIFLARE_WORKERD_PATH": str(wrapper)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.url: str = self._answer()["url"].rstrip("/")

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"error": "it ended"}
        if "error" in said:
            raise AssertionError(f"{said['error']}\n{self.output()[-4000:]}")
        return said

    def output(self) -> str:
        """What the workers logged so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self.log.close()


class Fleet:
    """All members, their control plane and their shop."""

    def __init__(
        self, names: tuple[str, ...], workers: Workers, control: ControlPlane, shop: Shop
    ) -> None:
        self.names = names
        self.workers = workers
        self.control_url = self.origin_url = ""
        self.control = control
        self.shop = shop
        self.clients = ExitStack()
        self.is_honest = False
        """Whether every store holds the same good policy, and every member had time to see it."""
        self._sequence = 0

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def visitor(self, member: str) -> Visitor:
        client = httpx.Client(
            base_url=self.workers.url, headers={"host": self._host(member)}, timeout=PATIENCE_S
        )
        return Visitor(self.clients.enter_context(client))

    def _host(self, member: str) -> str:
        """Whose a request is; the shop's own address for the member on its route."""
        if MEMBERS[member].get("host") == "localhost":
            return f"localhost:{self.origin_url.rpartition(':')[2]}"
        return f"{member}.test"

    def health(self, member: str) -> Any:
        return self.visitor(member).get("/_proffer/healthz").json()

    def restart(self, **variables: dict[str, str]) -> None:
        """New isolates, with other variables for some; what was stored stays."""
        self.is_honest = False
        self.workers.url = self.workers.ask(do="restart", vars=variables)["url"].rstrip("/")

    def runs(self, member: str) -> int:
        """The sequence of the policy that a member decides by; 0 for none."""
        policy = self.health(member)["policy"]
        return policy["sequence"] if policy else 0

    def refusal(self, member: str) -> str:
        """The code for which a member refused the last news; "" if it did not."""
        refused = self.health(member)["refreshing"]["refused"]
        return refused["code"] if refused else ""

    def calm(self) -> Fleet:
        """With a shop and a control plane as in the beginning."""
        self.control.status = 200
        self.control.slow_s = 0
        self.shop.pages.clear()
        self.shop.requests.clear()
        self.shop.bodies.clear()
        return self

    def make_current(self) -> Fleet:
        """With an honest policy everywhere, newer than any before, that all members have seen."""
        if not self.is_honest:
            self.publish(self.next_sequence())
            self.settle()
            self.is_honest = True
        return self

    def settle(self) -> None:
        """Long enough that every member looks for a policy before it answers."""
        time.sleep(5 * REFRESH_S)

    # --- stores -------------------------------------------------------------

    def put(self, member: str, binding: str, key: str, data: bytes) -> None:
        self.is_honest = False
        self._store("put", member, binding, key, base64=b64encode(data).decode())

    def get(self, member: str, binding: str, key: str) -> bytes | None:
        said = self._store("get", member, binding, key)
        return b64decode(said["base64"]) if "base64" in said else None

    def delete(self, member: str, binding: str, key: str) -> None:
        self.is_honest = False
        self._store("delete", member, binding, key)

    def _store(self, do: str, member: str, binding: str, key: str, **more: str) -> dict[str, Any]:
        kind = "r2" if binding in MEMBERS[member].get("r2", {}) else "kv"
        place: dict[str, Any] = {"in": kind, "worker": member, "binding": binding, "key": key}
        return self.workers.ask(do=do, **place, **more)

    def publish(self, sequence: int, *bundles: bytes, **changes: Any) -> bytes:
        """Sign a manifest for these bundles and put it where each member looks."""
        raw = self.control.publish(sequence, *bundles, **changes)
        for bundle in bundles or (pocket_bundle(),):
            self.put_everywhere(f"bundles/{sha256(bundle).hexdigest()}", bundle)
        self.put_everywhere(MANIFEST, raw)
        return raw

    def put_everywhere(self, path: str, data: bytes) -> None:
        self.is_honest = False
        self.control.files[f"/v1/{path}"] = data
        for member, binding in (("bucket", "POLICY_BUCKET"), ("space", "POLICY_KV")):
            if member in self.names:
                self.put(member, binding, path, data)


@contextmanager
def fleet(
    folder: Path, *names: str, kind: Mapping[str, Any] | None = None, snapshot: Path | None = None
) -> Iterator[Fleet]:
    """With these members, or with all.

    `kind` (`workers.mjs`): what they run, if not Python.  `snapshot`: where their isolates
    begin, as at the platform; made by `workers_snapshot.py`.
    """
    control, shop = ControlPlane(), Shop()
    with ExitStack() as stack:
        control_url, origin_url = (
            stack.enter_context(running(each.app())) for each in (control, shop)
        )
        common = variables(control_url, origin_url)
        members = [
            {"name": name, "host": f"{name}.test"} | more | {"vars": common | more.get("vars", {})}
            for name, more in MEMBERS.items()
            if not names or name in names
        ]
        options = {
            **(kind or {"folder": str(worker_folder())}),
            "persist": str(folder / "stored"), "date": DATE, "workers": members,
        }  # fmt: skip
        workers = Workers(options, folder, snapshot)
        stack.callback(workers.close)
        made = Fleet(names or tuple(MEMBERS), workers, control, shop)
        made.control_url, made.origin_url = control_url, origin_url
        stack.enter_context(made.clients)
        try:
            yield made
        except BaseException as error:
            error.add_note(workers.output()[-4000:])
            raise


def signed(sequence: int, *bundles: bytes, **changes: Any) -> bytes:
    """A manifest that nobody has published yet."""
    return sign_manifest(keys(), a_manifest(sequence, bundles or (pocket_bundle(),), **changes))
