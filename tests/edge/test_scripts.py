"""The scripts that pages ask the edge for: cached for ever, never stale, and those a page names."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256

import pytest

from edge.browser.embedding import PageSettings, first_script, head_html, integrity_of
from edge.scripts import kernel_script_address
from tests.support.edges import World, assert_problem


@pytest.mark.parametrize("plain", [False, True])
def test_the_kernel_script_is_named_by_its_content_and_kept_for_ever(w: World, plain: bool) -> None:
    address = kernel_script_address(plain)
    answer = w.visitor().get(address)
    assert answer.content == first_script(plain)
    assert sha256(answer.content).hexdigest()[:16] in address
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("plain", [False, True])
def test_a_page_names_the_script_that_the_edge_serves_with_its_hash(w: World, plain: bool) -> None:
    head = head_html(PageSettings(), plain=plain)
    (found,) = re.findall(r'src="([^"]+)" integrity="([^"]+)" async blocking="render"', head)
    address, integrity = found
    assert integrity == integrity_of(w.visitor().get(address).content)


def test_the_script_of_another_version_is_not_there(w: World) -> None:
    assert_problem(w.visitor().get("/_proffer/first.0123456789abcdef.js"), 404, "not-found")


@pytest.mark.parametrize("address", ["/_proffer/page.js", kernel_script_address()])
def test_scripts_are_packed_for_whoever_takes_that(w: World, address: str) -> None:
    visitor = w.visitor()
    whole = visitor.get(address, **{"accept-encoding": "identity"})
    assert "content-encoding" not in whole.headers
    packed = visitor.get(address, **{"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.content == whole.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(whole.content, 9, mtime=0))
    assert packed.headers["vary"] == whole.headers["vary"] == "accept-encoding"
    assert packed.headers["etag"] != whole.headers["etag"]


@pytest.mark.parametrize("address", ["/_proffer/page.js", kernel_script_address()])
def test_who_has_a_script_is_told_so(w: World, address: str) -> None:
    etag = w.visitor().get(address).headers["etag"]
    again = w.visitor().get(address, **{"if-none-match": f'"other", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
