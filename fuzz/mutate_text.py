"""Catalogs that are still YAML, with other numbers, names and lines.

Bytes changed at random mostly break the YAML.  These changes keep it whole more often
than not, so that what compares, multiplies and looks up is reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w.])")
WORD = re.compile(r"(?<![\w.'\"-])[a-z_][\w.]*(?![\w.])")
ENTRY = re.compile(r"[a-z_]+: [^,{}\[\]\n]+(?:, )?")
NUMBERS = (
    "0", "1", "-1", "2", "0.5", "-0.01", "100", "101", "1e9", "1e14", "999999999999999",
    "-999999999999999", "1000000000000000", "0.000001", "0.0000001", "0.000000000001", "1e-12",
    "99999999999999.99", "4294967296", "9007199254740993", "0x7fffffff", "1e999", "~", "true",
    '"5"',
)  # fmt: skip
Change = Callable[[str, Random], str]


def spoiled_text(data: bytes, seed: int) -> bytes | None:
    """The text with one to five changes; None if it is no text."""
    random = Random(seed)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    for _ in range(random.randrange(1, 6)):
        text = random.choice(CHANGES)(text, random)
    return text.encode()


def _replaced(text: str, found: list[re.Match[str]], random: Random, words: list[str]) -> str:
    if not found:
        return text
    at = random.choice(found)
    return text[: at.start()] + random.choice(words) + text[at.end() :]


def _another_number(text: str, random: Random) -> str:
    found = list(NUMBER.finditer(text))
    return _replaced(text, found, random, [*NUMBERS, *(each[0] for each in found)])


def _another_word(text: str, random: Random) -> str:
    found = list(WORD.finditer(text))
    return _replaced(text, found, random, [each[0] for each in found])


def _no_entry(text: str, random: Random) -> str:
    return _replaced(text, list(ENTRY.finditer(text)), random, [""])


def _another_entry(text: str, random: Random) -> str:
    found = list(ENTRY.finditer(text))
    return _replaced(text, found, random, [each[0] for each in found])


def _other_lines(text: str, random: Random) -> str:
    """A line left out, given twice, or moved."""
    lines = text.split("\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    line = lines[at]
    if random.random() < 0.7:
        del lines[at]
    if random.random() < 0.6:
        lines.insert(to, line)
    return "\n".join(lines)


CHANGES: tuple[Change, ...] = (
    _another_number,
    _another_number,
    _another_word,
    _no_entry,
    _another_entry,
    _other_lines,
)
