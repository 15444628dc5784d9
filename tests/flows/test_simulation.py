"""Simulated visitors through real servers: what is true is found, and nothing else.

Truths are plainer here than in the examples, so that few visitors settle the matter.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Struct

from control_plane.outcomes import NONE
from policy_compiler.keys import DevelopmentKeys
from tests.support.parts import ROOT
from tests.support.processes import serving
from tests.support.shop import SHOP

CATALOG = ROOT / "examples" / "store" / "catalog"
PROFFER = [sys.executable, "-m", "control_plane.cli"]
NOWHERE = "http://127.0.0.1:9"
VISITORS = 480
COME = ("--visitors", str(VISITORS), "--rate", "40")
BEST = "welcome-first-order/p10"
TRUTH = """
title: One kind of visitor
seed: 11
placement: home_hero
order: {{median: 58, spread: 0.1, margin_percent: 44}}
types:
  - name: newcomer
    share: 1
    attributes: {{visit.kind: new, customer.is_new: true}}
    sets: {{customer.segments: []}}
    buys: {buys}
    uplift: {uplift}
"""


class Store(Struct):
    """A running control plane, shop and edge, by their addresses."""

    edge: str
    control: str
    data: Path

    @property
    def shop_key(self) -> str:
        return DevelopmentKeys.load_or_create(self.data / "keys").shop_key

    def ask(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.shop_key}"}
        return httpx.get(self.control + path, headers=headers).raise_for_status().json()

    def simulate(self, *options: str) -> dict[str, Any]:
        done = subprocess.run(
            [*PROFFER, "simulate", "--edge", self.edge, "--control", self.control]
            + ["--data", str(self.data), "--json", *options],
            cwd=ROOT,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return msgspec.json.decode(done.stdout)


@contextmanager
def store(data: Path, *, with_shop: bool = False) -> Iterator[Store]:
    serve = [*PROFFER, "serve", "--catalog", CATALOG, "--data", data, "--learn-every", "1"]
    with ExitStack() as running:

        def start(command: list[Any], path: str, env: dict[str, str] | None = None) -> str:
            return running.enter_context(serving(command, cwd=ROOT, path=path, env=env)).url

        control = start([*serve, "--port", "{port}", "--plain"], "/healthz")
        shop = Store("", control, data)
        env = {"PROFFER_URL": control, "PROFFER_KEY": shop.shop_key}
        origin = start(list(SHOP), "/healthz", env) if with_shop else NOWHERE
        edge = [*PROFFER, "edge", "--origin", origin, "--control", control, "--data", data]
        edge += ["--port", "{port}", "--refresh", "0.5", "--plain"]
        shop.edge = start(edge, "/_proffer/healthz")
        yield shop


def write_truth(folder: Path, buys: float, uplift: str) -> str:
    path = folder / "truth.yaml"
    path.write_text(TRUTH.format(buys=buys, uplift=uplift))
    return str(path)


def segment(shop: Store) -> dict[str, Any]:
    """What learning knows of the new visitors."""
    segments = shop.ask("/v1/learning")["placements"][0]["segments"]
    return next(each for each in segments if each["segment"] == "new")


def assert_all_arrived(shop: Store, summary: dict[str, Any]) -> None:
    """Everybody who was not held out is evidence, once the edge has handed on its last batch."""
    drawn = summary["visitors"] - summary["held_out"]
    deadline_s = time.monotonic() + 10
    while segment(shop)["rows"] < drawn and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert segment(shop)["rows"] == drawn


def test_the_allocation_moves_to_the_arm_that_truly_earns_most(tmp_path: Path):
    truth = write_truth(tmp_path, 0.3, f"{{{BEST}: 40}}")
    with store(tmp_path / "var") as shop:
        summary = shop.simulate("--truth", truth, *COME)
        (newcomer,) = summary["types"].values()
        assert newcomer["true_best_arm"] == BEST
        assert summary["failures"] == 0
        assert summary["sequence_last"] > summary["sequence_first"]
        # Few are held out, so the measurement knows little yet; it must not say the opposite.
        assert summary["incremental"]["high"] > 0
        assert summary["incremental"]["holdout_units"] > 10
        assert summary["visitors"] == VISITORS
        assert_all_arrived(shop, summary)
        best = next(arm for arm in segment(shop)["arms"] if arm["arm"] == BEST)
        assert best["proven"]
        assert best["share"] > 0.5 * (1 << 20)


def test_where_no_arm_helps_the_allocation_does_not_leave_none(tmp_path: Path):
    truth = write_truth(tmp_path, 0.9, "{}")
    with store(tmp_path / "var") as shop:
        summary = shop.simulate("--truth", truth, *COME)
        (newcomer,) = summary["types"].values()
        assert newcomer["true_best_arm"] == NONE
        # The learner's own weights, not the luck of some draws: nothing but none has risen.
        shares = {arm["arm"]: arm["share"] / (1 << 20) for arm in segment(shop)["arms"]}
        start = 1 / len(shares)
        assert shares.pop(NONE) > start + 0.1
        assert max(shares.values()) <= start + 1e-3
        # Discounts for those who buy anyway: offers lose money, and no arm seems to earn.
        assert summary["incremental"]["low"] < 0
        arms = [arm for arm in segment(shop)["arms"] if arm["arm"] != NONE]
        assert arms and all(arm["effect_low_micros"] < 0 for arm in arms)


def test_visitors_walk_through_the_pages_of_the_shop(tmp_path: Path):
    truth = write_truth(tmp_path, 0.5, "{}")
    with store(tmp_path / "var", with_shop=True) as shop:
        summary = shop.simulate("--truth", truth, "--visitors", "24", "--through", "shop")
        assert (summary["visitors"], summary["failures"]) == (24, 0)
        assert 3 <= summary["orders"] <= 21
        assert_all_arrived(shop, summary)
        profit = shop.ask("/v1/profit/home_hero")
        assert profit["treated_orders"] + profit["holdout_orders"] <= summary["orders"]
        assert profit["treated_units"] > 5


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--truth", "absent.yaml"], 3, "absent.yaml"),
        (["--truth", "null"], 3, "--edge"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, options: list[str], status: int, said: str):
    addresses = ["--edge", NOWHERE, "--control", NOWHERE, "--key", "k"]
    done = subprocess.run(
        [*PROFFER, "simulate", *addresses, *options], cwd=ROOT, capture_output=True
    )
    assert done.returncode == status
    assert said in done.stderr.decode()
