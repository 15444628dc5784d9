"""The kernel's C, compiled for this machine, against the Python reference."""

from __future__ import annotations

import ctypes
import gzip
import json

import pytest

from edge.decision.bundle import open_bundle, write_bundle
from edge.decision.decide import decide
from edge.decision.errors import BundleError, RequestError
from edge.decision.notes import pack_notes
from edge.kernel.native import KernelError, Opened
from policy_compiler.emit import emit
from tests.conformance import generated
from tests.conformance.cases import POLICIES
from tests.support.policies import random_plan

from .comparing import Compared, compare_policy, compare_spoiled
from .library import native
from .made_up_requests import Maker
from .made_up_tables import made_up_tables

SEED = 7
POLICY_COUNT, REQUESTS = 250, 80
SPOILED = 600


def test_20000_made_up_decisions_are_the_same_bytes() -> None:
    found = Compared()
    for seed in range(SEED, SEED + POLICY_COUNT):
        found.add(compare_policy(native(), seed, REQUESTS))
    assert not found.differences, found.differences[0]
    assert found.decided >= 0.95 * POLICY_COUNT * REQUESTS
    for outcome in ("reason 1", "reason 2", "reason 3", "reason 4", "reason 5"):
        assert found.pairs[outcome] > 100, found.pairs
    assert found.pairs["RequestError ENCODING"] > 100
    assert found.slots["with candidates"] > 0.25 * found.decided, found.slots
    assert found.slots["drawn"] > 0.25 * found.decided and found.slots["kept"] > 1000


def test_spoiled_bundles_are_refused_with_the_same_code() -> None:
    found = Compared()
    for seed in range(SPOILED):
        found.add(compare_spoiled(native(), seed))
    assert not found.differences, found.differences[0]
    assert {"opened", "COLUMN", "TABLE", "MEANING", "SECTION", "SIZE"} <= set(found.bundles)


def test_every_vector_of_the_suite_gives_its_verdict() -> None:
    suite = json.loads((POLICIES.parent / "vectors.json").read_text())
    opened = {
        name: native().open((POLICIES.parent / entry["file"]).read_bytes())
        for name, entry in suite["policies"].items()
    }
    decided = [vector for vector in suite["vectors"] if "encoded" in vector]
    assert len(decided) > 300
    for vector in decided:
        policy, given = opened[vector["policy"]], (vector["manifest"], vector["encoded"])
        assert policy.decide(*map(bytes.fromhex, given)).hex() == vector["verdict"], vector["id"]


def test_10000_generated_cases_give_their_verdicts() -> None:
    suite = generated.unpack_generated(gzip.decompress(generated.FILE.read_bytes()))
    opened = [native().open(bundle) for bundle in suite.bundles]
    for question, verdict in zip(suite.questions, suite.verdicts, strict=True):
        manifest = suite.manifests[question.manifest]
        try:
            found = opened[question.bundle].decide(manifest, question.request)
        except RequestError:
            found = generated.REFUSED
        assert found == verdict


def test_notes_are_not_judged() -> None:
    tables = made_up_tables(_random(3))
    tables.notes = b"\xc1"
    data = write_bundle(tables)
    with pytest.raises(BundleError, match="TEXT"):
        open_bundle(data)
    assert native().open(data)


def _random(seed: int):
    from random import Random

    return Random(seed)


# --- the memory that it is given ------------------------------------------------


def an_opened() -> tuple[Opened, bytes, bytes, bytes]:
    """A policy opened natively, a manifest block and a request for it, and their verdict."""
    data = emit(random_plan(1))
    bundle = open_bundle(data)
    maker = Maker(bundle, _random(1))
    manifest = maker.manifest()
    for _ in range(100):
        request = maker.request()
        verdict = decide(bundle, manifest, request)
        if len(verdict) > 200:
            return native().open(data), manifest, request, verdict
    raise AssertionError("no request gave a verdict with rows")


def test_scratch_that_is_too_small_or_askew_is_refused() -> None:
    data = emit(random_plan(1))
    opened = native().open(data)
    library, scratch, size = opened.library, opened.scratch, opened.scratch_bytes
    open_at = library.proffer_open
    assert open_at(opened.bundle, len(data), scratch, size - 1) == -33
    assert open_at(opened.bundle, len(data), ctypes.addressof(scratch) + 4, size - 8) == -33
    assert open_at(opened.bundle, len(data), scratch, size) == 0


def test_nothing_is_decided_where_nothing_was_opened() -> None:
    opened, manifest, request, _ = an_opened()
    opened.library.proffer_open(opened.bundle, 3, opened.scratch, opened.scratch_bytes)
    with pytest.raises(KernelError, match="-35"):
        opened.decide(manifest, request)


def test_a_verdict_that_does_not_fit_is_told_and_not_written_beyond() -> None:
    opened, manifest, request, verdict = an_opened()
    out = ctypes.create_string_buffer(b"\xaa" * (len(verdict) + 64))
    for room in (0, 15, 16, 80, len(verdict) - 1):
        ctypes.memset(out, 0xAA, len(out))
        given = (opened.scratch, manifest, len(manifest), request, len(request), out, room)
        assert opened.library.proffer_decide(*given) == -34
        assert out.raw[room:] == b"\xaa" * (len(out) - room - 0)
    assert opened.decide(manifest, request) == verdict


def test_a_scratch_serves_one_bundle_after_another() -> None:
    opened, manifest, request, verdict = an_opened()
    for _ in range(3):
        assert opened.decide(manifest, request) == verdict
        code = opened.library.proffer_open(
            opened.bundle, len(emit(random_plan(1))), opened.scratch, opened.scratch_bytes
        )
        assert code == 0
    assert opened.decide(manifest, request) == verdict


def test_a_header_that_cannot_be_one_needs_no_memory() -> None:
    scratch_bytes = native().library.proffer_scratch_bytes
    for data in (b"", b"PRFR", bytes(64), emit(random_plan(1))[:-1]):
        assert scratch_bytes(data, len(data)) == 0


def test_sha256_is_that_of_the_standard_library() -> None:
    from hashlib import sha256

    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000):
        data = bytes(range(256)) * 4
        assert native().sha256(data[:size]) == sha256(data[:size]).digest()


def test_notes_of_a_real_policy_do_not_change_its_verdicts() -> None:
    data = emit(random_plan(1))
    _, manifest, request, verdict = an_opened()
    tables = open_bundle(data).tables
    notes = open_bundle(data).notes
    tables.notes = pack_notes(notes) + b"more"
    assert native().open(write_bundle(tables)).decide(manifest, request) == verdict
