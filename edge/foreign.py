"""The open elements of SVG and MathML, as far as they decide how the bytes in them are read.

After the rules for foreign content of the HTML standard (13.2.6.5).  While elements
are open here, no element is raw text, `<![CDATA[` begins text, and `<x/>` is whole.

Some elements (`foreignObject`, `mtext`, ...) take HTML in again.  Their text is followed
to their end tag; an element in them is more than is known here, and so is an end tag
of something that was opened outside.  Then the answer is False: give up.
"""

from __future__ import annotations

DEPTH_LIMIT = 256
SWITCHES = {
    b"foreignobject", b"desc", b"title",
    b"mi", b"mo", b"mn", b"ms", b"mtext", b"annotation-xml",
}  # fmt: skip
"""Elements that take HTML in.  Names of both languages: rather too many than too few."""
BREAKOUT = {
    b"b", b"big", b"blockquote", b"body", b"br", b"center", b"code", b"dd", b"div", b"dl",
    b"dt", b"em", b"embed", b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"head", b"hr", b"i",
    b"img", b"li", b"listing", b"menu", b"meta", b"nobr", b"ol", b"p", b"pre", b"ruby",
    b"s", b"small", b"span", b"strong", b"strike", b"sub", b"sup", b"table", b"tt", b"u",
    b"ul", b"var",
}  # fmt: skip
"""HTML elements that end all foreign ones, when somebody forgot to."""
UNSURE = {b"font"}
"""It breaks out with some attributes and not with others."""


class Foreign:
    """`open`: names of the open elements in lower case, the outermost first."""

    def __init__(self) -> None:
        self.open: list[bytes] = []

    def begin(self, name: bytes) -> bool:
        """A start tag begins; whether its meaning is known."""
        if self.open[-1] in SWITCHES or name in UNSURE:
            return False
        if name in BREAKOUT:
            self.open.clear()
        return True

    def enter(self, name: bytes) -> bool:
        """A start tag ended that opened an element here."""
        self.open.append(name)
        return len(self.open) <= DEPTH_LIMIT

    def end(self, name: bytes) -> bool:
        """An end tag: it closes the innermost element of its name, and all in that."""
        if name not in self.open:
            return False
        while self.open.pop() != name:
            pass
        return True
