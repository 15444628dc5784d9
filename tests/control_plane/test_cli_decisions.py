"""One request through the command line: decided, explained, recorded, replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.decision.beacon import unpack_record
from tests.support.cli import assert_clear, proffer, program, request_of


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    assert proffer("init", folder).code == 0
    return folder


@pytest.fixture
def bundle(catalog: Path, tmp_path: Path) -> Path:
    file = tmp_path / "policy.bundle"
    assert proffer("compile", catalog, "-o", file).code == 0
    return file


# --- decide -------------------------------------------------------------------


def test_catalog_and_bundle_decide_alike(catalog: Path, bundle: Path) -> None:
    strange = {"cart.total": "64.90", "visit.source": "search"}
    request = request_of(catalog, attributes=strange)
    by_catalog = proffer("decide", catalog, request, "--json")
    by_bundle = proffer("decide", bundle, request, "--json")
    assert by_catalog.code == by_bundle.code == 0
    assert by_catalog.document["decisions"] == by_bundle.document["decisions"]
    (decided,) = by_bundle.document["decisions"]
    assert sum(tickets for _, tickets in decided["listed"]) == 1 << 20
    assert by_bundle.document["ignored"] == ["visit.source"]


def test_decide_reads_a_request_from_stdin(catalog: Path, bundle: Path) -> None:
    request = request_of(catalog).read_bytes()
    ran = program("decide", bundle, "-", "--json", stdin=request)
    assert ran.code == 0
    (decided,) = ran.document["decisions"]
    assert decided["line"]["placement"] == "cart_banner"


def test_the_record_of_a_decision_replays(catalog: Path, bundle: Path, tmp_path: Path) -> None:
    record = tmp_path / "one.record"
    decided = proffer("decide", bundle, request_of(catalog), "--record", record, "--json")
    held = unpack_record(record.read_bytes())
    assert held.bundle_digest.hex() == decided.document["bundle"]
    ran = proffer("replay", record, "--policy", catalog, "--json")
    assert ran.code == 0
    assert (ran.document["records"], ran.document["same"]) == (1, 1)


def not_json(catalog: Path) -> Path:
    file = request_of(catalog)
    file.write_text('{"visitor": "v1",')
    return file


MALFORMED: list[tuple[str, Callable[[Path], Path], str]] = [
    ("not JSON", not_json, "JSON"),
    ("a field that is none", lambda c: request_of(c, visiter="v1"), "visiter"),
    ("no visitor", lambda c: request_of(c, visitor=None), "visitor"),
    ("no placement", lambda c: request_of(c, placements=[]), "placements"),
    ("a word for consent", lambda c: request_of(c, consent="yes"), "consent"),
    ("text for the time", lambda c: request_of(c, now_s="noon"), "now_s"),
    ("a control character", lambda c: request_of(c, visitor="v\n1"), "visitor"),
]


@pytest.mark.parametrize(("name", "make", "word"), MALFORMED, ids=[m[0] for m in MALFORMED])
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_a_malformed_request_is_told_and_leaves_no_record(
    catalog: Path, bundle: Path, tmp_path: Path, command: str, name: str,
    make: Callable[[Path], Path], word: str,
) -> None:  # fmt: skip
    record = tmp_path / "one.record"
    keep = ("--record", record) if command == "decide" else ()
    ran = proffer(command, bundle, make(catalog), *keep, "--json")
    assert_clear(ran, 1, word, "request.json")
    assert word in ran.document["error"]["problem"]
    assert not record.exists()


def test_an_invalid_attribute_withholds_the_offer_and_not_the_answer(
    catalog: Path, bundle: Path
) -> None:
    request = request_of(catalog, attributes={"cart.total": -1, "customer.is_new": "yes"})
    ran = proffer("explain", bundle, request)
    assert ran.code == 0
    assert "is invalid" in ran.out and "NO_CANDIDATE" in ran.out


def test_a_missing_file_ends_with_3(catalog: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert_clear(proffer("decide", catalog, nothing), 3, "cannot be read")
    assert_clear(proffer("decide", nothing, catalog / "request.json"), 3, "does not exist")


def test_options_of_a_batch_without_batch_end_with_2(bundle: Path, tmp_path: Path) -> None:
    assert_clear(proffer("decide", bundle, "--requests", tmp_path), 2, "--batch")
    assert_clear(proffer("decide", bundle), 2, "REQUEST")


# --- explain ------------------------------------------------------------------


def test_explain_says_for_every_offer_why_or_why_not(catalog: Path, bundle: Path) -> None:
    request = request_of(catalog, attributes={"cart.total": "12.00", "customer.is_new": True})
    ran = proffer("explain", bundle, request, "--json")
    (slot,) = ran.document["slots"]
    reasons = {arm["arm"]: arm["reason"] for arm in slot["arms"]}
    assert reasons == {
        "welcome/p5": "CANDIDATE",
        "welcome/p10": "CANDIDATE",
        "free-delivery/standard": "NOT_ELIGIBLE",
    }
    told = proffer("explain", bundle, request, "--offer", "free-delivery")
    assert "cart.total >= 30.00 must hold: cart.total is 12.00" in told.out
    assert 'Enough would be: cart.total = "30.00".' in told.out
    assert "welcome/p5: CANDIDATE" not in told.out


def test_explain_without_a_request_lists_the_policy(bundle: Path) -> None:
    listed = proffer("explain", bundle, "--json").document
    assert [offer["id"] for offer in listed["offers"]] == ["welcome", "free-delivery"]
    assert listed["offers"][1]["eligible"] == "cart.total >= 30.00"
    assert "sizes p5, p10" in proffer("explain", bundle).out


def test_an_unknown_offer_is_told_with_the_nearest(bundle: Path) -> None:
    assert_clear(proffer("explain", bundle, "--offer", "welcom"), 1, "welcome")


# --- replay -------------------------------------------------------------------


def recorded(catalog: Path, bundle: Path, file: Path) -> bytes:
    assert proffer("decide", bundle, request_of(catalog), "--record", file).code == 0
    return file.read_bytes()


def test_replay_reads_records_one_after_the_other(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "many.records"
    file.write_bytes(recorded(catalog, bundle, file) * 3)
    ran = proffer("replay", file, "--policy", bundle, "--json")
    assert ran.code == 0 and ran.document["same"] == 3


def test_a_verdict_that_differs_is_named_with_its_first_byte(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "one.record"
    data = bytearray(recorded(catalog, bundle, file))
    data[-1] ^= 1  # the tickets of the last listed arm
    file.write_bytes(data)
    ran = proffer("replay", file, "--policy", bundle, "--json")
    assert ran.code == 1
    assert ran.document["different"] == 1
    assert "byte " in ran.document["troubles"][0]["detail"]


def test_records_without_their_bundle_and_broken_ones_count_as_failures(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "two.records"
    good = recorded(catalog, bundle, file)
    file.write_bytes(good + good[:-1])
    ran = proffer("replay", file, "--json")
    assert ran.code == 1
    assert (ran.document["no_bundle"], ran.document["malformed"]) == (1, 1)
    assert_clear(proffer("replay", tmp_path / "none.record"), 3)
