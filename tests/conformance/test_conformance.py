"""Every case of the conformance suite, on CPython."""

from __future__ import annotations

import msgspec
import pytest

from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.reasons import ArmReason, Reason
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from tests.conformance.building import (
    committed,
    compiled,
    manifest_bytes,
    manifest_of,
    policy_names,
    request_bytes,
)
from tests.conformance.cases import HERE, POLICIES, Case, Theme, index, themes
from tests.conformance.generate import Vectors, as_text, vectors
from tests.conformance.independent import decision_id
from tests.conformance.meaning import (
    objection_differences,
    request_differences,
    verdict_differences,
)

ALL = [(theme, case) for theme in themes() for case in theme.cases]


@pytest.mark.parametrize(
    ("theme", "case"), [pytest.param(t, c, id=f"{t.theme}/{c.id}") for t, c in ALL]
)
def test_a_case_means_what_it_says(theme: Theme, case: Case) -> None:
    differences = list(_differences(theme, case))
    assert not differences, "\n  ".join([case.description, *differences])


def _differences(theme: Theme, case: Case) -> list[str]:
    bundle, expect = committed(theme.policy), case.expect
    try:
        encoded = encode_request(bundle, request_bytes(theme, case))
    except RequestError as error:
        return [] if error.code == expect.error else [f"error {error}"]
    if expect.error is not None:
        return [f"no error {expect.error}"]
    request = unpack_request(encoded.data)
    verdict = decide(bundle, manifest_bytes(theme, case), encoded.data)
    return [
        *_unknown(expect.unknown_attributes, encoded.unknown_attributes),
        *_unknown(expect.unknown_placements, encoded.unknown_placements),
        *request_differences(bundle, request, expect),
        *verdict_differences(bundle, request, verdict, expect),
        *objection_differences(bundle, manifest_of(theme, case), request, expect),
    ]


def _unknown(wanted: list[str], found: tuple[str, ...]) -> list[str]:
    return [] if tuple(wanted) == found else [f"unknown should be {wanted}, are {found}"]


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    names = [f"{theme.theme}/{case.id}" for theme, case in ALL]
    assert len(names) >= 400
    assert len(themes()) >= 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("theme", "case"), ALL, ids=[f"{t.theme}/{c.id}" for t, c in ALL])
def test_a_case_expects_something(theme: Theme, case: Case) -> None:
    expect = case.expect
    assert expect.error or expect.attributes is not None or expect.rows


def test_every_reason_of_the_closed_lists_has_a_case() -> None:
    """Those from 32 on no verdict gives: they are the hosts' own."""
    tracks = [
        track
        for _, case in ALL
        for row in case.expect.rows or []
        for track in (row, row.ghost)
        if track is not None
    ]
    told = {track.reason for track in tracks}
    assert told == {reason.name for reason in Reason if reason < 32}
    objections = {
        reason
        for _, case in ALL
        for row in case.expect.rows or []
        for reason in row.objections.values()
    }
    assert objections == {reason.name for reason in ArmReason}


def test_decisions_are_named_by_the_formula() -> None:
    """`ids` of the committed vectors, from the files' own bytes."""
    told = msgspec.json.decode((HERE / "vectors.json").read_bytes(), type=Vectors)
    named = 0
    for vector in told.vectors:
        data = (POLICIES / f"{vector.policy}.bundle").read_bytes()
        manifest, encoded = bytes.fromhex(vector.manifest), bytes.fromhex(vector.encoded or "")
        rows = bytes.fromhex(vector.verdict or "")[16:]
        for at, name in enumerate(vector.ids):
            where = rows[64 * at : 64 * at + 3] + b"\0"
            assert decision_id(data, manifest[8:40], encoded, where) == name, vector.id
            named += 1
    assert named >= 300


def test_every_arm_that_chance_drew_is_derived_by_formula() -> None:
    """Where several arms have tickets, the case names the word's parts."""
    left = [
        f"{theme.theme}/{case.id} {row.slot}"
        for theme, case in ALL
        for row in case.expect.rows or []
        for track in (row, row.ghost)
        if track and track.tickets and max(track.tickets.values()) < 1 << 20
        if track.ticket_of is None
    ]
    assert left == []


@pytest.mark.parametrize("policy", policy_names())
def test_a_policys_bundle_is_what_the_compiler_makes_of_it(policy: str) -> None:
    assert compiled(policy) == (POLICIES / f"{policy}.bundle").read_bytes(), (
        "run `python -m tests.conformance.generate` and look at what changed"
    )


def test_every_policy_is_used() -> None:
    assert {theme.policy for theme in themes()} == set(policy_names())


def test_the_index_lists_all_cases() -> None:
    assert (HERE / "index.json").read_bytes() == as_text(index())


def test_the_committed_vectors_are_what_this_implementation_gives() -> None:
    assert (HERE / "vectors.json").read_bytes() == as_text(vectors()), (
        "run `python -m tests.conformance.generate` and look at what changed"
    )
