"""What fuzzing found worth keeping, replayed: the invariants of `fuzz/targets.py` hold.

`make fuzz` searches on from here, with atheris; nothing of it is needed for this.
"""

from __future__ import annotations

from time import process_time

import pytest

from edge.decision.bundle import open_bundle
from edge.decision.errors import BundleError
from fuzz import targets
from fuzz.mutate import spoiled
from fuzz.seeds import CORPUS, seeds
from tests.support.bundles import tiny_bundle

SIZE_MAX_BYTES = 300_000
EACH_MAX_S = 10.0


@pytest.mark.parametrize("target", targets.TARGETS)
def test_every_kept_input_keeps_the_invariant_in_bounded_time(target: str) -> None:
    outcomes = set()
    for name, data in seeds(target).items():
        start_s = process_time()
        outcomes.add(targets.TARGETS[target](data))
        assert process_time() - start_s < EACH_MAX_S, name
    assert outcomes == {targets.ACCEPTED, targets.REFUSED}


def test_the_corpus_stays_small() -> None:
    assert sum(file.stat().st_size for file in CORPUS.rglob("*") if file.is_file()) < SIZE_MAX_BYTES


def test_a_bundle_spoiled_in_a_column_is_refused_or_decides() -> None:
    whole = seeds("bundle")["everything"]
    results = [targets.bundle(spoiled(whole, seed) or b"") for seed in range(1500)]
    assert {targets.ACCEPTED, targets.REFUSED} == set(results)


def test_a_bundle_cut_anywhere_is_refused() -> None:
    whole = tiny_bundle()
    for end in range(len(whole)):
        with pytest.raises(BundleError):
            open_bundle(whole[:end])


def test_an_invariant_that_breaks_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise KeyError(data)

    monkeypatch.setattr(targets, "open_bundle", broken)
    with pytest.raises(KeyError):
        targets.bundle(b"PRFR")
