"""HTML that streams through the rewriter: what is filled, and what stays as it came."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from edge.pages import SLOT_LIMIT_BYTES, Fill, Filling, Rewriter, attributes_of

SLOT = '<proffer-slot placement="a">default</proffer-slot>'


def fill(attributes: Mapping[str, str]) -> Filling | None:
    """a slot named "keep" keeps its content, one named "no" is left alone."""
    name = attributes.get("placement", "no")
    if name in ("no", "keep"):
        return Filling({"data-kept": "1"}) if name == "keep" else None
    return Filling({"data-filled": name}, f"[{name}]")


def rewrite(html: bytes, fill: Fill = fill, limit_bytes: int = SLOT_LIMIT_BYTES) -> bytes:
    return rewrite_chunks([html], fill, limit_bytes)


def rewrite_chunks(
    chunks: Iterable[bytes], fill: Fill = fill, limit_bytes: int = SLOT_LIMIT_BYTES
) -> bytes:
    rewriter = Rewriter(fill, limit_bytes)
    return b"".join([*(rewriter.feed(chunk) for chunk in chunks), rewriter.close()])


def placements_found(html: str) -> list[str]:
    found: list[str] = []

    def note(attributes: Mapping[str, str]) -> None:
        found.append(attributes.get("placement", ""))

    rewrite(html.encode(), note)
    return found


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


# --- any document, any chunks -------------------------------------------------

PIECES = [
    "<", ">", "</", "/", "=", '"', "'", " ", "\n", "-", "!", "?", "a", "<!--", "-->", "--!>",
    "<!doctype>", "<proffer-slot", "<proffer-slot placement=a>", "<Proffer-SLOT placement='keep'>",
    "</proffer-slot>", "</proffer-slot", "<proffer-slots>", " placement=no", "<script>",
    "</script>", "<script", "</script", "<style>", "</style>", "<textarea>", "</textarea>", "<svg>",
    "</svg>", "<svg/>", "<style/>", "<![CDATA[", "]]>", "<plaintext", "<title>", "</title",
    'title="', "ü", "</>", "<p class=x>", "<foreignObject>", "<math>", "<select>", "\x1b", "<font>",
    "</p>", "<template>", "<col>",
]  # fmt: skip
documents = st.lists(st.sampled_from(PIECES), max_size=30).map(lambda x: "".join(x).encode())
limits = st.sampled_from([20, 45, 70, SLOT_LIMIT_BYTES])


@given(documents, st.lists(st.integers(0, 400)), limits)
def test_chunks_do_not_matter(html: bytes, places: list[int], limit_bytes: int) -> None:
    whole = rewrite(html, limit_bytes=limit_bytes)
    assert rewrite_chunks(cut(html, places), limit_bytes=limit_bytes) == whole


@given(documents, limits)
def test_a_byte_at_a_time_is_enough(html: bytes, limit_bytes: int) -> None:
    single = [html[i : i + 1] for i in range(len(html))]
    assert rewrite_chunks(single, limit_bytes=limit_bytes) == rewrite(html, limit_bytes=limit_bytes)


WHOLE = (
    "<!doctype html><title>a < b</title><!-- <proffer-slot> --><p title='<proffer-slot>'>ü"
    "<proffer-slot placement='a' class=\"x\">one<br></proffer-slot>"
    "<PROFFER-SLOT\nplacement=keep>own</PROFFER-SLOT ><script>'<proffer-slot>'</script>"
    "<proffer-slot placement=b><proffer-slot placement=c>in it</proffer-slot></proffer-slot>"
).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_a_page_with_several_slots_may_be_cut_at_every_byte(size: int) -> None:
    """In two pieces, and with a small piece in between that holds any part of any tag."""
    whole = rewrite(WHOLE)
    assert whole.count(b"data-filled") == 2 and whole.count(b"data-kept") == 1
    for place in range(len(WHOLE)):
        assert rewrite_chunks(cut(WHOLE, [place, place + size])) == whole, place


@given(st.one_of(st.binary(), documents), st.lists(st.integers(0, 400)))
def test_a_document_without_slots_comes_through_as_it_is(html: bytes, places: list[int]) -> None:
    html = html.lower().replace(b"proffer-slot", b"proffer-shop")
    assert rewrite_chunks(cut(html, places)) == html


@given(documents, st.lists(st.integers(0, 400)), limits)
def test_nothing_changes_where_nothing_is_filled(
    html: bytes, places: list[int], limit_bytes: int
) -> None:
    assert rewrite_chunks(cut(html, places), lambda _: None, limit_bytes) == html


@given(documents)
def test_the_quick_way_over_everyday_tags_finds_what_the_careful_way_finds(html: bytes) -> None:
    quick = rewrite(html)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.markup.EVERYDAY", re.compile(rb"[^<]+"))
        assert rewrite(html) == quick


@given(documents)
def test_what_stands_before_and_after_a_slot_stays(html: bytes) -> None:
    """Whatever a page does, a plain slot in front of it is filled and the rest goes on."""
    safe = html.lower().replace(b"proffer-slot", b"proffer-shop")
    assert rewrite(SLOT.encode() + safe).endswith(b"</proffer-slot>" + safe)


# --- one slot -----------------------------------------------------------------


def test_the_content_is_replaced_and_the_element_stays() -> None:
    page = f"<p>before{SLOT}after"
    expected = '<p>before<proffer-slot data-filled="a" placement="a">[a]</proffer-slot>after'
    assert rewrite(page.encode()).decode() == expected


def test_a_slot_without_offer_keeps_its_content_and_gets_attributes() -> None:
    page = b"<PROFFER-SLOT placement=keep>my <b>own</b></PROFFER-SLOT >"
    expected = b'<PROFFER-SLOT data-kept="1" placement=keep>my <b>own</b></PROFFER-SLOT >'
    assert rewrite(page) == expected


def test_a_slot_that_nobody_fills_stays_as_it_came() -> None:
    page = b"<proffer-slot  placement = 'no' >x</proffer-slot\n>"
    assert rewrite(page) == page


def test_what_follows_the_slot_stands_after_its_end_tag() -> None:
    filled = rewrite(SLOT.encode(), lambda _: Filling({}, "x", "<script></script>"))
    assert filled.endswith(b">x</proffer-slot><script></script>")


def test_texts_are_written_so_that_every_encoding_reads_them() -> None:
    filled = rewrite(SLOT.encode(), lambda _: Filling({"data-x": 'ü"<'}, "€5 für 🎁"))
    assert b'data-x="&#252;&quot;&lt;"' in filled
    assert "€5 für 🎁".encode("ascii", "xmlcharrefreplace") in filled


def test_slots_are_met_in_the_order_of_the_page() -> None:
    page = "".join(f"<proffer-slot placement={name}></proffer-slot>" for name in "cab")
    assert placements_found(page) == ["c", "a", "b"]


def test_a_slot_inside_a_slot_belongs_to_the_outer_one() -> None:
    page = f'<proffer-slot placement="outer">x{SLOT}y</proffer-slot>z'
    filled = rewrite(page.encode()).decode()
    assert filled == '<proffer-slot data-filled="outer" placement="outer">[outer]</proffer-slot>z'


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('<proffer-slot placement="a" class=b>', {"placement": "a", "class": "b"}),
        ("<proffer-slot placement='a>b' PLACEMENT=c>", {"placement": "a>b"}),
        ("<proffer-slot placement=&quot;>", {"placement": '"'}),
        ("<proffer-slot hidden/>", {"hidden": ""}),
        ("<proffer-slot>", {}),
    ],
)
def test_attributes_are_read_as_browsers_read_them(tag: str, expected: dict[str, str]) -> None:
    assert attributes_of(tag.encode()) == expected


# --- limits -------------------------------------------------------------------


def slot_of(size_bytes: int) -> bytes:
    begin, end = b"<proffer-slot placement=a>", b"</proffer-slot>"
    return begin + b"x" * (size_bytes - len(begin) - len(end)) + end


def test_a_slot_is_filled_up_to_the_limit_and_left_alone_beyond_it() -> None:
    largest, larger = slot_of(SLOT_LIMIT_BYTES), slot_of(SLOT_LIMIT_BYTES + 1)
    assert b"[a]" in rewrite(largest)
    assert rewrite(larger) == larger


def test_the_page_goes_on_being_filled_after_a_slot_that_was_too_large() -> None:
    assert rewrite(slot_of(SLOT_LIMIT_BYTES * 2) + SLOT.encode()).endswith(b"[a]</proffer-slot>")


def test_only_the_bytes_of_an_unfinished_slot_are_held() -> None:
    rewriter = Rewriter(fill)
    assert rewriter.feed(b"<p>text <b") == b"<p>text "
    assert rewriter.feed(b">bold<proffer-slot place") == b"<b>bold"
    assert rewriter.feed(b"x" * SLOT_LIMIT_BYTES).startswith(b"<proffer-slot placex")
    assert rewriter.feed(b"y" * 100) == b"y" * 100


def test_an_endless_attribute_of_another_element_is_not_held() -> None:
    rewriter = Rewriter(fill)
    rewriter.feed(b'<img src="data:')
    assert rewriter.feed(b"A" * 100_000) == b"A" * 100_000


@pytest.mark.parametrize("page", [SLOT[:-1], SLOT[:40], SLOT[:20], "<proffer", "<", SLOT + "<!-- "])
def test_a_page_that_breaks_off_loses_nothing(page: str) -> None:
    assert rewrite(page.encode(), lambda _: None).decode() == page


# --- what is a slot, and what only looks like one -----------------------------

SEEN = [
    f"<p>{SLOT}",
    f"<!-- {SLOT} -->{SLOT}",
    f"<!-->{SLOT}<!-- -->",
    f"<!--->{SLOT}<!-- -->",
    f"<!-- -- >{SLOT}--!>{SLOT}",
    f"<!---->{SLOT}",
    f"<!doctype html>{SLOT}",
    f"<?php {SLOT} ?>",
    f"</ {SLOT}>{SLOT}",
    f"</>{SLOT}",
    f"a < b {SLOT}",
    f"<3{SLOT}",
    f"<script>'{SLOT}'</script>{SLOT}",
    f"<SCRIPT>'{SLOT}'</Script >{SLOT}",
    f"<script><!-- <script> </script> {SLOT} --> </script>{SLOT}",
    f"<script><!-- </script>{SLOT}",
    f"<script><!--> <script> </script>{SLOT}",
    f"<script></scripts>{SLOT}</script/>{SLOT}",
    f"<style>{SLOT}</style>{SLOT}",
    f"<textarea>{SLOT}</textarea>{SLOT}",
    f"<head><title>{SLOT}</title></head>{SLOT}",
    f"<xmp>{SLOT}</xmp>{SLOT}",
    f"<iframe>{SLOT}</iframe>{SLOT}",
    f"<noscript>{SLOT}</noscript>{SLOT}",
    f"<p title='{SLOT}'>{SLOT}",
    f"<p title={SLOT}{SLOT}",
    f'<p a"b>{SLOT}<i "> {SLOT}',
    f'<p title=x"y>{SLOT}<i title="z">',
    f'<p ="x>{SLOT}<i "> ',
    f'<p title = "{SLOT}">{SLOT}',
    f"<svg><title>x</title><style/></svg>{SLOT}",
    f"<svg><![CDATA[ {SLOT} ]]></svg>{SLOT}",
    f"<![CDATA[ {SLOT} ]]>{SLOT}",
    f"<svg/><style></style>{SLOT}",
    f"<proffer-slots placement=x></proffer-slots>{SLOT}",
    f"<proffer-slot-x placement=x></proffer-slot-x>{SLOT}",
    f"</proffer-slot>{SLOT}</proffer-slot>",
    "<proffer-slot\tplacement=a\n></proffer-slot\t x=y>",
    "<proffer-slot/placement=a></proffer-slot/>",
    f"{SLOT}<plaintext>{SLOT}",
    # SVG and MathML, as pages have them.
    f"<svg><title>an icon</title><desc>of it</desc><path d='M0 0'/></svg>{SLOT}",
    f"<svg><style>a > b {{ fill: red }}</style><g><path></path></g></svg>{SLOT}",
    f"<svg><style><![CDATA[ a {{}} <b> ]]></style></svg>{SLOT}",
    f"<svg><style><!-- </style></svg> --> </style></svg>{SLOT}",
    f"<svg><script/><style/><title/><textarea/></svg>{SLOT}",
    f"<svg><svg></svg><g></svg>{SLOT}",
    f"<svg><g/></svg>{SLOT}",
    f"<svg><p>{SLOT}",
    f"<svg><g><div><style></style>{SLOT}",
    f"<math><mrow><mi>x</mi><mo>&lt;</mo><mn/></mrow></math>{SLOT}",
    f"<math><semantics><annotation encoding='x'>x</annotation></semantics></math>{SLOT}",
    f"<select><option>a</select>{SLOT}",
    f"<select><script></script></select>{SLOT}",
    f"<table><colgroup><col></colgroup><tr><td>{SLOT}</table>",
]


def test_a_real_browser_sees_the_same_slots(page: Page) -> None:
    """The outside opinion: what Chromium's parser makes of the same documents."""
    everywhere = """() => [...document.querySelectorAll("proffer-slot")]
        .filter((slot) => !slot.parentElement.closest("proffer-slot"))
        .map((slot) => slot.getAttribute("placement"))"""
    for html in SEEN:
        page.set_content(html)
        assert placements_found(html) == page.evaluate(everywhere), html


@pytest.mark.parametrize("element", ["style", "title", "script"])
def test_where_it_is_hard_to_tell_nothing_is_filled(element: str) -> None:
    """Inside SVG these hold elements; a slot left alone is better than a script changed."""
    page = f"<svg><{element}>{SLOT}</{element}></svg>".encode()
    assert rewrite(page) == page


def test_a_real_browser_sees_what_was_filled_and_nothing_else_changed(page: Page) -> None:
    chance = random.Random(7)
    for _ in range(40):
        html = "".join(chance.choices([*SEEN[:12], "<p>text</p>", "<b>x</b>"], k=6)) + "<p id=end>"
        page.set_content(rewrite(html.encode()).decode())
        texts = page.evaluate(
            "[...document.querySelectorAll('proffer-slot')].map(x => x.textContent)"
        )
        assert texts == ["[a]"] * len(placements_found(html)), html
