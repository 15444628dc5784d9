"""Merging: what two people made of one base, when the base moved under a draft.

    base   what both departed from
    mine   the draft
    theirs what became live meanwhile

File by file, and within a file line by line (the rule of `diff3`): where only one side
changed a stretch, that side's lines stand; where both made the same change, it stands once;
where they differ it is a conflict, which a person decides for the whole file.  Stretches that
touch conflict, too.  A merge never guesses, and the result goes through the compiler as any
edit does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Literal

from msgspec import Struct

from control_plane.drafting.content import Files

Side = Literal["mine", "theirs"]


class Conflict(Struct, frozen=True, kw_only=True):
    """A file that both sides changed; `line` (from 1, in mine) where they first differ, 0 if
    one side removed the file."""

    path: str
    line: int
    detail: str


class Merge(Struct, frozen=True, kw_only=True):
    """The merged files, conflicts left out."""

    files: dict[str, bytes]
    conflicts: list[Conflict]


def merge(base: Files, mine: Files, theirs: Files, resolve: Mapping[str, Side] = {}) -> Merge:
    """`resolve`: whose version of a file in conflict to take."""
    files: dict[str, bytes] = {}
    conflicts: list[Conflict] = []
    for path in sorted({*base, *mine, *theirs}):
        merged = _file(path, base.get(path), mine.get(path), theirs.get(path))
        if isinstance(merged, Conflict) and path in resolve:
            merged = (mine if resolve[path] == "mine" else theirs).get(path)
        if isinstance(merged, Conflict):
            conflicts.append(merged)
        elif merged is not None:
            files[path] = merged
    return Merge(files=files, conflicts=conflicts)


def _file(
    path: str, base: bytes | None, mine: bytes | None, theirs: bytes | None
) -> bytes | Conflict | None:
    if mine == theirs or theirs == base:
        return mine
    if mine == base:
        return theirs
    if mine is None or theirs is None:
        removed = "this draft" if mine is None else "the live catalog"
        return Conflict(path=path, line=0, detail=f"{removed} removed it, the other changed it")
    return _text(path, base or b"", mine, theirs)


def _text(path: str, base: bytes, mine: bytes, theirs: bytes) -> bytes | Conflict:
    old, ours, others = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    merged: list[bytes] = []
    for at, (stretch, left, right) in _stretches(old, ours, others):
        if left == right or right == stretch:
            merged += left
        elif left == stretch:
            merged += right
        else:
            detail = f"{len(left)} lines here, {len(right)} others in the live catalog"
            return Conflict(path=path, line=at + 1, detail=detail)
    return b"".join(merged)


Stretch = tuple[list[bytes], list[bytes], list[bytes]]


def _stretches(
    old: list[bytes], ours: list[bytes], others: list[bytes]
) -> Iterator[tuple[int, Stretch]]:
    """Base, mine and theirs in pieces that begin and end together; where each is in mine."""
    left, right = _partners(old, ours), _partners(old, others)
    begin = (0, 0, 0)
    for line in sorted(left.keys() & right.keys()):
        end = (line, left[line], right[line])
        if end[1] < begin[1] or end[2] < begin[2]:
            continue
        if end != begin:
            yield begin[1], _cut(old, ours, others, begin, end)
        after = (end[0] + 1, end[1] + 1, end[2] + 1)
        yield end[1], _cut(old, ours, others, end, after)
        begin = after
    yield begin[1], _cut(old, ours, others, begin, (len(old), len(ours), len(others)))


def _cut(
    old: list[bytes],
    ours: list[bytes],
    others: list[bytes],
    begin: tuple[int, int, int],
    end: tuple[int, int, int],
) -> Stretch:
    return old[begin[0] : end[0]], ours[begin[1] : end[1]], others[begin[2] : end[2]]


def _partners(old: list[bytes], new: list[bytes]) -> dict[int, int]:
    """Lines that stayed: their number in the old text -> in the new one, both ascending."""
    blocks = SequenceMatcher(None, old, new).get_matching_blocks()
    return {block.a + at: block.b + at for block in blocks for at in range(block.size)}
