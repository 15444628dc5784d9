"""Which links and pictures a creative may hold."""

from __future__ import annotations

import pytest

from policy_compiler.links import refusal


@pytest.mark.parametrize(
    "link",
    [
        "/",
        "/sale?x=1&y=2#top",
        "/été",
        "https://cdn.example.com",
        "https://cdn.example.com/a.png?b",
        "https://CDN.example.com/a",
        "https://shop.example:8443/a",
    ],
)
def test_paths_and_listed_hosts_may_be_linked(link: str) -> None:
    assert refusal(link, ["cdn.example.com", "shop.example:8443"]) == ""


@pytest.mark.parametrize(
    "link",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://cdn.example.com/a",
        "HTTPS://cdn.example.com/a",
        "https:/cdn.example.com",
        "https://evil.example/cdn.example.com",
        "https://cdn.example.com.evil.example/",
        "https://cdn.example.com@evil.example/",
        "https://evil.example#@cdn.example.com/",
        "https://cdn.example.com:444/",
        "https://",
        "sale",
        " /sale",
        "/sa le",
        "/sa\tle",
        "/\n/evil.example",
        '/"onload="x',
        "/\x00",
        "/\x7f",
    ],
)
def test_every_other_link_is_refused(link: str) -> None:
    assert refusal(link, ["cdn.example.com"])
