"""The offer token: whoever holds the secret made it, nobody changed it, its time is not over."""

from __future__ import annotations

import hmac
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from edge.decision.errors import TokenError
from edge.decision.jws import to_base64url
from edge.decision.token import (
    LABEL,
    SIZE_LIMIT_BYTES,
    Token,
    issue_token,
    read_token,
)
from tests.support.parts import ROOT

SECRET, OTHER = bytes(range(32)), bytes(32)
NOW_S = 1_790_000_000
TOKEN = Token(
    tenant="shop",
    id="0123456789abcdef" * 2,
    offer="welcome",
    rung="p10",
    placement="home_hero",
    subject="v-8c1f",
    issued_s=NOW_S,
    expires_s=NOW_S + 14 * 86_400,
    bundle="ab" * 32,
)
TEXT = issue_token(SECRET, TOKEN)

words = st.text(min_size=1, max_size=24, alphabet=st.characters(min_codepoint=0x20, codec="utf-8"))
tokens = st.builds(
    Token,
    **dict.fromkeys(("tenant", "id", "offer", "rung", "placement", "subject", "bundle"), words),
    issued_s=st.integers(0, 1 << 40),
    expires_s=st.integers(1, 1 << 40),
)


def refused(code: str, text: str, **lent: Any) -> TokenError:
    with pytest.raises(TokenError) as caught:
        read_token(**{"secret": SECRET, "text": text, "tenant": "shop", "now_s": NOW_S} | lent)
    assert caught.value.code == code
    return caught.value


@given(tokens)
def test_every_issued_token_is_read_until_it_expires(token: Token) -> None:
    text = issue_token(SECRET, token)
    assert read_token(SECRET, text, token.tenant, token.expires_s - 1) == token
    refused("EXPIRED", text, tenant=token.tenant, now_s=token.expires_s)


@given(tokens, st.data())
def test_every_changed_token_is_refused(token: Token, data: st.DataObject) -> None:
    text = issue_token(SECRET, token)
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.text(max_size=3))
    cut = data.draw(st.integers(0, 3))
    changed = text[:at] + put + text[at + cut :]
    if changed != text:
        with pytest.raises(TokenError):
            read_token(SECRET, changed, token.tenant, token.expires_s - 1)


def test_a_bit_flipped_anywhere_is_noticed() -> None:
    for at in range(len(TEXT)):
        flipped = TEXT[:at] + chr(ord(TEXT[at]) ^ 1 << at % 7) + TEXT[at + 1 :]
        with pytest.raises(TokenError):
            read_token(SECRET, flipped, "shop", NOW_S)


def test_a_token_cut_off_anywhere_is_refused() -> None:
    for length in range(len(TEXT)):
        with pytest.raises(TokenError):
            read_token(SECRET, TEXT[:length], "shop", NOW_S)


@given(st.text(max_size=200))
def test_any_text_gives_a_refusal_and_nothing_else(text: str) -> None:
    with pytest.raises(TokenError):
        read_token(SECRET, text, "shop", NOW_S)


FORMS = {
    "empty": "",
    "one part": TEXT.replace(".", ""),
    "three parts": f"{TEXT}.",
    "a line break at the end": f"{TEXT}\n",
    "padded": f"{TEXT}=",
    "not ASCII": f"{TEXT}é",
    "half a character": f"{TEXT}\ud800",
    "too long": "A" * SIZE_LIMIT_BYTES + TEXT,
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_a_token_in_bad_form_is_refused(text: str) -> None:
    refused("MALFORMED", text)


def signed(payload: bytes, label: bytes = LABEL) -> str:
    """A text with a true MAC around any payload."""
    part = to_base64url(payload)
    mac = hmac.digest(SECRET, label + part, "sha256")
    return (part + b"." + to_base64url(mac)).decode()


PAYLOAD = msgspec.json.encode(TOKEN)
PAYLOADS = {
    "an unknown field": PAYLOAD[:-1] + b',"more":1}',
    "a field twice": PAYLOAD[:-1] + b',"offer":"big"}',
    "a missing field": b'{"tenant":"shop"}',
    "an empty subject": PAYLOAD.replace(b"v-8c1f", b""),
    "a control character": PAYLOAD.replace(b"v-8c1f", b"v\\u001f8"),
    "no JSON": b"welcome",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_of_another_make_is_refused_although_it_was_signed(payload: bytes) -> None:
    refused("MALFORMED", signed(payload))


def test_a_token_of_another_secret_is_refused() -> None:
    refused("SIGNATURE", TEXT, secret=OTHER)


def test_a_mac_of_another_use_of_the_secret_makes_no_token() -> None:
    assert signed(PAYLOAD) == TEXT
    refused("SIGNATURE", signed(PAYLOAD, label=b""))
    refused("SIGNATURE", signed(PAYLOAD, label=b"proffer-cookie."))


def test_a_token_of_another_tenant_is_refused() -> None:
    refused("TENANT", issue_token(SECRET, structs.replace(TOKEN, tenant="rival")))


def test_faults_are_found_in_the_documented_order() -> None:
    stale = issue_token(SECRET, structs.replace(TOKEN, tenant="rival", expires_s=1))
    refused("MALFORMED", f"{stale}=", secret=OTHER)
    refused("SIGNATURE", stale, secret=OTHER)
    refused("TENANT", stale)
    refused("EXPIRED", stale, tenant="rival")


@pytest.mark.parametrize(
    "changes", [{"subject": "v" * 900}, {"offer": ""}, {"subject": "\ud800"}, {"rung": "a\nb"}]
)
def test_a_token_that_could_not_be_read_is_not_issued(changes: dict[str, str]) -> None:
    with pytest.raises(TokenError, match="MALFORMED"):
        issue_token(SECRET, structs.replace(TOKEN, **changes))


def test_1_kib_is_read_and_not_a_byte_more() -> None:
    refused("SIGNATURE", "A" * (SIZE_LIMIT_BYTES - len(TEXT)) + TEXT)
    refused("MALFORMED", "A" * (SIZE_LIMIT_BYTES - len(TEXT) + 1) + TEXT)


def test_a_token_of_the_longest_names_fits() -> None:
    names = dict.fromkeys(("tenant", "offer", "rung", "placement"), "n" * 64)
    longest = structs.replace(TOKEN, **names, subject="u" * 128)
    assert len(issue_token(SECRET, longest)) <= SIZE_LIMIT_BYTES


@pytest.mark.parametrize("secret", [b"", b"short", bytes(31)])
def test_a_short_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        issue_token(secret, TOKEN)
    with pytest.raises(ValueError, match="32 bytes"):
        read_token(secret, TEXT, "shop", NOW_S)


def test_the_reference_names_every_refusal() -> None:
    page = (ROOT / "docs/reference/trust.md").read_text().partition("\n## Offer tokens")[2]
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.M)) == set(TokenError.CODES)
