"""The same core in Pyodide under Node: every byte as CPython gives it.

Three questions go over, each a single batch: all vectors of the suite; 2,000 requests
as JSON over the example store's policy and made-up ones; and the 10,000 made-up cases.
What comes back are the encoded requests, or the error's code, and the verdicts.
"""

from __future__ import annotations

import msgspec

from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_request
from policy_compiler.compiling import compile_catalog
from policy_compiler.emit import emit
from tests.conformance.building import manifest_bytes, request_bytes
from tests.conformance.cases import POLICIES, themes
from tests.conformance.generated import FILE, read_generated
from tests.support.parts import ROOT
from tests.support.policies import random_plan
from tests.support.pyodide import Pyodide
from tests.support.requests import RequestMaker

GENERATED = 2000
STORE_SHARE = 1000
MADE_UP_POLICIES = 40

Question = tuple[int, bytes, bytes]
"""Row of the bundle, manifest block, JSON text."""

THERE = """
import msgspec
from edge.decision.bundle import open_bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.request_json import encode_request

def main(payload):
    bundles, questions = msgspec.msgpack.decode(payload)
    opened = [open_bundle(data) for data in bundles]
    return msgspec.msgpack.encode([answer(opened[row], *rest) for row, *rest in questions])

def answer(bundle, manifest, text):
    try:
        encoded = encode_request(bundle, text)
    except RequestError as error:
        return error.code.encode(), b""
    return encoded.data, decide(bundle, manifest, encoded.data)
"""


DECIDE_THERE = """
import msgspec
from edge.decision.bundle import open_bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError

def main(payload):
    bundles, manifests, questions = msgspec.msgpack.decode(payload)
    opened = [open_bundle(data) for data in bundles]
    answers = [answer(opened[b], manifests[m], request) for b, m, request in questions]
    return msgspec.msgpack.encode(answers)

def answer(bundle, manifest, request):
    try:
        return decide(bundle, manifest, request)
    except RequestError:
        return b""
"""


def _here(bundle: Bundle, manifest: bytes, text: bytes) -> tuple[bytes, bytes]:
    try:
        encoded = encode_request(bundle, text)
    except RequestError as error:
        return error.code.encode(), b""
    return encoded.data, decide(bundle, manifest, encoded.data)


def _same_bytes_on_both(
    pyodide: Pyodide, bundles: list[bytes], questions: list[Question]
) -> list[tuple[bytes, bytes]]:
    opened = [open_bundle(data) for data in bundles]
    here = [_here(opened[row], manifest, text) for row, manifest, text in questions]
    answer = pyodide.run(THERE, msgspec.msgpack.encode((bundles, questions)))
    there = msgspec.msgpack.decode(answer, type=list[tuple[bytes, bytes]])
    assert len(there) == len(here)
    different = [i for i, (a, b) in enumerate(zip(here, there, strict=True)) if a != b]
    assert not different, f"{len(different)} differ, first: {questions[different[0]]}"
    return here


def test_every_case_of_the_suite_gives_the_same_bytes_there(pyodide: Pyodide) -> None:
    policies = sorted({theme.policy for theme in themes()})
    bundles = [(POLICIES / f"{name}.bundle").read_bytes() for name in policies]
    questions = [
        (policies.index(theme.policy), manifest_bytes(theme, case), request_bytes(theme, case))
        for theme in themes()
        for case in theme.cases
    ]
    _same_bytes_on_both(pyodide, bundles, questions)


def test_2000_generated_requests_give_the_same_bytes_there(pyodide: Pyodide) -> None:
    store = compile_catalog(ROOT / "examples" / "store" / "catalog").data
    bundles = [store, *(emit(random_plan(seed)) for seed in range(MADE_UP_POLICIES))]
    questions = [
        question
        for row, data in enumerate(bundles)
        for question in _questions(row, open_bundle(data))
    ]
    assert len(questions) == GENERATED
    answers = _same_bytes_on_both(pyodide, bundles, questions)
    assert sum(len(verdict) > 0 for _, verdict in answers) > GENERATED * 0.9
    assert len({verdict for _, verdict in answers}) > GENERATED * 0.5


def _questions(row: int, bundle: Bundle) -> list[Question]:
    count = STORE_SHARE if row == 0 else (GENERATED - STORE_SHARE) // MADE_UP_POLICIES
    maker = RequestMaker(bundle, seed=row)
    return [(row, pack_manifest(maker.manifest()), maker.request().text) for _ in range(count)]


def test_the_10000_made_up_cases_give_the_same_bytes_there(pyodide: Pyodide) -> None:
    cases = read_generated(FILE)
    questions = [(each.bundle, each.manifest, each.request) for each in cases.questions]
    payload = msgspec.msgpack.encode((cases.bundles, cases.manifests, questions))
    verdicts = msgspec.msgpack.decode(pyodide.run(DECIDE_THERE, payload), type=list[bytes])
    assert len(verdicts) == len(cases.verdicts) == 10_000
    different = [i for i, verdict in enumerate(verdicts) if verdict != cases.verdicts[i]]
    assert not different, f"{len(different)} differ, first: case {different[0]}"
