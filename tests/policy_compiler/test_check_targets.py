"""Limits of targets: the published table is the compiler's, and the counts are the bundle's."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import msgspec
import pytest

from edge.decision.bounds import TERM_LIMIT
from policy_compiler import (
    check_limits,
    check_offers,
    check_placements,
    check_targets,
    lower,
    rules,
)
from policy_compiler.check_targets import LIMITS, check_target, measured
from policy_compiler.compiling import compile_catalog
from policy_compiler.words import DEPTH_MAX
from tests.policy_compiler.samples import write_catalog
from tests.support.parts import ROOT

DOCUMENT = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_document_has_the_compilers_table() -> None:
    row = r"^\| (edge|browser) \| ([^|]+) \| ([0-9,]+) \| ([0-9,]+) \|$"
    told = [
        (target, unit, number(advised), number(hard))
        for target, unit, advised, hard in re.findall(row, DOCUMENT, re.M)
    ]
    assert told == [
        (target, limit.unit, limit.advised, limit.hard)
        for target, limits in LIMITS.items()
        for limit in limits
    ]
    assert all(limit.advised < limit.hard for limits in LIMITS.values() for limit in limits)


def test_the_document_has_the_catalogs_own_limits() -> None:
    told = re.findall(r"^\| ([a-z][^|]+) \| ([0-9,]+) \|$", DOCUMENT, re.M)
    assert {what: number(most) for what, most in told} == {
        "offers": check_limits.OFFERS_MAX,
        "placements": check_limits.PLACEMENTS_MAX,
        "attributes that the policy reads": check_limits.ATTRIBUTES_MAX,
        "cells of one attribute": check_limits.CELLS_MAX,
        "elements of one set attribute": check_limits.ELEMENTS_MAX,
        "rungs of an offer": check_offers.RUNGS_MAX,
        "caps of an offer": check_offers.CAPS_MAX,
        "slots of a placement": check_placements.SLOTS_MAX,
        "bytes of a rule": rules.TEXT_SIZE_MAX_BYTES,
        "nesting of a rule": DEPTH_MAX,
        "clauses of an offer": lower.CLAUSE_LIMIT,
        "terms of a model": TERM_LIMIT,
    }


def test_counts_are_those_of_the_bundle(tmp_path: Path) -> None:
    compiled = compile_catalog(write_catalog(tmp_path))
    counts = {what: count for what, (_, count) in measured(compiled.bundle, compiled.data).items()}
    assert counts == {
        "size": len(compiled.data),
        "gzip": len(gzip.compress(compiled.data, mtime=0)),
        "cells": 2,
        "clauses": 1,
        "literals": 2,
        "arms": 1,
    }


@pytest.mark.parametrize(
    ("advised", "hard", "words"),
    [
        (1, 9, None),
        (0, 9, "1 rungs for `edge`, over the advised limit of 0: offer fewer sizes."),
        (0, 0, "1 rungs for `edge`, over the hard limit of 0: offer fewer sizes."),
    ],
)
def test_an_excess_names_the_limit_and_the_remedy(
    advised: int, hard: int, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = compile_catalog(write_catalog(tmp_path))
    arms = msgspec.structs.replace(LIMITS["edge"][-1], advised=advised, hard=hard)
    monkeypatch.setitem(check_targets.LIMITS, "edge", (arms,))
    found = list(check_target(compiled.bundle, compiled.data, "edge"))
    assert [each.finding.message for each in found] == ([words] if words else [])
    assert [each.hard for each in found] == ([hard == 0] if words else [])
