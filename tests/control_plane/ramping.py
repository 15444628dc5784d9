"""A ramp for tests: a clock that they turn, two more policies, and an edge that draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from control_plane.accounts.actor import LOCAL
from control_plane.publishing import Publisher
from control_plane.releasing.making import make_folder
from control_plane.releasing.ramp_book import Ramp
from control_plane.releasing.ramps import Ramps
from control_plane.releasing.steps import Step
from control_plane.services import Services
from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest
from edge.decision.trust import pick_release
from tests.control_plane.shop import CATALOG, Edge, write_catalog

STEPS = (Step(share=0.1, hold_s=600), Step(share=0.5, hold_s=1200))
HALF = (Step(share=0.5, hold_s=3600),)
DEARER = CATALOG.replace("unit_cost: 4.00", "unit_cost: 5.00")
"""Another policy."""
NOBODY = CATALOG.replace("eligible: '!(", "eligible: 'cart.total > 4000.00 && !(")
for kind in ("fixed", "gift"):
    NOBODY = NOBODY.replace(f"kind: {kind}", f"kind: {kind}\n    eligible: cart.total > 4000.00")
"""A policy whose offers nearly nobody gets."""


class Clock:
    def __init__(self, now_s: int) -> None:
        self.now_s = now_s


@pytest.fixture
def clock(services: Services) -> Clock:
    live = services.publisher.live()
    assert live is not None
    clock = Clock(live.issued_s + 10)
    services.publisher.signings.now_s = lambda: clock.now_s
    return clock


@pytest.fixture
def ramps(services: Services, clock: Clock) -> Ramps:
    return Ramps(services.settings, services.publisher, services.database)


@pytest.fixture
def dearer(tmp_path: Path) -> bytes:
    return compiled(tmp_path, DEARER)


def compiled(folder: Path, text: str) -> bytes:
    return make_folder(write_catalog(folder / "next", text)).compiled.data


def start(ramps: Ramps, data: bytes, **more: Any) -> Ramp:
    given: dict[str, Any] = {"steps": STEPS} | more
    return ramps.start(data, actor=LOCAL, **given)


def shares(publisher: Publisher) -> list[int]:
    live = publisher.live()
    assert live is not None
    return [release.share for release in live.manifest.releases]


class CanaryEdge(Edge):
    """Decides for each visitor by the release that their ticket gives them."""

    visitor = ""

    @property
    def bundle(self) -> Bundle:
        claims = msgspec.structs.asdict(self.live.manifest)
        manifest = Manifest(**claims, digest=bytes.fromhex(self.live.digest))
        found = self.services.policies.get(pick_release(manifest, self.visitor).bundle)
        assert found is not None
        return found

    def decide(self, visitor: str, now_s: int, **fields: Any) -> Any:
        self.visitor = visitor
        return super().decide(visitor, now_s, **fields)
