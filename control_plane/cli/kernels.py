"""Deciding with the kernel's C where its library is built: `python -m edge.kernel.build native`.

The same verdicts to the byte, many times faster; a batch uses it without being asked.
"""

from __future__ import annotations

from functools import lru_cache

from control_plane.batch import Decide
from control_plane.reviewing.replaying import Decide as DecideBytes
from control_plane.reviewing.replaying import in_python
from edge.decision.beacon import Verdict, unpack_verdict
from edge.decision.bundle import Bundle, write_bundle
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request import Request
from edge.kernel.native import built


def fast_verdicts(bundle: Bundle) -> Decide | None:
    """None where no library for this very source is built."""
    kernel = built()
    if kernel is None:
        return None
    opened = kernel.open(write_bundle(bundle.tables))
    packed = lru_cache(maxsize=64)(pack_manifest)

    def decide(block: ManifestBlock, request: Request, data: bytes) -> tuple[Verdict, bytes]:
        verdict = opened.decide(packed(block), data)
        return unpack_verdict(verdict), verdict

    return decide


def fastest(bundle: Bundle) -> DecideBytes:
    """What replays decide by: the kernel where it is built, else Python."""
    kernel = built()
    if kernel is None:
        return in_python(bundle)
    return kernel.open(write_bundle(bundle.tables)).decide
