"""How fast a signing reaches the edges: measured from what they decided, told by the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.releasing.latency import WITHIN_S, Latency, Run, latency_of
from control_plane.signing import Signing
from tests.control_plane.homes import StorageHome
from tests.control_plane.press import Press
from tests.control_plane.shop import CATALOG, write_catalog
from tests.support.edges import until
from tests.support.followers import CHANNEL, followed

EDGES, REFRESH_S = 4, 0.2
DEARER = CATALOG.replace("unit_cost: 4.00", "unit_cost: 5.00")


@pytest.fixture
def signings(tmp_path: Path, home: StorageHome) -> list[Signing]:
    press = Press(home.settings(tmp_path))
    made = []
    for _ in range(3):
        made.append(press.publish())
        press.now_s += 1000
    press.close()
    return made


def told(signings: list[Signing], *runs: tuple[str, int, int, int]) -> Latency:
    """Of the second of three; `runs`: edge, which signing, first and last second after it."""
    at_s = signings[1].issued_s
    found = [
        Run(edge=edge, manifest=signings[n].digest, first_s=at_s + first, last_s=at_s + last)
        for edge, n, first, last in runs
    ]
    return latency_of(signings[1], signings, found)


def test_an_edge_is_in_time_unless_it_decided_under_an_older_one_after_a_minute(
    signings: list[Signing],
):
    found = told(
        signings,
        ("fast", 0, -50, 3), ("fast", 1, 4, 900),
        ("idle", 0, -50, -10), ("idle", 1, 500, 900),
        ("skipped", 0, -50, 20), ("skipped", 2, 40, 900),
        ("late", 0, -50, WITHIN_S + 1), ("late", 1, WITHIN_S + 2, 900),
    )  # fmt: skip
    assert (found.edges, found.in_time, found.share) == (4, 3, 0.75)
    assert [edge.edge for edge in found.late] == ["late"]
    assert found.late[0].behind_s == WITHIN_S + 1


def test_an_edge_that_never_comes_is_late_and_one_that_says_nothing_is_not_counted(
    signings: list[Signing],
):
    found = told(signings, ("stuck", 0, -50, 800), ("gone", 0, -50, 10), ("asleep", 0, -9, -5))
    assert (found.edges, found.in_time, found.share) == (1, 0, 0.0)
    assert told(signings).share is None


def test_real_edges_follow_a_publish_a_kill_switch_and_a_roll_back(tmp_path: Path):
    """At a shortened refresh; `make drill` does the same at the default one."""
    catalog = write_catalog(tmp_path / "catalog")
    with followed(tmp_path, catalog, edges=EDGES, refresh_s=REFRESH_S) as shop:
        first = shop.get(f"/v1/channels/{CHANNEL}")["live"]
        (catalog / "catalog.yaml").write_text(DEARER)
        published = shop.channel("publish", note="dearer mugs")
        assert published["sequence"] == first["sequence"] + 1
        shop.wait_for(published["sequence"], 10)
        killed = shop.channel("pause", all=True)
        shop.wait_for(killed["sequence"], 10)
        for follower in shop.followers:
            follower.seen.clear()
            until(lambda follower=follower: len(follower.seen) > 4)
            assert {offer for _, offer in follower.seen} == {""}
        back = shop.channel("roll-back", bundle=first["releases"][0]["bundle"])
        assert back["paused"]["all"] is True
        resumed = shop.channel("resume", all=True)
        shop.wait_for(resumed["sequence"], 10)
        until(lambda: any(o for f in shop.followers for _, o in f.seen))
        for signing in (published, killed, resumed):
            until(lambda s=signing: shop.latency_of(s["sequence"])["edges"] == EDGES)
            latency = shop.latency_of(signing["sequence"])
            assert (latency["in_time"], latency["share"]) == (EDGES, 1.0), latency
            assert latency["slowest_s"] < 15
        assert [follower.failed for follower in shop.followers] == [[]] * EDGES
