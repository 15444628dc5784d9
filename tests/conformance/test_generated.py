"""The 10,000 made-up cases and the stored bundles: decided here as they were when written."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from functools import cache
from hashlib import sha256

import pytest

from edge.decision.beacon import FRESH, KEPT, unpack_verdict
from edge.decision.bundle import FORMAT, open_bundle
from edge.decision.choosing import CANDIDATE_LIMIT
from edge.decision.reasons import Reason
from tests.conformance.cases import HERE
from tests.conformance.generate import STORED, answers, stored_file
from tests.conformance.generated import (
    FILE,
    REFUSED,
    Generated,
    pack_generated,
    read_generated,
    unpack_generated,
)
from tests.conformance.made_up import made_up
from tests.support.parts import node

AFTER = "run `python -m tests.conformance.generate` and find out why"


@cache
def committed_cases() -> Generated:
    return read_generated(FILE)


def first_differences(all_of_it: Generated, found: tuple[bytes, ...]) -> list[str]:
    """Where the verdicts are others, each with how to look at it."""
    return [
        f"case {row}: bundle {all_of_it.questions[row].bundle}, {len(wanted)} bytes expected"
        for row, (wanted, got) in enumerate(zip(all_of_it.verdicts, found, strict=True))
        if wanted != got
    ]


def test_10000_made_up_cases_are_decided_as_committed() -> None:
    cases = committed_cases()
    assert len(cases.questions) == len(cases.verdicts) == 10_000
    differences = first_differences(cases, answers(cases))
    assert not differences, f"{len(differences)} differ: {differences[:3]}; {AFTER}"


def test_the_committed_cases_are_what_the_generator_makes() -> None:
    """Everything but the verdicts, to the byte: they are another test's."""
    cases, again = committed_cases(), made_up()
    assert again.bundles == cases.bundles, AFTER
    assert again.manifests == cases.manifests, AFTER
    assert again.questions == cases.questions, AFTER


def test_the_made_up_cases_meet_everything_that_a_verdict_can_say() -> None:
    verdicts = [unpack_verdict(each) for each in committed_cases().verdicts if each != REFUSED]
    rows = [row for verdict in verdicts for row in verdict]
    reasons = Counter(track.reason for row in rows for track in (row.shown, row.ghost))
    assert {reason: reasons[reason] > 100 for reason in Reason if reason < 32} == {
        reason: True for reason in Reason if reason < 32
    }
    flags = [sum(row.flags >> bit & 1 for row in rows) for bit in range(7)]
    assert min(flags) > 1000
    draws = Counter(row.ghost.draw for row in rows)
    assert draws[FRESH] > 10_000 and draws[KEPT] > 300
    assert sum(row.ghost.candidates > CANDIDATE_LIMIT for row in rows) > 300
    assert sum(row.redraw > 0 for row in rows) > 500
    assert sum(row.shown != row.ghost for row in rows) > 3000
    assert 100 < committed_cases().verdicts.count(REFUSED) < 500


def test_the_file_is_read_as_it_is_written() -> None:
    cases = committed_cases()
    data = pack_generated(cases)
    assert unpack_generated(data) == cases
    with pytest.raises(ValueError):
        unpack_generated(b"PRGX" + data[4:])
    with pytest.raises(ValueError):
        unpack_generated(data + b"\0")


def test_a_reader_in_javascript_finds_the_same_blocks() -> None:
    """`read_generated.mjs` beside the file shows how, in a page of plain JavaScript."""
    done = subprocess.run(
        [node(), HERE / "read_generated.mjs", FILE], capture_output=True, check=True, timeout=60
    )
    cases, told = committed_cases(), json.loads(done.stdout)
    assert told["bundles"] == len(cases.bundles)
    assert told["manifests"] == len(cases.manifests)
    assert told["cases"] == len(cases.questions)
    together = sha256()
    for question, verdict in zip(cases.questions, cases.verdicts, strict=True):
        together.update(cases.bundles[question.bundle] + cases.manifests[question.manifest])
        together.update(question.request + verdict)
    assert told["sha256"] == together.hexdigest()


# --- bundles as they were once written ------------------------------------------


@pytest.mark.parametrize("file", sorted(STORED.glob("*.bin.gz")), ids=lambda file: file.name)
def test_stored_bundles_stay_readable_and_decide_as_they_did(file) -> None:
    """Nothing in that folder is ever written anew: a released bundle decides so for ever."""
    stored = read_generated(file)
    for data in stored.bundles:
        assert open_bundle(data).size_bytes == len(data)
    differences = first_differences(stored, answers(stored))
    assert not differences, f"{len(differences)} differ: {differences[:3]}"
    assert len(stored.questions) >= 400 and stored.verdicts.count(REFUSED) < 10


def test_bundles_of_the_format_as_it_is_now_are_stored() -> None:
    assert stored_file(FORMAT).is_file(), "run `python -m tests.conformance.generate`"
