"""Where a character of a YAML text stands in its file.

A rule's diagnostics count characters of the rule; the author counts columns of
the file.  Between the two lie quotes, escapes, folded lines and indentation.
The value's characters are walked along the raw text: what is equal advances
both, what YAML adds in a style (escape, line break, indentation) is skipped.
"""

from __future__ import annotations

_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}
_BLANK = " \t\r\n"


def offset_in_file(raw: str, value: str, style: str, offset: int) -> int | None:
    """Offset in `raw` (the scalar as written) of `value[offset]`, None if they do not align.

    `offset == len(value)` gives the place right after the last character.
    """
    if style == '"':
        places = _double_quoted(raw, value)
    elif style == "'":
        places = _single_quoted(raw, value)
    else:
        places = _unquoted(raw, value, _after_header(raw) if style in ("|", ">") else 0)
    if places is None or not places:
        return None
    return places[offset] if offset < len(places) else places[-1] + 1


def _after_header(raw: str) -> int:
    """Block scalars begin with a line such as `|-` or `>2 # comment`."""
    return raw.find("\n") + 1


def _unquoted(raw: str, value: str, at: int) -> list[int] | None:
    places: list[int] = []
    for char in value:
        at = _next_place(raw, at, char)
        if at >= len(raw):
            return _completed(places, value)
        if raw[at] != char and char not in _BLANK:
            return None
        places.append(at)
        at += 1
    return places


def _next_place(raw: str, at: int, char: str) -> int:
    """Where `char` stands at or after `at`: a blank may be a line break, and what is
    not blank may follow indentation."""
    if at < len(raw) and raw[at] == char:
        return at
    if char in _BLANK:
        return at
    while at < len(raw) and raw[at] in _BLANK:
        at += 1
    return at


def _completed(places: list[int], value: str) -> list[int] | None:
    """Trailing line breaks may lie past the raw text; anything else may not."""
    missing = value[len(places) :]
    if missing.strip() or not places:
        return None
    return places + [places[-1] + 1] * len(missing)


def _single_quoted(raw: str, value: str) -> list[int] | None:
    places: list[int] = []
    at = 1
    for char in value:
        at = _next_place(raw, at, char)
        if at >= len(raw) or (raw[at] != char and char not in _BLANK):
            return None
        places.append(at)
        at += 2 if char == "'" else 1
    return places


def _double_quoted(raw: str, value: str) -> list[int] | None:
    places: list[int] = []
    at = 1
    for char in value:
        at = _skip_continuations(raw, at)
        if raw[at : at + 1] == "\\":
            places.append(at)
            at += _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 2)
            continue
        at = _next_place(raw, at, char)
        if at >= len(raw) or (raw[at] != char and char not in _BLANK):
            return None
        places.append(at)
        at += 1
    return places


def _skip_continuations(raw: str, at: int) -> int:
    """A backslash at a line's end joins the lines without a blank."""
    while raw[at : at + 1] == "\\" and raw[at + 1 : at + 2] in ("\n", "\r"):
        at += 2
        while at < len(raw) and raw[at] in _BLANK:
            at += 1
    return at
