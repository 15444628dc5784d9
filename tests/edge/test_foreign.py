"""HTML in which it is hard to tell what a slot is: never filled is what a browser reads as text."""

from __future__ import annotations

import random
from collections.abc import Mapping

from playwright.sync_api import Page

from edge.pages import Fill, Filling, Rewriter

SLOT = '<proffer-slot placement="a">default</proffer-slot>'


def fill(attributes: Mapping[str, str]) -> Filling | None:
    return Filling({"data-filled": "1"}, "[a]")


def mark(attributes: Mapping[str, str]) -> Filling | None:
    return Filling({"data-kept": "1"})


def rewrite(html: bytes, fill: Fill = fill) -> bytes:
    rewriter = Rewriter(fill)
    return rewriter.feed(html) + rewriter.close()


TEXT_SLOTS = [
    f"<svg><foreignObject><style/>{SLOT}</style></foreignObject></svg>",
    f"<svg><foreignObject><script/>{SLOT}</script></foreignObject></svg>",
    f"<svg><desc><style/>{SLOT}</style></desc></svg>",
    f"<svg><title><style/>{SLOT}</style></title></svg>",
    f"<math><mtext><style/>{SLOT}</style></mtext></math>",
    f"<math><annotation-xml encoding='text/html'><style/>{SLOT}</style></annotation-xml></math>",
    f"<svg><p><style/>{SLOT}</style></svg>",
    f"<svg><font color=red><style/>{SLOT}</style></svg>",
    f"<div><svg></div><style/>{SLOT}</style></svg>",
    f"<svg><style><!-- </style> {SLOT} --></style></svg>",
    f"<svg><style><![CDATA[ </style>{SLOT} ]]></style></svg>",
    f"<svg></p><style/>{SLOT}</style>",
]


def test_what_a_browser_takes_for_text_is_never_filled(page: Page) -> None:
    """The outside opinion again: in none of these is the slot an element."""
    for html in TEXT_SLOTS:
        page.set_content(html)
        assert page.query_selector("proffer-slot") is None, html
        assert rewrite(html.encode()).decode() == html


def test_a_slot_that_is_part_of_a_drawing_stays() -> None:
    for html in (f"<svg>{SLOT}</svg>", f"<svg><g>{SLOT}</g></svg>", f"<math>{SLOT}</math>"):
        assert rewrite(html.encode()).decode() == html
        assert rewrite((html + SLOT).encode()).endswith(b"[a]</proffer-slot>")


def test_deep_and_long_names_in_a_drawing_end_in_giving_up_and_not_in_memory() -> None:
    for inside in ("<g>" * 5000, f"<{'g' * 5000}>"):
        html = f"<svg>{inside}</svg>{SLOT}"
        assert rewrite(html.encode()).decode() == html


def test_what_is_held_goes_on_when_there_is_nothing_more_to_find() -> None:
    rewriter = Rewriter(fill)
    assert rewriter.feed(b"<proffer-slot placement=a><svg><font>") != b""
    assert rewriter.feed(b"x</svg></proffer-slot>") == b"x</svg></proffer-slot>"


def test_an_encoding_that_shifts_is_not_read() -> None:
    html = b"<p>\x1b$B" + SLOT.encode() + b"\x1b(B" + SLOT.encode()
    assert rewrite(html) == html
    assert rewrite(SLOT.encode() + html).endswith(b"[a]</proffer-slot>" + html)


SAME_PAGE = """(cases) => cases.map(([before, after]) => {
    const parse = (html) => new DOMParser().parseFromString(html, "text/html");
    const all = (root) => [...root.querySelectorAll("*")].flatMap(
        (e) => e.content ? [e, ...all(e.content)] : [e]);
    const changed = parse(after);
    const kept = all(changed).filter((e) => e.hasAttribute("data-kept"));
    kept.forEach((e) => e.removeAttribute("data-kept"));
    const html = "http://www.w3.org/1999/xhtml";
    return {
        same: parse(before).documentElement.outerHTML === changed.documentElement.outerHTML,
        slots: kept.filter((e) => e.localName === "proffer-slot" && e.namespaceURI === html).length,
        kept: kept.length,
    };
})"""
TAGS = (
    "svg svg math title style script foreignObject desc mi mtext annotation-xml p div g select"
    " option template table col colgroup tr td textarea xmp font b br iframe noembed head body a"
    " button input mglyph form li object plaintext"
)
ODDS = [
    "<style/>", "<script/>", "<svg/>", "<g/>", "<![CDATA[", "]]>", "<!--", "-->", "<font color=x>",
    "<annotation-xml encoding='text/html'>", "text", "</sty", "<proffer-slot>", "</proffer-slot>",
]  # fmt: skip


def test_whatever_was_filled_is_a_slot_and_all_else_is_the_same_page(page: Page) -> None:
    chance = random.Random(11)
    tags = TAGS.split()
    pieces = [*(f"<{tag}>" for tag in tags), *(f"</{tag}>" for tag in tags), *ODDS, *[SLOT] * 9]
    cases: list[tuple[str, str]] = []
    for _ in range(3000):
        html = "".join(chance.choices(pieces, k=chance.randint(3, 14))) + SLOT
        cases.append((html, rewrite(html.encode(), mark).decode()))
    found = page.evaluate(SAME_PAGE, cases)
    for (before, after), seen in zip(cases, found, strict=True):
        filled = after.count("data-kept")
        assert seen == {"same": True, "slots": filled, "kept": filled}, before
    assert sum(after.count("data-kept") for _, after in cases) > 1000
