"""Personal values that the shop vouches for reach the decision and its record, and no browser.

Records go from the edge to the control plane.  What of a decision passes through the browser (the
page, the answer of a decide call, receipts, tokens, cookies) holds none of them, so there is
nothing in it to seal.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edge.cookies import STATE_COOKIE
from tests.support.edges import Visitor, World, a_shown, compile_pocket, until, world
from tests.support.sessions import only, session_token

SECRET = "platinum-7431"
DECLARED = "customer.tier: {type: string, source: signed, values: [none, gold], labels: [personal]}"
TEXTS = re.compile(rb"[A-Za-z0-9_-]{8,}")


@cache
def bundle_with_free_texts() -> bytes:
    return compile_pocket(
        lambda text: text.replace(DECLARED, DECLARED.replace("values: [none, gold], ", ""))
    )


@pytest.fixture
def personal(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, published=False) as made:
        made.control.publish(1, bundle_with_free_texts())
        until(lambda: made.health()["policy"])
        yield made


def holds_it(data: bytes) -> bool:
    """As it is, or in any base64 of it."""
    found = [urlsafe_b64decode(text[: len(text) // 4 * 4]) for text in TEXTS.findall(data)]
    return any(SECRET.encode() in one for one in (data, *found))


def cookies_of(visitor: Visitor) -> bytes:
    return json.dumps(visitor.cookies).encode()


def was_decided_on(w: World) -> bool:
    return any(SECRET.encode() in record.request for record in w.control.records().values())


def test_the_check_sees_a_value_in_base64() -> None:
    assert holds_it(b'"token": "' + b64encode(json.dumps({"tier": SECRET}).encode()) + b'"')


def test_a_page_holds_none(personal: World) -> None:
    said = json.dumps({"attributes": {"customer.tier": SECRET}}).encode()
    context = b64encode(said).decode().replace("+", "-").replace("/", "_")
    names = ("hero", "side", "drawn")
    slots = "".join(f'<proffer-slot placement="{name}"></proffer-slot>' for name in names)
    personal.shop.put("/page", f"<html><body>{slots}</body></html>", proffer_context=context)
    visitor = personal.visitor()
    page = visitor.get("/page")
    assert "proffer-offer" in page.text and "data-receipt" in page.text
    assert not holds_it(page.content + str(page.headers).encode() + cookies_of(visitor))
    until(lambda: was_decided_on(personal))


def test_answers_and_what_the_beacon_sets_hold_none(personal: World) -> None:
    visitor = personal.visitor()
    session = session_token(attributes={"customer.tier": SECRET})
    answer = visitor.decide("hero", session=session)
    decided = only(answer)
    visitor.beacon(a_shown(decided))
    assert decided["token"] and decided["receipt"]
    assert len(visitor.cookies[STATE_COOKIE]) > 100  # it keeps a choice
    assert not holds_it(json.dumps(answer).encode() + cookies_of(visitor))
    until(lambda: was_decided_on(personal))
