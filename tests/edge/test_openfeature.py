"""OpenFeature's stock SDKs with their stock OFREP providers, from npm and PyPI, at a real edge."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from tests.support import parts
from tests.support.edges import DAY_S, World, keys, until

HERE = Path(__file__).parent
OWN = {"headline": "our own"}
GOLD = EvaluationContext("visitor-1", {"customer.tier": "gold", "cart": {"total": 120.5}})


# --- PyPI ---------------------------------------------------------------------


def client_of(w: World, **headers: str) -> OpenFeatureClient:
    """A client with a provider of its own."""
    domain = f"{w.url} {headers}"
    api.set_provider(OFREPProvider(w.url, headers_factory=lambda: headers), domain)
    return api.get_client(domain)


@pytest.fixture
def shop(w: World) -> Iterator[OpenFeatureClient]:
    """A server of the shop."""
    yield client_of(w, Authorization=f"Bearer {keys().shop_key}")
    api.shutdown()


def test_an_offer_is_a_flags_value(w: World, shop: OpenFeatureClient) -> None:
    details = shop.get_object_details("hero", OWN, GOLD)
    assert (details.variant, details.reason) == ("golden/a5", "TARGETING_MATCH")
    value: Any = details.value
    assert value["creative"] == {"headline": "Gold", "cta": "Take", "href": "/gold"}
    assert (value["offer"], value["rung"], bool(value["token"])) == ("golden", "a5", True)
    metadata = details.flag_metadata
    assert (metadata["reason"], metadata["decision"]) == ("BEST", value["decision"])
    assert metadata["bundle"] == w.bundle.digest.hex()
    assert w.record(str(metadata["decision"]))


def test_where_there_is_no_offer_the_application_shows_its_own(shop: OpenFeatureClient) -> None:
    details = shop.get_object_details("held", OWN, GOLD)
    assert (details.value, details.variant, details.reason) == (OWN, "none", "SPLIT")
    assert details.flag_metadata["reason"] == "HOLDOUT" and details.error_code is None
    assert shop.get_string_value("held.arm", "own", GOLD) == "none"


def test_a_name_that_is_no_placement_is_no_flag(shop: OpenFeatureClient) -> None:
    details = shop.get_object_details("nowhere", OWN, GOLD)
    assert (details.value, details.reason, details.error_code) == (OWN, "ERROR", "FLAG_NOT_FOUND")


def test_an_sdk_without_targeting_key_is_told_so(shop: OpenFeatureClient) -> None:
    details = shop.get_object_details("hero", OWN, EvaluationContext())
    assert (details.value, details.error_code) == (OWN, "TARGETING_KEY_MISSING")


def test_who_has_no_key_of_the_shop_vouches_for_nothing(w: World) -> None:
    details = client_of(w).get_object_details("hero", OWN, GOLD)
    assert details.variant == "ten/p10"
    assert "customer.tier: has source signed" in str(details.flag_metadata["ignored"])


def test_an_expired_policy_leaves_the_default_and_says_so(
    w: World, shop: OpenFeatureClient
) -> None:
    w.home.ahead_s = 2 * DAY_S
    details = shop.get_object_details("hero", OWN, GOLD)
    assert (details.value, details.reason, details.error_code) == (OWN, "STALE", None)


# --- npm ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(shared_world: World) -> dict[str, Any]:
    """What the script saw; half-way it waits until another policy has been published."""
    w = shared_world
    w.reset()
    command = [parts.node(), HERE / "openfeature.mjs", w.url, keys().shop_key]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        if process.stdout.readline():
            w.control.publish(2, paused={"offers": ["ten"]})
            until(lambda: w.health()["policy"]["sequence"] == 2)
        out, err = process.communicate("published\n", timeout=60)
    assert process.returncode == 0, err
    w.control.publish(3)
    until(lambda: w.health()["policy"]["sequence"] == 3)
    return json.loads(out.splitlines()[-1])


def test_a_server_in_node_gets_offers(told: dict[str, Any]) -> None:
    offer, arm = told["shop"]["offer"], told["shop"]["arm"]
    assert (offer["variant"], offer["reason"]) == ("golden/a5", "TARGETING_MATCH")
    assert offer["value"]["creative"]["headline"] == "Gold"
    assert offer["metadata"]["decision"] == offer["value"]["decision"]
    assert (arm["value"], arm["metadata"]["reason"]) == ("golden/a5", "BEST")


def test_a_server_in_node_gets_its_own_defaults_otherwise(told: dict[str, Any]) -> None:
    shop = told["shop"]
    assert (shop["heldOut"]["value"], shop["heldOut"]["reason"]) == ("none", "SPLIT")
    assert (shop["unknown"]["value"], shop["unknown"]["errorCode"]) == (
        {"headline": "our own"},
        "FLAG_NOT_FOUND",
    )
    assert (shop["wrongType"]["value"], shop["wrongType"]["errorCode"]) == (False, "TYPE_MISMATCH")
    assert shop["noKey"]["errorCode"] == "TARGETING_KEY_MISSING"


def test_a_claim_from_node_is_a_claim(told: dict[str, Any]) -> None:
    assert told["claimed"]["offer"]["variant"] == "ten/p10"
    assert told["claimed"]["noKey"]["value"]["offer"] == "ten"


def test_a_wrong_key_gets_defaults(told: dict[str, Any]) -> None:
    assert {case["errorCode"] for case in told["wrong"].values()} == {"GENERAL"}
    assert told["wrong"]["offer"]["value"] == {"headline": "our own"}


def test_a_page_has_all_flags_at_once(told: dict[str, Any]) -> None:
    web = told["web"]
    assert web["offer"]["value"]["offer"] == "ten" and web["arm"]["value"] == "ten/p10"
    held = web["heldOut"]
    assert (held["value"], held["reason"]) == ({"headline": "our own"}, "SPLIT")
    assert held["metadata"]["reason"] == "HOLDOUT"
    assert web["unknown"]["errorCode"] == "FLAG_NOT_FOUND"


def test_a_page_that_polls_keeps_its_flags_until_they_change(told: dict[str, Any]) -> None:
    assert told["polled"] == [200, 304, 304]
    assert told["offerWhilePolling"]["value"] == told["web"]["offer"]["value"]
    changed = told["changed"]
    assert (changed["value"], changed["reason"]) == ({"headline": "our own"}, "DEFAULT")


def test_another_visitor_on_the_same_page_gets_flags_of_its_own(told: dict[str, Any]) -> None:
    mine, theirs = told["web"]["offer"]["value"], told["otherVisitor"]["value"]
    assert (mine["decision"] != theirs["decision"]) and (mine["token"] != theirs["token"])
