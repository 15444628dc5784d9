"""Promotion: what was tried on one channel goes out on another, byte by byte the same.

Nothing is compiled anew, so what was looked at is what goes out: the bundle is named by its
digest, read back from the store and brought before the gates of the other channel.  The
approval is that of the catalog which once made these bytes.
"""

from __future__ import annotations

from control_plane.issuing import PublishRefused
from control_plane.publishing import Publisher
from control_plane.signing import Also, Signing


def promote(
    source: Publisher,
    target: Publisher,
    bundle: str,
    *,
    actor: str,
    note: str = "",
    also: Also | None = None,
) -> Signing:
    """Make a bundle that was live on `source` live on `target`.

    Raises `GatesClosed`, `RampIsOpen`, or `PublishRefused` for a bundle that was never there.
    """
    signing = next((s for s in source.history() if s.bundle == bundle), None)
    if signing is None:
        raise PublishRefused(
            f"bundle {bundle[:64]!r} was never live on {source.channel}",
            "Publish it there first, and look at it.",
        )
    told = f"from {source.channel}, sequence {signing.sequence}" + (f": {note}" if note else "")
    data = target.stored(bundle)
    return target.publish(data, actor=actor, reason="promote", note=told, also=also)
