"""What requests show by themselves: language, device, consent, country."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.asgi import Message, Request
from edge.decision.request import CONSENTS
from edge.visiting import device_type, is_locale, observe, preferred_locale, settle_consent


async def no_body() -> Message:
    return {"type": "http.request"}


def a_request(**headers: str) -> Request:
    sent = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": sent}
    return Request(scope, no_body)


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", ""), ("de", "de"), ("de-AT,de;q=0.9,en;q=0.8", "de-AT"), ("en;q=0.5, fr", "fr"),
        ("*", ""), ("*, en;q=0.1", "en"), ("en;q=0", ""), ("en;q=x, de;q=0.1", "de"),
        ("en, de", "en"),
        ("x" * 36 + ", en;q=0.1", "en"), (";q=1", ""), ("en ; q=0.2 , de ; q=0.3", "de"),
    ],
)  # fmt: skip
def test_the_best_liked_language_is_taken(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


@given(st.text())
def test_no_language_header_is_too_strange(header: str) -> None:
    found = preferred_locale(header)
    assert not found or is_locale(found)


IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Mobile/15E148"
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605 Mobile/15E148"
PIXEL = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537 Chrome/156 Mobile Safari/537"
TAB = "Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537 Chrome/156 Safari/537"
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537 Chrome/156 Safari/537"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (IPHONE, "phone"),
        (IPAD, "tablet"),
        (PIXEL, "phone"),
        (TAB, "tablet"),
        (LAPTOP, "desktop"),
        ("curl/8", "desktop"),
        ("", ""),
    ],
)
def test_devices_are_told_apart(user_agent: str, device: str) -> None:
    assert device_type(user_agent) == device


def test_only_headers_that_the_settings_name_are_believed() -> None:
    request = a_request(cf_ipcountry="DE", x_country="FR")
    assert observe(request, {"CF-IPCountry": "geo.country"}) == {"geo.country": "DE"}
    assert observe(request, {}) == {}


@pytest.mark.parametrize("nowhere", ["XX", "T1", ""])
def test_a_country_that_nobody_knows_is_absent(nowhere: str) -> None:
    assert observe(a_request(cf_ipcountry=nowhere), {"CF-IPCountry": "geo.country"}) == {}


@given(st.lists(st.sampled_from([*CONSENTS, "", None, "granted"])), st.sampled_from(CONSENTS))
def test_consent_is_the_strictest_word_and_an_unknown_word_is_none(
    said: list[str | None], default: str
) -> None:
    words = [word for word in said if word]
    settled = settle_consent(said, default)
    if not words:
        assert settled == default
    elif "none" in words or "granted" in words:
        assert settled == "none"
    else:
        assert settled == ("contextual" if "contextual" in words else "full")
