"""kernel.js under Node: the whole conformance suite, and made-up requests, byte for byte."""

from __future__ import annotations

import json
import re

import pytest

from edge.decision.bundle import open_bundle
from edge.decision.errors import BundleError, RequestError
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import FIELDS
from edge.decision.tables import COLUMNS, ENUMERATED
from edge.kernel.build import LOADER, SMALL_LOADER
from policy_compiler.emit import emit
from tests.support.policies import random_plan
from tests.support.requests import RequestMaker

from .asking import InNode, Question, ask
from .suite import (
    check_2000_made_up_requests,
    check_10000_generated_cases,
    check_every_case,
    check_every_text,
    same_answers,
)

BOTH = pytest.mark.parametrize(
    "home", [InNode(), InNode(SMALL_LOADER)], ids=lambda home: home.loader.name
)
PLAIN = InNode(SMALL_LOADER, plain=True)


@BOTH
def test_every_case_of_the_suite_gives_the_same_bytes_in_node(home: InNode) -> None:
    check_every_case(home)


def test_10000_generated_cases_give_the_same_verdicts_in_node() -> None:
    check_10000_generated_cases(InNode())


@BOTH
def test_2000_made_up_requests_are_encoded_and_decided_alike_in_node(home: InNode) -> None:
    check_2000_made_up_requests(home)


@BOTH
def test_decisions_become_the_same_texts_in_node(home: InNode) -> None:
    check_every_text(home)


def test_every_case_of_the_suite_gives_the_same_bytes_as_plain_javascript() -> None:
    check_every_case(PLAIN)


def test_10000_generated_cases_give_the_same_verdicts_as_plain_javascript() -> None:
    check_10000_generated_cases(PLAIN)


def test_2000_made_up_requests_are_encoded_and_decided_alike_as_plain_javascript() -> None:
    check_2000_made_up_requests(PLAIN)


GOOD = {
    "visitor": "v", "nonce": "n", "consent": "full", "now_s": 1_772_625_600, "placements": ["p"],
}  # fmt: skip
ODD: list[object] = [
    GOOD,
    {**GOOD, "locale": ""},
    {**GOOD, "locale": 0},
    {**GOOD, "locale": False},
    {**GOOD, "locale": "x" * 36},
    {**GOOD, "visitor": ""},
    {**GOOD, "visitor": None},
    {**GOOD, "visitor": "é" * 64},
    {**GOOD, "visitor": "é" * 65},
    {**GOOD, "customer": ""},
    {**GOOD, "customer": None},
    {**GOOD, "nonce": "a\x7fb"},
    {**GOOD, "nonce": "a\x1fb"},
    {**GOOD, "nonce": "\ud83d"},
    {**GOOD, "now_s": True},
    {**GOOD, "now_s": -0.0},
    {**GOOD, "now_s": 1.5},
    {**GOOD, "now_s": 1 << 32},
    {**GOOD, "consent": "Full"},
    {**GOOD, "consent": None},
    {**GOOD, "placements": []},
    {**GOOD, "placements": {}},
    {**GOOD, "placements": [1]},
    {**GOOD, "placements": ["p", "p"]},
    {**GOOD, "placements": ["p", "a", "b", "\U0001f600", "__proto__"]},
    {**GOOD, "placements": [f"p{i}" for i in range(65)]},
    {**GOOD, "__proto__": {}},
    {**GOOD, "constructor": 1},
    {**GOOD, "attributes": []},
    {**GOOD, "attributes": None},
    {**GOOD, "attributes": {"__proto__": 1, "constructor": 2, "toString": None, "b": 3}},
    {**GOOD, "taken": [{"placement": "p", "slot": 0, "arm": "none"}]},
    {**GOOD, "taken": [{"placement": "p", "slot": 0, "arm": "constructor"}]},
    {**GOOD, "taken": [{"placement": "p", "slot": 65536, "arm": "none"}]},
    {**GOOD, "taken": [{"placement": "p", "slot": 0}]},
    {**GOOD, "taken": [{"placement": "p", "slot": 0, "__proto__": "none"}]},
    {**GOOD, "taken": [None]},
    {**GOOD, "state": {}},
    {**GOOD, "state": []},
    {**GOOD, "state": {"overflow": True}},
    {**GOOD, "state": {"overflow": None}},
    {**GOOD, "state": {"caps": None, "kept": None, "overflow": False}},
    {**GOOD, "state": {"caps": [{"key": 1, "window": 2, "count": 1 << 32}]}},
    {**GOOD, "state": {"caps": [{"key": 1, "window": 2, "count": (1 << 32) - 1}]}},
    {**GOOD, "state": {"more": 1}},
    {**GOOD, "state": {"kept": [{"placement_key": 1, "slot": 0, "redraw": 65536, "epoch": 1,
                                 "arm_key": 2, "drawn_by": "0" * 32}]}},
    {**GOOD, "state": {"kept": [{"placement_key": 1, "slot": 0, "redraw": 65535, "epoch": 1,
                                 "arm_key": 2, "drawn_by": "0123456789abcdef" * 2}]}},
    {**GOOD, "state": {"kept": [{"placement_key": 1, "slot": 0, "redraw": 0, "epoch": 1,
                                 "arm_key": 2, "drawn_by": "0123456789ABCDEF" * 2}]}},
    {**GOOD, "state": {"kept": [{"placement_key": 1, "slot": 0, "redraw": 0, "epoch": 1,
                                 "arm_key": 2, "drawn_by": ["0" * 32]}]}},
    [],
    None,
    "text",
]  # fmt: skip
TEXTS = [
    b"", b"{", b"{}x", b"\xef\xbb\xbf{}", b"{\"a\": NaN}", b"[" * 9, b"{\"a\":\"\\", b"\xff", b"01",
    b'{"nonce": "\\ud800"}', b'{"a": [[[[[[[[1]]]]]]]]}', b'{"a": "[[[[[[[[[[[["}', b"{\"a\":\t1}",
    b'{"a":"\t"}', b" " * 65537, b'"' + b"a" * 70000,
]  # fmt: skip


