"""Two contents side by side: their files as text, and their policies in business words."""

from __future__ import annotations

from difflib import unified_diff
from typing import Literal

from msgspec import Struct

from control_plane.drafting.content import Files
from control_plane.drafting.drafts import changed_paths

TEXT_MAX_BYTES = 1 << 20
LINES_MAX = 2_000


class FileChange(Struct, frozen=True, kw_only=True):
    """`text`: a unified diff, "" for files of more than a mebibyte; `cut`: it is longer."""

    path: str
    what: Literal["added", "removed", "changed"]
    text: str
    cut: bool = False


def file_changes(before: Files, after: Files) -> list[FileChange]:
    """Every file that differs, by path."""
    return [_change(path, before, after) for path in changed_paths(before, after)]


def _change(path: str, before: Files, after: Files) -> FileChange:
    what = "added" if path not in before else "removed" if path not in after else "changed"
    old, new = before.get(path, b""), after.get(path, b"")
    if max(len(old), len(new)) > TEXT_MAX_BYTES:
        return FileChange(path=path, what=what, text="", cut=True)
    lines = list(unified_diff(_lines(old), _lines(new), path, path, lineterm=""))
    text = "\n".join(lines[:LINES_MAX])
    return FileChange(path=path, what=what, text=text, cut=len(lines) > LINES_MAX)


def _lines(data: bytes) -> list[str]:
    return data.decode(errors="replace").splitlines()
