"""The log as JSON lines, written by a real server; it holds nothing of what was sent."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_plane.telemetry.logs import CURRENT, JsonFormatter, Request
from tests.control_plane.shop import write_catalog

CANARIES = {
    "path": "canary-path", "query": "canary-query", "cookie": "canary-cookie",
    "token": "canary-token", "body": "canary-body", "agent": "canary-agent", "id": "canary-id",
}  # fmt: skip


class Server:
    """`proffer serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        said = {
            "PROFFER_LOG": "json", "PROFFER_OPEN_CONSOLE": "true", "PROFFER_TENANT": "tinyshop",
            "PROFFER_CATALOG": str(write_catalog(folder / "catalog")),
            "PROFFER_DATA": str(folder / "var"), "PROFFER_PORT": "0",
        }  # fmt: skip
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "control_plane.cli", "serve", "--json"],
                env=os.environ | said, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdout is not None
        out = b""
        while not out.rstrip().endswith(b"}"):
            line = self._process.stdout.readline()
            assert line, self._log.read_text()
            out += line
        self.url = json.loads(out)["url"]

    def stop(self) -> list[dict[str, Any]]:
        """What it logged."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.text = self._log.read_text()
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


def test_requests_are_lines_of_json_and_hold_nothing_of_what_was_sent(server: Server) -> None:
    headers = {
        "Cookie": f"proffer_session={CANARIES['cookie']}",
        "User-Agent": CANARIES["agent"],
        "X-Request-Id": CANARIES["id"],
    }
    bearer = {"Authorization": f"Bearer {CANARIES['token']}"}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    body = f'[{{"id": "{CANARIES["body"]}", "visitor": "{CANARIES["body"]}"}}]'
    reserve = {"token": CANARIES["token"], "order_id": CANARIES["body"]}
    with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
        first = _when_ready(client)
        client.get(f"/v1/{CANARIES['path']}", params={"q": CANARIES["query"]})
        client.get("/v1/audit", params={"actor": CANARIES["query"]})
        client.get("/v1/audit", params={"after": CANARIES["query"]})
        client.get("/v1/audit", headers=bearer)
        client.post("/v1/beacons", content=body, headers=batch)
        client.post("/v1/beacons", content=CANARIES["body"], headers=batch)
        client.post("/v1/redemptions/reserve", json=reserve, headers=bearer)
        client.post("/console/publish", data={"csrf": CANARIES["token"]})
    lines = server.stop()
    asked = [line for line in lines if line["logger"] == "control_plane.access"]
    told = {(line["operation"], line["method"], line["status"]) for line in asked}
    assert {("other", "GET", 404), ("list_audit", "GET", 400)} <= told
    audit = next(line for line in asked if line["operation"] == "list_audit")
    assert set(audit) == {
        "time", "level", "logger", "message", "request_id",
        "operation", "method", "status", "duration_ms",
    }  # fmt: skip
    assert first.headers["X-Request-Id"] == asked[0]["request_id"]
    assert len({line["request_id"] for line in asked}) == len(asked)
    assert not any(canary in server.text for canary in CANARIES.values())


def _when_ready(client: httpx.Client) -> httpx.Response:
    for _ in range(400):
        try:
            return client.get("/v1/audit")
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


def test_of_an_exception_only_type_and_place_are_told() -> None:
    def breaks(secret: str) -> None:
        raise ValueError(f"cannot use {secret}")

    with pytest.raises(ValueError) as raised:
        breaks("canary-token")
    trouble = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("proffer", logging.ERROR, __file__, 1, "it %s", ("broke",), trouble)
    token = CURRENT.set(Request("abc", "def"))
    line = JsonFormatter().format(record)
    CURRENT.reset(token)
    assert "canary" not in line
    said = json.loads(line)
    assert (said["message"], said["error"], said["level"]) == ("it broke", "ValueError", "ERROR")
    assert (said["request_id"], said["trace_id"]) == ("abc", "def")
    assert said["at"][-1].startswith("tests/control_plane/test_telemetry_logs.py:")
    assert said["at"][-1].endswith("breaks")
    assert "\n" not in line
