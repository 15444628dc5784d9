"""An offer's version follows what the offer says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.analysis.versions import offer_rows, version_of
from edge.decision.bundle import Bundle
from policy_compiler.compiling import compile_catalog
from policy_compiler.weigh import Weights
from tests.control_plane.shop import CATALOG, write_catalog

ARMS = ["five-off/a5", "a-mug/one", "ten-off/p10", "ten-off/p20"]


def bundle_of(folder: Path, text: str = CATALOG) -> Bundle:
    return compile_catalog(write_catalog(folder, text)).bundle


def versions(bundle: Bundle) -> dict[str, str]:
    return {row["offer"]: row["version"] for row in offer_rows(bundle, ARMS)}


def test_arms_of_one_offer_have_its_version(tmp_path: Path) -> None:
    rows = list(offer_rows(bundle_of(tmp_path), [*ARMS, "gone/x"]))
    assert [row["arm"] for row in rows] == sorted(ARMS)
    assert len({row["version"] for row in rows}) == 3
    assert {row["title"] for row in rows if row["offer"] == "ten-off"} == {"Ten percent off"}
    assert all(len(row["version"]) == 12 for row in rows)


def test_what_learning_found_is_no_new_version(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path)
    shares = {"new": {"none": 1, "ten-off/p20": 9}, "*": {"a-mug/one": 7, "none": 1}}
    before = compile_catalog(folder).bundle
    learned = compile_catalog(folder, weights=Weights(allocations={"hero": shares})).bundle
    assert before.digest != learned.digest
    assert versions(before) == versions(learned)


ANOTHER = {
    "the size": ("percent: 10,", "percent: 11,"),
    "the title": ("title: Ten percent off", "title: A tenth off"),
    "the rule": ('!("rugs" in', '!("lamps" in'),
    "a guardrail": ("ceiling: 30.00", "ceiling: 31.00"),
    "where it is shown": (
        "    placements: [hero]\n    eligible",
        "    placements: [hero, checkout]\n    eligible",
    ),
}


@pytest.mark.parametrize("what", ANOTHER)
def test_what_an_offer_says_is_its_version(tmp_path: Path, what: str) -> None:
    before, after = ANOTHER[what]
    assert before in CATALOG
    old = versions(bundle_of(tmp_path / "old"))
    new = versions(bundle_of(tmp_path / "new", CATALOG.replace(before, after, 1)))
    assert {offer for offer in old if old[offer] != new[offer]} == {"ten-off"}


def test_another_offer_beside_it_is_no_new_version(tmp_path: Path) -> None:
    more = CATALOG + (
        "  - id: aaa-first\n    title: First\n    kind: fixed\n    placements: [checkout]\n"
        "    rungs: [{id: a1, amount: 1.00, expected_profit: 1}]\n"
    )
    old, new = bundle_of(tmp_path / "old"), bundle_of(tmp_path / "new", more)
    assert versions(old) == versions(new)
    assert old.arm_rows["ten-off/p10"] != new.arm_rows["ten-off/p10"]


def test_a_version_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """A change here splits every offer of every shop into before and after."""
    bundle = bundle_of(tmp_path)
    offer = bundle.tables.rung_offer[bundle.arm_rows["five-off/a5"] - 1]
    assert version_of(bundle, offer) == "96e5d133e8d5"
