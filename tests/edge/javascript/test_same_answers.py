"""The JavaScript edge answers what the server's edge answers: same routes, same words.

Where a parser of JSON tells what is wrong, it does so in its own words.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.edge.worker.test_same_answers import (
    ODD,
    both,
    seen,
    server,
    shape,
    test_the_same_offers_are_confirmed,
    test_the_same_page_is_the_same_but_for_its_ids,
    test_the_same_visitor_gets_the_same_offers,
)
from tests.support.edges import World
from tests.support.workers import Fleet

__all__ = [
    "both",
    "server",
    "test_the_same_offers_are_confirmed",
    "test_the_same_page_is_the_same_but_for_its_ids",
    "test_the_same_visitor_gets_the_same_offers",
]

IN_OWN_WORDS = {
    "nothing at all", "no JSON", "no UTF-8", "a batch that is none", "a batch of nonsense",
    "a session of nobody",
}  # fmt: skip
MORE: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "a wrong key": (
        "POST", "/ofrep/v1/evaluate/flags", {"x-api-key": "wrong"}, b'{"context":{}}'
    ),
    "no such flag": ("POST", "/ofrep/v1/evaluate/flags/%C3%BC", {}, b'{"context":{}}'),
    "another part of OFREP": ("POST", "/ofrep/v1/configuration", {}, b"{}"),
    "reading flags": ("GET", "/ofrep/v1/evaluate/flags", {}, b""),
    "a context that is none": ("POST", "/ofrep/v1/evaluate/flags", {}, b'{"context":[]}'),
    "an unknown field of ours": (
        "POST", "/ofrep/v1/evaluate/flags", {}, b'{"context":{"proffer.x":1}}'
    ),
    "a text for attributes": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero"],"attributes":"x"}'
    ),
    "a number for a locale": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero"],"locale":1}'
    ),
    "a session of nobody": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero"],"session":"\xc3\xbc"}'
    ),
    "nested too deeply": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero"],"attributes":[[[[[[[[1]]]]]]]]}'
    ),
    "a strange name": ("POST", "/_proffer/decide", {}, b'{"placements":["hero"],"\\u00fc\'\\n":1}'),
    "consent to nothing": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero","nowhere"],"consent":"none"}'
    ),
    "inherited names": (
        "POST", "/_proffer/decide", {}, b'{"placements":["constructor","__proto__"]}'
    ),
    "consent to nobody knows what": (
        "POST", "/_proffer/decide", {}, b'{"placements":["hero"],"consent":"maybe"}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*ODD, *MORE])
def test_odd_requests_get_the_same_answer(both: tuple[World, Fleet], name: str) -> None:
    method, path, headers, content = (ODD | MORE)[name]
    plain = headers | {"accept-encoding": "identity"}
    here, there = (
        shape(seen(visitor.client.request(method, path, headers=plain, content=content)))
        for visitor in (both[0].visitor(), both[1].visitor("address"))
    )
    if name in IN_OWN_WORDS:
        here, there = without_detail(here), without_detail(there)
    assert there == here
    assert here[0] < 500


def without_detail(answer: Any) -> Any:
    status, headers, content = answer
    problem = json.loads(content)
    assert problem.pop("detail")
    return status, headers, problem
