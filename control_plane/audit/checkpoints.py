"""Checkpoints: the newest hash of the log, signed and put where the database cannot reach.

    audit/checkpoints/<sequence>.jws     1, 2, 3 ... without gaps, each written once

A chain alone shows only clumsy changes: whoever can write to the database can compute every
hash behind his change anew.  A checkpoint signs the newest hash, and that stands for every
row up to it; so what happened before a checkpoint can be changed only by whoever has the
online key *and* can replace files in the object store.  What came after the last one can
still be cut off or rewritten, so one is written every hour in which anything happened
(PROFFER_AUDIT_CHECKPOINT_EVERY_S), and when a server starts and stops.

The file is a compact JWS (RFC 7515) by the online key, `typ` "proffer-audit-checkpoint+jws",
read as strictly as a manifest (`edge/decision/jws.py`).  Its payload, as JSON:

    tenant     whose log
    sequence   the number in the file's name
    number     the newest row
    hash       that row's hash
    count      how many rows the log has: equal to `number` while no row is missing
    at_s       when it was signed, Unix seconds
    previous   SHA-256 of the whole checkpoint file before it; 64 zeros for the first
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import msgspec
from joserfc import jws
from msgspec import Struct

from control_plane.audit.chain import START
from control_plane.storage.objects import ObjectStore
from edge.decision.claims import Count, Digest, Name
from edge.decision.errors import TrustError
from edge.decision.jws import ALGORITHM, Signature, read_compact, read_json
from policy_compiler.keys import SigningKey

CHECKPOINT_TYPE = "proffer-audit-checkpoint+jws"
AT_ONCE = 16
"""Checkpoints that are fetched at the same time, and looked for behind the last one."""


class Checkpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint says."""

    tenant: Name
    sequence: Count
    number: Count
    hash: Digest
    count: Count
    at_s: Count
    previous: Digest


class Stored(Struct, frozen=True):
    """A checkpoint's file.  Whoever reads it has to see who signed it."""

    sequence: int
    raw: bytes

    @property
    def digest(self) -> str:
        return sha256(self.raw).hexdigest()

    def read(self) -> tuple[Checkpoint, Signature]:
        """What it says and the signature it bears, unverified.  Raises `TrustError`."""
        signed = read_compact(self.raw, CHECKPOINT_TYPE)
        try:
            said = read_json(signed.payload, Checkpoint)
        except ValueError as error:
            raise TrustError("MALFORMED", f"checkpoint: {error}") from None
        return said, signed.signatures[0]


def name_of(sequence: int) -> str:
    """Where it is in the object store."""
    return f"audit/checkpoints/{sequence}.jws"


def sign_checkpoint(key: SigningKey, checkpoint: Checkpoint) -> bytes:
    """The file."""
    header = {"alg": ALGORITHM, "typ": CHECKPOINT_TYPE, "kid": key.kid}
    payload = msgspec.json.encode(checkpoint)
    return jws.serialize_compact(header, payload, key.jwk, algorithms=[ALGORITHM]).encode()


def previous_of(before: Stored | None) -> str:
    """What the checkpoint after `before` names as the one before it."""
    return START if before is None else before.digest


# --- in the store -------------------------------------------------------------


def newest(store: ObjectStore, known: int = 0) -> Stored | None:
    """The last checkpoint; `known`: one that is there.  Raises `ObjectError`."""
    there, step = known, 1
    while store.get(name_of(there + step)) is not None:
        there, step = there + step, step * 2
    while step > 1:
        step //= 2
        if store.get(name_of(there + step)) is not None:
            there += step
    raw = store.get(name_of(there)) if there else None
    return None if raw is None else Stored(there, raw)


def each(store: ObjectStore, since: int = 1) -> Iterator[Stored]:
    """Those from `since` on, in order, also behind a gap.  Raises `ObjectError`."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while True:
            some = range(since, since + AT_ONCE)
            found = list(pool.map(store.get, map(name_of, some)))
            for sequence, raw in zip(some, found, strict=True):
                if raw is not None:
                    yield Stored(sequence, raw)
            if not any(found):
                return
            since += AT_ONCE
