"""Finds `<proffer-slot>` elements in HTML while it streams by.

A lexer after the tokeniser of the HTML standard (13.2.5), cut down to what decides
where a tag begins and ends: a `<` in a comment, in an attribute's value or in the
raw text of a script is no tag.  It never holds bytes; it only moves a position over
a buffer that its owner keeps, and may be called again when there is more.  Where it
stands is a function of the bytes it has seen, however they were cut into chunks.

What a tree builder would know (tables, foster parents) is not known here, save where
it decides how the bytes behind it are read:

* Inside SVG and MathML no element is raw text and `<x/>` has no content.  The open
  elements there are kept track of (`Foreign`), and nothing in them is a slot.
* A `<select>`, and a template's column group, ignore elements that would be raw text
  elsewhere, and browsers differ about it.

Where that is too hard to tell, the lexer gives up: it finds nothing more, and the rest
of the page stays as it came.  It never takes for a slot what a browser does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from msgspec import Struct

from edge.foreign import Foreign

SLOT = b"proffer-slot"
SPACES = b"\t\n\f\r "
FOREIGN = (b"svg", b"math")
SPECIAL = (b"select", b"template", b"col", b"frameset")
"""Elements in which, or after which, raw text may be ignored."""
RAW = {b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes"}
RAW |= {b"noscript"}  # browsers with scripts read it as text
NAME_LIMIT = 32
"""No name that matters is longer; within SVG and MathML the lexer gives up beyond it."""

TEXT = re.compile(rb"[^<]+")
TAG_NAME = re.compile(rb"[^\t\n\f\r />]*")
NAME_END = re.compile(rb"[\t\n\f\r />=]")
VALUE_END = re.compile(rb"[\t\n\f\r >]")
COMMENT_END = re.compile(rb"--!?>")
NOT_SPACE = re.compile(rb"[^\t\n\f\r ]")
RAW_END = {name: re.compile(rb"(?i:</%s)(?=[\t\n\f\r />])" % name) for name in RAW}
# Text, and whole tags in everyday spelling that change nothing: most of a page, at once.
# The loops never give back what they took, so a tag that is not closed costs no time.
EVERYDAY = re.compile(
    rb"""(?>
        [^<]++
      | </?
        (?!(?i:%s)[\t\n\f\r />])
        [A-Za-z][^\t\n\f\r />]*+
        (?:
          [\t\n\f\r\x20]++ [^\t\n\f\r\x20"'<>/=]++
          (?:
            [\t\n\f\r\x20]*+ = [\t\n\f\r\x20]*+
            (?: "[^"]*+" | '[^']*+' | [^\t\n\f\r\x20"'=<>`]++ )
          )?+
        )*+
        [\t\n\f\r\x20]*+ /? >
    )++"""
    % b"|".join(sorted({SLOT, *FOREIGN, *SPECIAL, *RAW, b"plaintext"})),
    re.VERBOSE,
)
SCRIPT = (
    # Plain script text; inside `<!--`; inside `<script` inside `<!--`.
    re.compile(rb"<!--|(?i:</script)(?=[\t\n\f\r />])"),
    re.compile(rb"-->|(?i:</?script)(?=[\t\n\f\r />])"),
    re.compile(rb"-->|(?i:</script)(?=[\t\n\f\r />])"),
)


class What(Enum):
    """What was found: a slot's start tag or end tag, at its `<` or after its `>`."""

    START = auto()
    STARTED = auto()
    END = auto()
    ENDED = auto()


class Found(Struct, frozen=True):
    what: What
    at: int


Mode = Callable[[bytearray, int], Found | None]


class Lexer:
    """`at` is how far the buffer is read; its owner lowers it when it cuts off the front."""

    def __init__(self) -> None:
        self.at = 0
        self._mode: Mode = self._text
        self._name = b""
        self._closing = False
        self._slash = False
        self._foreign = Foreign()
        self._selecting = False
        self._templates = 0
        self._depth = 0

    def advance(self, data: bytearray, stop: int) -> Found | None:
        """Read on, at most to `stop`; None once more bytes are needed to go on."""
        while self.at < stop:
            before = self.at, self._mode
            found = self._mode(data, stop)
            if found or (self.at, self._mode) == before:
                return found
        return None

    def give_up(self) -> None:
        """Find nothing from here on."""
        self._mode = self._rest

    @property
    def gave_up(self) -> bool:
        return self._mode == self._rest

    # --- text and what begins with "<" --------------------------------------

    def _text(self, data: bytearray, stop: int) -> Found | None:
        pattern = TEXT if self._foreign.open else EVERYDAY
        if everyday := pattern.match(data, self.at, stop):
            self.at = everyday.end()
        return self._less_than(data, stop) if self.at < stop else None

    def _less_than(self, data: bytearray, stop: int) -> Found | None:
        head = bytes(data[self.at : min(stop, self.at + 9)])
        if head[1:2] == b"!":
            self._declaration(head)
        elif head[1:2].isalpha() or (head[1:2] == b"/" and head[2:3].isalpha()):
            return self._tag(data, stop)
        elif head[1:2] == b"?" or (head[1:2] == b"/" and len(head) > 2):
            self._go(2, self._bogus)
        elif len(head) > 1 and head[1:2] != b"/":
            self.at += 1
        return None

    def _declaration(self, head: bytes) -> None:
        if head.startswith(b"<!--"):
            self._go(4, self._comment_start)
        elif self._foreign.open and b"<![CDATA[".startswith(head[:9]):
            if len(head) == 9:
                self._go(9, self._cdata)
        elif not b"<!--".startswith(head):
            self._go(2, self._bogus)

    def _tag(self, data: bytearray, stop: int) -> Found | None:
        self._closing = data[self.at + 1 : self.at + 2] == b"/"
        begin = self.at + 1 + self._closing
        match = TAG_NAME.match(data, begin, min(stop, begin + NAME_LIMIT + 1))
        end = match.end() if match else begin
        if end == stop and end - begin <= NAME_LIMIT:
            return None  # the name may go on
        self._name = bytes(data[begin:end]).lower()
        start, self.at, self._slash = self.at, end, False
        self._mode = self._in_name
        if self._foreign.open:
            self._in_foreign()
        elif self._name == SLOT and self._selecting:
            self.give_up()
        if self._name != SLOT or self._foreign.open or self.gave_up:
            return None
        return Found(What.END if self._closing else What.START, start)

    def _in_foreign(self) -> None:
        """What a tag means within SVG or MathML, as far as its name tells."""
        known = len(self._name) <= NAME_LIMIT and (
            self._foreign.end(self._name) if self._closing else self._foreign.begin(self._name)
        )
        if not known:
            self.give_up()

    # --- inside a tag -------------------------------------------------------

    def _in_name(self, data: bytearray, stop: int) -> Found | None:
        match = TAG_NAME.match(data, self.at, stop)
        self.at = match.end() if match else self.at
        if self.at < stop:
            self._mode = self._in_tag
        return None

    def _in_tag(self, data: bytearray, stop: int) -> Found | None:
        """Between attributes."""
        byte = data[self.at : self.at + 1]
        self.at += 1
        if byte == b">":
            return self._tag_ends()
        self._slash = byte == b"/"
        if not self._slash and byte not in SPACES:
            self._mode = self._attribute
        return None

    def _attribute(self, data: bytearray, stop: int) -> Found | None:
        match = NAME_END.search(data, self.at, stop)
        self.at = match.start() if match else stop
        if match:
            self._mode = self._after_attribute
        return None

    def _after_attribute(self, data: bytearray, stop: int) -> Found | None:
        if self._pass_spaces(data, stop):
            if data[self.at : self.at + 1] == b"=":
                self._go(1, self._value)
            else:
                self._mode = self._in_tag
        return None

    def _value(self, data: bytearray, stop: int) -> Found | None:
        if self._pass_spaces(data, stop):
            byte = data[self.at : self.at + 1]
            modes = {b'"': self._double_quoted, b"'": self._single_quoted, b">": self._in_tag}
            self._go(byte in (b'"', b"'"), modes.get(bytes(byte), self._unquoted))
        return None

    def _double_quoted(self, data: bytearray, stop: int) -> Found | None:
        return self._pass_through(data, stop, b'"', self._in_tag)

    def _single_quoted(self, data: bytearray, stop: int) -> Found | None:
        return self._pass_through(data, stop, b"'", self._in_tag)

    def _unquoted(self, data: bytearray, stop: int) -> Found | None:
        match = VALUE_END.search(data, self.at, stop)
        self.at = match.start() if match else stop
        if match:
            self._mode = self._in_tag
        return None

    def _tag_ends(self) -> Found | None:
        self._mode = self._after_tag()
        if self._name != SLOT or self._foreign.open:
            return None
        return Found(What.ENDED if self._closing else What.STARTED, self.at)

    def _after_tag(self) -> Mode:
        if self._foreign.open or (self._name in FOREIGN and not self._closing):
            return self._after_foreign_tag()
        if self._name in SPECIAL:
            return self._after_special_tag()
        if self._closing:
            return self._text
        if self._name == b"plaintext":
            return self._rest
        self._depth = 0
        if self._name in RAW:
            return self._rest if self._selecting and self._name != b"script" else self._raw
        return self._text

    def _after_foreign_tag(self) -> Mode:
        if self._selecting:
            return self._rest
        if not self._closing and not self._slash and not self._foreign.enter(self._name):
            return self._rest
        return self._text

    def _after_special_tag(self) -> Mode:
        name = self._name
        if name == b"select":
            self._selecting = not self._closing
        elif name == b"template":
            self._templates = max(0, self._templates + (-1 if self._closing else 1))
        unsure = (
            name == b"frameset"
            or (name == b"template" and self._selecting)
            or (name == b"col" and self._templates > 0)
        )
        return self._rest if unsure and not self._closing else self._text

    # --- text without tags --------------------------------------------------

    def _raw(self, data: bytearray, stop: int) -> Found | None:
        script = self._name == b"script"
        pattern = SCRIPT[self._depth] if script else RAW_END[self._name]
        match = pattern.search(data, self.at, stop)
        if match is None:
            # The longest beginning of a match that may stand at the end.
            self.at = max(self.at, stop - len(self._name) - 2)
        elif script and self._script_goes_on(match):
            pass
        else:
            self.at, self._mode = match.start(), self._text
        return None

    def _script_goes_on(self, match: re.Match[bytes]) -> bool:
        """Whether a mark in a script does not end it; its dashes may be part of the next one."""
        mark = bytes(match[0]).lower()
        if mark == b"</script" and self._depth < 2:
            return False
        self._depth = {b"<!--": 1, b"-->": 0, b"<script": 2, b"</script": 1}[mark]
        self.at = match.start() + 2 if mark == b"<!--" else match.end()
        return True

    def _rest(self, data: bytearray, stop: int) -> Found | None:
        self.at = stop
        return None

    def _comment_start(self, data: bytearray, stop: int) -> Found | None:
        """`<!-->` and `<!--->` are whole comments."""
        head = data[self.at : min(stop, self.at + 2)]
        if head[:1] == b">" or head == b"->":
            self._go(1 if head[:1] == b">" else 2, self._text)
        elif head != b"-":
            self._mode = self._comment
        return None

    def _comment(self, data: bytearray, stop: int) -> Found | None:
        match = COMMENT_END.search(data, self.at, stop)
        if match:
            self.at, self._mode = match.end(), self._text
        else:
            self.at = max(self.at, stop - 3)
        return None

    def _bogus(self, data: bytearray, stop: int) -> Found | None:
        return self._pass_through(data, stop, b">", self._text)

    def _cdata(self, data: bytearray, stop: int) -> Found | None:
        return self._pass_through(data, stop, b"]]>", self._text)

    # --- moving on ----------------------------------------------------------

    def _go(self, count: int, mode: Mode) -> None:
        self.at += count
        self._mode = mode

    def _pass_spaces(self, data: bytearray, stop: int) -> bool:
        """Whether something follows the white space."""
        match = NOT_SPACE.search(data, self.at, stop)
        self.at = match.start() if match else stop
        return match is not None

    def _pass_through(self, data: bytearray, stop: int, mark: bytes, mode: Mode) -> None:
        end = data.find(mark, self.at, stop)
        if end < 0:
            self.at = max(self.at, stop - len(mark) + 1)
        else:
            self.at, self._mode = end + len(mark), mode