def test_odd_requests_are_refused_or_taken_alike_in_node() -> None:
    data = emit(random_plan(3))
    manifest = pack_manifest(RequestMaker(open_bundle(data), seed=3).manifest())
    texts = [json.dumps(each).encode() for each in ODD] + TEXTS
    answers = same_answers([data], [Question(0, manifest, "text", text) for text in texts])
    assert sum(not answer.error for answer in answers) >= 15


def test_an_object_is_encoded_as_its_text() -> None:
    data = emit(random_plan(5))
    maker = RequestMaker(open_bundle(data), seed=5)
    manifest = pack_manifest(maker.manifest())
    texts = [maker.request().text for _ in range(100)]
    by_text, by_object = (
        ask([data], [Question(0, manifest, kind, text) for text in texts])
        for kind in ("text", "object")
    )
    assert by_text == by_object


def test_a_bundle_that_is_none_is_refused_with_its_code() -> None:
    good = emit(random_plan(0))
    broken = [b"", b"PRFR" + bytes(12), good[:-1], b"prfr" + good[4:]]
    answers = ask(broken, [Question(row, b"", "text", b"{}") for row in range(len(broken))])
    for data, answer in zip(broken, answers, strict=True):
        with pytest.raises(BundleError) as refused:
            open_bundle(data)
        assert answer.error == f"BundleError {refused.value.code}"


def test_the_loader_reads_the_columns_that_it_names() -> None:
    text = LOADER.read_text()
    names = list(COLUMNS)
    ids = dict(re.findall(r"\b([A-Z]+(?:_[A-Z]+)?) = (\d+)", text.split("const TYPES")[0]))
    own = {"ENUMERATED": ENUMERATED, "SIZE_LIMIT": 65536, "VERDICT_BYTES": 589840}
    assert len(ids) == 15 + len(own)
    for name, value in ids.items():
        assert int(value) == (own[name] if name in own else names.index(name.lower()) + 1), name


def test_the_loader_knows_the_codes_and_fields() -> None:
    text = LOADER.read_text()
    lists = {
        name: re.findall(r'"(\w+)"', body)
        for name, body in re.findall(r"const (\w+) = \[([^\]]*)\];", text)
    }
    assert lists["BUNDLE_CODES"] == list(BundleError.CODES)
    assert lists["REQUEST_CODES"] == list(RequestError.CODES)
    assert set(lists["FIELDS"]) == FIELDS
