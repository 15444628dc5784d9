"""Offers as HTML: text stays text, and addresses lead where the catalog may lead."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.deciding import Decided
from edge.rendering import fill_slot, is_safe_address, offer_html, script_element, with_token


def an_offer(token: str | None = None, disclosure: bool = False, **creative: str) -> Decided:
    return Decided(
        placement="hero", decision="d" * 32, reason="BEST", offer="ten", rung="p10",
        creative=creative, token=token, disclosure=disclosure,
    )  # fmt: skip


class Elements(HTMLParser):
    """Names of elements, and all text, of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.said = ""
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes[tag] = dict(attrs)

    def handle_data(self, data: str) -> None:
        self.said += data


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(texts, texts, texts, texts)
def test_no_text_becomes_markup(headline: str, body: str, cta: str, alt: str) -> None:
    html = offer_html(
        an_offer(headline=headline, body=body, cta=cta, image_alt=alt, href="/a", image="/b.svg"),
        "en",
    )
    found = Elements(html)
    assert found.names == ["div", "img", "h2", "p", "a"]
    assert found.said == headline + body + cta
    assert found.attributes["img"] == {"src": "/b.svg", "alt": alt}


def test_what_a_creative_does_not_have_is_left_out() -> None:
    assert Elements(offer_html(an_offer(headline="Hello"), "en")).names == ["div", "h2"]


SAFE = ["/", "/cart?a=1&b=2#top", "/a%20b", "https://pocket.example/x", "HTTPS://pocket.example"]
UNSAFE = [
    "", "cart", "//evil.example", "/\\evil.example", "http://pocket.example", "javascript:alert(1)",
    "java\nscript:alert(1)", " /cart", "/ca rt", "data:text/html,x", "https:", "https:///x",
    "https://user@evil.example", "https://[", "\\\\evil", "/a\tb", "https://pocket.example\\@evil",
]  # fmt: skip


@pytest.mark.parametrize("address", SAFE)
def test_paths_and_https_are_addresses(address: str) -> None:
    assert is_safe_address(address)


@pytest.mark.parametrize("address", UNSAFE)
def test_everything_else_is_left_out(address: str) -> None:
    assert not is_safe_address(address)
    html = offer_html(an_offer(headline="x", cta="go", href=address, image=address), "en")
    assert Elements(html).names == ["div", "h2"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/cart", "/cart?proffer_token=t.t"),
        ("/cart?a=1", "/cart?a=1&proffer_token=t.t"),
        ("/cart?", "/cart?proffer_token=t.t"),
        ("/cart?a=1&", "/cart?a=1&proffer_token=t.t"),
        ("/cart#top", "/cart?proffer_token=t.t#top"),
        ("/cart?a=1#top?x", "/cart?a=1&proffer_token=t.t#top?x"),
        ("https://pocket.example", "https://pocket.example?proffer_token=t.t"),
    ],
)
def test_the_token_joins_the_query(address: str, expected: str) -> None:
    assert with_token(address, "t.t") == expected
    assert parse_qs(urlsplit(expected).query)["proffer_token"] == ["t.t"]


def test_a_notice_stands_where_the_law_asks_for_one() -> None:
    html = offer_html(an_offer(headline="x", disclosure=True), "de-AT")
    assert "automatisiert" in Elements(html).said
    assert "automatically" in offer_html(an_offer(headline="x", disclosure=True), "xx")


def test_an_offer_that_has_nothing_to_show_leaves_the_default() -> None:
    assert fill_slot(an_offer(), "en").content is None


def test_only_a_real_nonce_is_copied() -> None:
    assert script_element("script-src 'nonce-\"><script>'") == script_element("")
    assert 'nonce="abc="' in script_element("default-src 'self'; script-src 'nonce-abc='")
