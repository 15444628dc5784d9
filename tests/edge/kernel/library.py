"""The kernel's C as a library of this machine, compiled once per state of its source."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from edge.kernel.build import compile_native
from edge.kernel.native import Native, sources
from tests.support.parts import ROOT


@cache
def native() -> Native:
    digest = sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()
    target = ROOT / ".cache" / "kernel" / f"{digest[:16]}.so"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        compile_native(made := target.with_suffix(".new"))
        made.replace(target)
    return Native(target)
