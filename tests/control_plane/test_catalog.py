"""The catalog's folder: compile, publish, and keep what was learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from control_plane.console.page import shares_of
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.settings import Settings
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.weigh import Weights
from tests.control_plane.shop import CATALOG, write_catalog

LEARNED = Weights(allocations={"hero": {"new": {"none": 1, "ten-off/p20": 3}, "*": {"none": 1}}})


def weight_of(services: Services, arm: str) -> float:
    bundle = services.publisher.live_bundle()
    assert bundle is not None
    segments, shares = shares_of(bundle, bundle.placement_rows["hero"])
    return shares[arm][segments.index("new")]


def test_the_first_start_publishes_the_catalog(services: Services):
    live = services.publisher.live()
    assert live is not None
    assert (live.sequence, live.reason, live.actor) == (1, "publish", "start")
    assert services.publisher.currency() == "EUR"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("cart.updated_at)", "cart.updated)"),
        lambda text: text.replace("title: Tiny Shop", "title: [Tiny Shop"),
        lambda text: text.replace("tenant: tinyshop", "tenant: othershop"),
    ],
    ids=["a rule", "no YAML", "of another shop"],
)
def test_a_shop_does_not_begin_with_a_catalog_that_is_refused_and_nothing_is_made(
    settings: Settings, change: Callable[[str], str]
):
    assert settings.catalog is not None
    write_catalog(settings.catalog, change(CATALOG))
    with pytest.raises((CatalogRefused, PublishRefused)):
        Services.open(settings)
    assert not settings.data.exists()


def test_a_shop_that_has_begun_starts_with_its_live_policy_whatever_the_catalog_says(
    services: Services, settings: Settings
):
    services.close()
    assert settings.catalog is not None
    write_catalog(settings.catalog, CATALOG.replace("cart.updated_at)", "cart.updated)"))
    again = Services.open(settings)
    assert again.publisher.currency() == "EUR"
    again.close()


def test_a_second_start_does_not_publish_again(services: Services, settings: Settings):
    services.close()
    again = Services.open(settings)
    assert len(again.publisher.history()) == 1
    again.close()


def test_a_broken_catalog_is_refused_with_all_findings_and_nothing_changes(
    services: Services, settings: Settings
):
    assert settings.catalog is not None
    broken = CATALOG.replace("cart.updated_at)", "cart.updated)").replace("hero, ch", "heroo, ch")
    write_catalog(settings.catalog, broken)
    with pytest.raises(CatalogRefused) as caught:
        services.catalog.publish(actor="test")
    assert len([d for d in caught.value.diagnostics if d.severity == "error"]) == 2
    assert len(services.publisher.history()) == 1


def test_learned_weights_are_published_and_kept_for_the_next_publish(services: Services):
    signing = services.catalog.publish_weights(LEARNED, note="seed 1")
    assert signing is not None
    assert (signing.reason, signing.actor, signing.note) == ("learn", "learner", "seed 1")
    assert weight_of(services, "ten-off/p20") == 75
    services.catalog.publish(actor="test")
    assert weight_of(services, "ten-off/p20") == 75
    assert services.catalog.weights() == LEARNED


def test_weights_that_change_nothing_are_not_published_again(services: Services):
    services.catalog.publish_weights(LEARNED, note="1")
    assert services.catalog.publish_weights(LEARNED, note="2") is None
    assert len(services.publisher.history()) == 2


def test_after_a_roll_back_learning_waits_for_a_person(services: Services):
    first = services.publisher.live()
    assert first is not None
    services.catalog.publish_weights(LEARNED, note="1")
    services.publisher.roll_back(first.bundle, actor="test")
    with pytest.raises(PublishRefused, match="learning waits"):
        services.catalog.publish_weights(Weights(), note="2")
    services.catalog.publish(actor="test")
    assert services.catalog.publish_weights(Weights(), note="3") is not None


def test_without_a_folder_there_is_nothing_to_compile(tmp_path: Path):
    services = Services.open(Settings(data=tmp_path))
    with pytest.raises(PublishRefused, match="no catalog is configured"):
        services.catalog.publish(actor="test")
    services.close()


def test_a_paused_offer_stays_paused_over_publishes_until_it_is_resumed(services: Services):
    services.publisher.pause("ten-off", actor="test")
    services.catalog.publish(actor="test")
    first = services.publisher.history()[-1]
    services.publisher.roll_back(first.bundle, actor="test")
    live = services.publisher.live()
    assert live is not None
    assert live.manifest.paused.offers == ("ten-off",)
    services.publisher.resume("ten-off", actor="test")
    live = services.publisher.live()
    assert live is not None
    assert live.manifest.paused.offers == ()


def test_only_offers_that_are_there_can_be_paused_and_only_paused_ones_resumed(
    services: Services,
):
    with pytest.raises(PublishRefused, match="there is no offer 'nothing'"):
        services.publisher.pause("nothing", actor="test")
    with pytest.raises(PublishRefused, match="is not paused"):
        services.publisher.resume("ten-off", actor="test")
