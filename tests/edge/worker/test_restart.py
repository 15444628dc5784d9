"""What a Python Worker still knows when its isolate is a new one, and the network is down."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from tests.support.edges import pocket_bundle, until
from tests.support.workers import MANIFEST, NOWHERE, Fleet, fleet, signed
from tests.support.workers_snapshot import snapshot

BUNDLE = f"bundles/{sha256(pocket_bundle()).hexdigest()}"
AWAY = {"PROFFER_CONTROL_URL": NOWHERE}


@pytest.fixture(scope="module")
def f(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`mindful` keeps in KV what must survive; `address` has nowhere to keep it."""
    few = tmp_path_factory.mktemp("few")
    with fleet(few, "mindful", "address", snapshot=snapshot()) as made:
        made.publish(4)
        yield made


def test_a_first_rush_on_a_new_isolate_asks_the_store_once(f: Fleet) -> None:
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: f.visitor("address").decide("hero"), range(12)))
    assert {answer["decisions"][0]["offer"] for answer in told} == {"ten"}
    assert len([path for path in f.control.asked if path.startswith("/v1/bundles/")]) == 1


def test_the_last_good_policy_decides_while_everything_is_away(f: Fleet) -> None:
    until(lambda: (f.runs("mindful"), f.runs("address")) == (4, 4))
    until(lambda: f.get("mindful", "EDGE_KV", MANIFEST))
    f.restart(mindful=AWAY, address=AWAY)
    assert (f.runs("mindful"), f.runs("address")) == (4, 0)
    assert f.health("mindful")["refreshing"]["unreachable"]
    (decided,) = f.visitor("mindful").decide("hero")["decisions"]
    assert decided["offer"] == "ten"


def test_a_new_isolate_does_not_forget_the_floor(f: Fleet) -> None:
    f.put_everywhere(MANIFEST, signed(3))
    f.restart()
    until(lambda: f.refusal("mindful") == "ROLLBACK")
    assert f.runs("mindful") == 4
    until(lambda: f.runs("address") == 3)  # as the docs say of a worker without EDGE_KV


def test_what_was_kept_is_verified_again(f: Fleet) -> None:
    kept = f.get("mindful", "EDGE_KV", MANIFEST)
    assert kept is not None
    text, _, signature = kept.rpartition(b".")
    other = (b"B" if signature[:1] == b"A" else b"A") + signature[1:]
    f.put("mindful", "EDGE_KV", MANIFEST, text + b"." + other)
    f.put("mindful", "EDGE_KV", BUNDLE, b"damaged")
    f.restart(mindful=AWAY)
    assert (f.runs("mindful"), f.refusal("mindful")) == (0, "SIGNATURE")
    f.put_everywhere(MANIFEST, signed(5))
    f.restart()
    until(lambda: f.runs("mindful") == 5)
    assert f.get("mindful", "EDGE_KV", BUNDLE) == pocket_bundle()


def test_an_isolate_that_is_behind_does_not_lower_the_floor(f: Fleet) -> None:
    """Another isolate, somewhere else, has saved a newer manifest meanwhile."""
    newer = signed(9)
    f.put("mindful", "EDGE_KV", MANIFEST, newer)
    f.put_everywhere(MANIFEST, signed(6))
    until(lambda: f.runs("mindful") == 6)
    f.settle()
    assert f.get("mindful", "EDGE_KV", MANIFEST) == newer
