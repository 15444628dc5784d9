"""What `make fuzz` does a hundred thousand times, a few hundred times."""

from __future__ import annotations

from fuzz import beacon_bodies, beacon_tokens


def test_every_valid_token_counts_and_no_other() -> None:
    found = beacon_tokens.counted(1500, seed=7)
    assert found.wrong == []
    assert found.records["valid"] == found.attested > 100
    assert set(found.records) >= set(beacon_tokens.RECORDS) - {"aged"}
    assert found.redeemed.total() == found.tokens["valid"] > 10


def test_every_mutated_body_is_valid_or_in_quarantine_and_the_originals_are_accepted() -> None:
    found = beacon_bodies.counted(300, seed=7)
    assert found.wrong == []
    assert found.bodies == 300
    assert found.kept > 100
    assert found.mended > 30
    assert len(found.reasons) > 4
