"""From a grown corpus to the small one that is kept: `python -m fuzz.distil`.

Inputs from the smallest on, each kept if it reaches a line, or leaves one for another
line, that none before it did.  Lines are those of the edge's core and of the compiler.
Whatever is in `corpus/` already stays there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz.run import CACHE
from fuzz.seeds import CORPUS, seeds
from fuzz.targets import ROOT, TARGETS

LIMIT_BYTES = 70_000
"""For what is added per target; the whole corpus stays below 300 kB."""
OURS = (str(ROOT / "edge" / "decision"), str(ROOT / "policy_compiler"))
Step = tuple[str, int, int]


def steps(target: Callable[[bytes], str], data: bytes) -> set[Step]:
    """Every step from line to line of our code that the input makes."""
    found: set[Step] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return trace

    sys.settrace(trace)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return found


def distilled(target: str, grown: Iterable[Path]) -> list[Path]:
    run, reached, spent = TARGETS[target], set[Step](), 0
    run(b"")
    for data in seeds(target).values():
        reached |= steps(run, data)
    added = []
    for file in sorted(grown, key=lambda each: (each.stat().st_size, each.name)):
        size = file.stat().st_size
        if spent + size > LIMIT_BYTES:
            break
        new = steps(run, file.read_bytes()) - reached
        if new:
            reached |= new
            spent += size
            added.append(file)
    return added


def main() -> None:
    for target in TARGETS:
        for file in distilled(target, (CACHE / target).iterdir()):
            (CORPUS / target / file.name[:12]).write_bytes(file.read_bytes())
        files = list((CORPUS / target).iterdir())
        print(f"{target}: {len(files)} files, {sum(f.stat().st_size for f in files):,} bytes")


if __name__ == "__main__":
    main()
