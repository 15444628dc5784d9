"""Rewrites HTML as it streams: fills `<proffer-slot placement="...">` elements.

Bytes go out as soon as it is certain that no slot begins in them.  From a slot's `<`
on they are held until its end tag is there; then `fill` says what becomes of it:

    None                nothing; the element goes out as it came
    Filling(attributes) the attributes join its start tag, the content stays
    Filling(.., html)   and the content is replaced

An element larger than `limit_bytes` goes out as it came, and so does one that never
ends: memory is bounded, and broken HTML stays exactly as broken as it was.  Slots
inside of slots belong to the outer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser

from msgspec import Struct

from edge.markup import SLOT, Found, Lexer, What

SLOT_LIMIT_BYTES = 64 << 10
ESCAPE = b"\x1b"
"""Begins ISO-2022-JP, in which the bytes of `<` may mean other things: the rest stays."""


class Filling(Struct, frozen=True):
    """What becomes of a slot: attributes, content (None: its own), and what follows it."""

    attributes: Mapping[str, str]
    content: str | None = None
    after: str = ""


Fill = Callable[[Mapping[str, str]], Filling | None]
"""From the slot's own attributes to what becomes of it.  Called in the page's order."""


class _Slot(Struct):
    """The slot that is being held: nesting depth, and where its content begins and ends."""

    depth: int = 1
    begin: int = 0
    end: int = 0


class Rewriter:
    """One page: `feed` it chunks and send on what comes back, `close` it at the end."""

    def __init__(self, fill: Fill, limit_bytes: int = SLOT_LIMIT_BYTES) -> None:
        self._fill = fill
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._lexer = Lexer()
        self._slot: _Slot | None = None

    def feed(self, chunk: bytes) -> bytes:
        plain, escape, rest = chunk.partition(ESCAPE)
        out = self._read(plain)
        if escape:
            self._lexer.give_up()
            out += self._read(escape + rest)
        return out

    def _read(self, chunk: bytes) -> bytes:
        self._held += chunk
        out = bytearray()
        while self._step(out):
            pass
        if self._lexer.gave_up:
            self._slot = None
        if self._slot is None:
            out += self._cut(self._lexer.at)
        return bytes(out)

    def close(self) -> bytes:
        """What is still held: the page ended within a slot, or within a tag."""
        return self._cut(len(self._held))

    def _step(self, out: bytearray) -> bool:
        """Read up to the next find; False when more bytes are needed."""
        held, slot = self._held, self._slot
        if slot is None:
            found = self._lexer.advance(held, len(held))
            if found and found.what is What.START:
                out += self._cut(found.at)
                self._slot = _Slot()
            return found is not None
        found = self._lexer.advance(held, min(len(held), self._limit_bytes))
        if found:
            self._within(slot, found, out)
        elif len(held) >= self._limit_bytes:
            self._slot = None
        return found is not None or self._slot is None

    def _within(self, slot: _Slot, found: Found, out: bytearray) -> None:
        match found.what:
            case What.START:
                slot.depth += 1
            case What.STARTED if not slot.begin:
                slot.begin = found.at
            case What.END:
                slot.depth -= 1
                slot.end = found.at
            case What.ENDED if slot.depth == 0:
                out += self._filled(slot, self._cut(found.at))
                self._slot = None

    def _filled(self, slot: _Slot, element: bytes) -> bytes:
        tag, own, end = element[: slot.begin], element[slot.begin : slot.end], element[slot.end :]
        filling = self._fill(attributes_of(tag))
        if filling is None:
            return element
        content = own if filling.content is None else encode(filling.content)
        return add_attributes(tag, filling.attributes) + content + end + encode(filling.after)

    def _cut(self, count: int) -> bytes:
        """Take this many bytes off the front."""
        front = bytes(self._held[:count])
        del self._held[:count]
        self._lexer.at = max(0, self._lexer.at - count)
        return front


def encode(text: str) -> bytes:
    """HTML in every encoding that ASCII is part of: the rest as character references."""
    return text.encode("ascii", "xmlcharrefreplace")


def add_attributes(tag: bytes, attributes: Mapping[str, str]) -> bytes:
    """Ours come first, since browsers take the first of two attributes with one name."""
    name_end = 1 + len(SLOT)
    added = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return tag[:name_end] + encode(added) + tag[name_end:]


class _TagReader(HTMLParser):
    attributes: Mapping[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes = {name: value or "" for name, value in reversed(attrs)}


def attributes_of(tag: bytes) -> Mapping[str, str]:
    """The attributes of one start tag; of two with one name the first."""
    reader = _TagReader()
    reader.feed(tag.decode("utf-8", "replace"))
    reader.close()
    return reader.attributes
