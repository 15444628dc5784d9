"""Whose checkpoints are believed, over rotations of the online key.

Roots say which keys may sign (`edge/decision/trust.py`).  A key that was rotated out has
signed checkpoints while it was listed, and these stay good: a checkpoint is believed by an
online key of *any* root of the chain.  But time goes forward: of two checkpoints the later
one is never believed under an older root.  So once a checkpoint was signed by a key that
came with root 3, a key that root 3 no longer lists can add nothing behind it; and it cannot
replace what was before it, since each checkpoint names the file before it by its SHA-256.

What remains open: whoever steals an online key *and* can delete and write in the bucket
*and* in the database may rewrite everything since the last checkpoint that somebody else
has a copy of.  A bucket that keeps what was written once (object lock) closes that.

The first root is believed as it is in the store, unless whoever verifies brings his own.
"""

from __future__ import annotations

from control_plane.audit.checkpoints import Checkpoint, Stored
from control_plane.channels import first_root, next_root, verify
from control_plane.storage.objects import ObjectStore
from edge.decision.claims import Root
from edge.decision.errors import TrustError
from edge.decision.jws import Signature


def roots_of(store: ObjectStore, pinned: bytes | None = None) -> list[Root]:
    """The chain of roots in the store, oldest first; empty where nothing was published yet.

    `pinned`: the first root as it was handed out.  Raises `ObjectError`, and `TrustError` if
    a root does not follow the one before it.
    """
    first = store.get("keys/root.1.jws") if pinned is None else pinned
    if first is None:
        return []
    roots = [first_root(first)]
    while (raw := store.get(f"keys/root.{roots[-1].version + 1}.jws")) is not None:
        roots.append(next_root(roots[-1], raw))
    return roots


class Witness:
    """Reads checkpoints in their order and believes each, or says why not."""

    def __init__(self, roots: list[Root], tenant: str) -> None:
        self._roots = roots
        self._tenant = tenant
        self._under = 0  # index of the oldest root that may still be spoken under

    def believe(self, stored: Stored) -> Checkpoint:
        """What it says.  Raises `TrustError`."""
        said, signature = stored.read()
        self._under = self._root_of(signature)
        if said.tenant != self._tenant:
            raise TrustError("TENANT", f"is for {said.tenant!r}, not {self._tenant!r}")
        if said.sequence != stored.sequence:
            raise TrustError("ROLLBACK", f"says it is number {said.sequence}")
        return said

    def _root_of(self, signature: Signature) -> int:
        """The oldest root, not older than the last one's, that lets this key sign."""
        for index in range(self._under, len(self._roots)):
            key = self._roots[index].of_role("online").get(signature.kid)
            if key is None:
                continue
            if not verify(key.public, signature.message, signature.signature):
                raise TrustError("SIGNATURE", f"not signed by key {signature.kid}, or changed")
            return index
        known = any(signature.kid in root.of_role("online") for root in self._roots)
        why = "was rotated out before" if known else "is no online key of any root"
        raise TrustError("UNKNOWN_KEY", f"its key {signature.kid} {why}")
