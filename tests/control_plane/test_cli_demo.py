"""`proffer demo`: everything starts, is watched, ends, and goes on with its data."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_plane.cli.files import examples
from control_plane.cli.supervising import Demo, DemoPlan, free_ports
from control_plane.cli.terminal import Unusable
from policy_compiler.keys import DevelopmentKeys
from tests.support.cli import PROFFER, proffer
from tests.support.parts import ROOT

END_S = 5.0
PATIENCE_S = 60.0
PLACEMENT = re.compile(r'data-placement="(\w+)"')
ANYWHERE = ("--port", "0", "--console-port", "0", "--origin-port", "0")


class Running:
    """A demo that was started, and what it printed once it ran."""

    def __init__(self, process: subprocess.Popen[str], document: dict[str, Any]) -> None:
        self.process, self.document = process, document

    def end(self) -> float:
        """Ctrl-C; how long the end took, in seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=PATIENCE_S)
        return time.monotonic() - began


@contextmanager
def demo(data: Path, *options: str) -> Iterator[Running]:
    log = data.with_suffix(".log")
    command = [*PROFFER, "demo", "--json", "--data", str(data), *ANYWHERE, *options]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, text=True, process_group=0
        )
        try:
            assert process.stdout is not None
            printed = "".join(iter(process.stdout.readline, "}\n")) + "}"
            yield Running(process, json.loads(printed))
        finally:
            process.kill()
            process.communicate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_the_demo_runs_ends_and_goes_on_with_its_data(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with demo(data, "--rate", "20") as first:
        told = first.document
        shop = httpx.get(told["shop"])
        assert shop.status_code == 200 and "<proffer-slot" in shop.text
        assert answers(told["console"]) and answers(told["origin"])
        assert proffer("verify", told["control"]).code == 0
        other = proffer("demo", "--data", data, *ANYWHERE)
        assert other.code == 3 and "Another demo" in other.err
        wait_for_records(data, 40)
        assert first.end() < END_S
        assert first.process.returncode == 0, data.with_suffix(".log").read_text()
    assert not any(answers(told[name]) for name in ("shop", "console", "origin"))
    logs = {log.name: log.read_text() for log in (data / "log").iterdir()}
    assert {"visitors.log", "shop-visitors.log", "edge.log"} <= set(logs)
    assert not any("Traceback" in text for text in logs.values()), logs
    keys = (data / "keys" / "development-keys.json").read_bytes()
    replayed = proffer("replay", data, "--json")
    assert replayed.code == 0 and replayed.document["records"] >= 40

    with demo(data, "--rate", "0") as second:
        assert answers(second.document["shop"])
        assert second.end() < END_S
    assert (data / "keys" / "development-keys.json").read_bytes() == keys
    again = proffer("replay", data, "--json").document
    assert again["records"] >= replayed.document["records"]


def wait_for_records(data: Path, least: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while proffer("replay", data, "--json").document["records"] < least:
        assert time.monotonic() < deadline, (data / "log" / "visitors.log").read_text()
        time.sleep(0.5)


def test_simulated_visitors_of_one_s_own_use_a_running_demo(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with demo(data, "--rate", "0") as running:
        told = running.document
        ran = proffer(
            "simulate", "--edge", told["shop"], "--control", told["control"], "--data", data,
            "--visitors", "30", "--truth", "null", "--json",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert ran.document["visitors"] == 30 and ran.document["failures"] == 0
        assert len(ran.document["truth_sha256"]) == 64 and ran.document["truth_sha256"] in ran.err
        assert placements_filled(told["shop"]) == {"home_hero", "cart_banner", "checkout_upsell"}
        page = proffer(
            "simulate", "--edge", told["shop"], "--control", told["control"], "--data", data,
            "--visitors", "3", "--through", "shop", "--plain",
        )  # fmt: skip
        assert page.code == 0, page.err
        assert "truly best arm" in page.out
        running.end()


def placements_filled(shop: str, visitors: int = 30) -> set[str]:
    """Where the shop's pages showed offers to visitors who qualify and were not held out."""
    found: set[str] = set()
    for _ in range(visitors):
        with httpx.Client(base_url=shop, follow_redirects=True, timeout=30) as visitor:
            visitor.get("/sign-in", params={"as": "returning"})
            for path in ("/", "/cart", "/checkout"):
                offers = re.findall(r'class="proffer-offer" [^>]*', visitor.get(path).text)
                found |= {name for tag in offers for name in PLACEMENT.findall(tag)}
        if len(found) == 3:
            break
    return found


# --- parts --------------------------------------------------------------------


def plan_of(data: Path) -> DemoPlan:
    ports = free_ports(0, 0, 0)
    return DemoPlan(
        data=data,
        catalog=examples() / "store" / "catalog",
        edge_port=ports[0],
        control_port=ports[1],
        origin_port=ports[2],
        learn_every_s=10,
        rate=0,
        truth="helpful",
        keys=DevelopmentKeys.load_or_create(data / "keys"),
    )


def test_a_part_that_dies_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    with Demo(plan_of(tmp_path / "var")) as running:
        running.start()
        (edge,) = [child for child in running.children if child.name == "edge"]
        edge.process.kill()
        with pytest.raises(Unusable) as caught:
            running.watch(PATIENCE_S, print)
        processes = [child.process for child in running.children]
    assert "edge ended by itself (status -9)" in caught.value.problem
    assert "edge.log" in caught.value.help
    assert all(process.poll() is not None for process in processes), "none is left"


def test_parts_end_when_the_demo_itself_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path / "var", "--rate", "0") as running:
        running.process.kill()
        running.process.wait()
        deadline = time.monotonic() + PATIENCE_S
        while answers(running.document["console"]) or answers(running.document["origin"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_taken_port_is_replaced_by_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = (port, port + 1, port + 2)
        found = free_ports(*wanted)
    assert port not in found
    assert len(set(found)) == 3 and all(each > port for each in found)


def test_a_folder_that_cannot_be_used_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = proffer("demo", "--data", tmp_path / "file" / "var", *ANYWHERE)
    assert ran.code == 3 and "--data" in ran.err and "Traceback" not in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
