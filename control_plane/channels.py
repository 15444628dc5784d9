"""A channel's file: the one object that is written again, and only ever forward.

    look -> is it newer than ours?  then somebody was faster, and all is well
         -> else swap it for ours; if something else is there by now, look again

So the file's (epoch, sequence) never falls, whoever writes at the same time, and whoever
wrote has seen afterwards that the file is at least as new as his.  The numbers come from
the database, where each is taken once (`signing.py`); the file follows what is committed.

The file is the floor, too: a database that was restored from a backup is behind it, and
must not sign the numbers between anew (edges refuse what is older than what they ran, and
raise an alarm about two manifests with one number).  So `newest` reads back what is there;
only what a key of our root signed is believed.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from control_plane.storage.objects import ObjectError, ObjectStore
from edge.decision.claims import ManifestPayload, Projection, Root, read_manifest, read_root
from edge.decision.errors import TrustError
from edge.decision.jws import Signature, read_compact, read_general
from edge.decision.trust import MANIFEST_TYPE, ROOT_TYPE, accept_root, pin_root

log = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 50
"""A swap that fails means that somebody else's succeeded, so so many in a row are a fault."""


def file_of(channel: str, projection: Projection) -> str:
    return f"channels/{channel}/{projection}.jws"


class Found(Struct, frozen=True):
    """A channel's file that our key signed."""

    manifest: ManifestPayload
    payload: bytes
    signed: bytes

    @property
    def number(self) -> tuple[int, int]:
        return self.manifest.epoch, self.manifest.sequence

    @property
    def of(self) -> tuple[str, str, str]:
        return self.manifest.tenant, self.manifest.channel, self.manifest.projection


class ChannelFile:
    """The file of a channel of the root's tenant, as signed by the root's online keys."""

    def __init__(
        self, store: ObjectStore, root: Root, channel: str, projection: Projection
    ) -> None:
        self._store = store
        self._root = root
        self._of = (root.tenant, channel, projection)
        self._name = file_of(channel, projection)

    def newest(self) -> Found | None:
        """What is there; None if nothing is, or nothing of ours.  Raises `ObjectError`."""
        there = self._store.look(self._name)
        return None if there is None else self._read(there.data)

    def advance(self, number: tuple[int, int], signed: bytes) -> None:
        """Write it, unless the file is as new already.  Raises `ObjectError`."""
        for _ in range(TRIES):
            there = self._store.look(self._name)
            if there is not None and there.data == signed:
                return
            found = self._read(there.data) if there is not None else None
            if found is not None and found.number > number:
                return
            if found is not None and found.number == number:
                log.critical("ALARM: %s: number %s was signed twice", self._name, number)
                raise ObjectError(f"{self._name} has number {number} with other content")
            self._store.swap(self._name, signed, there)
        raise ObjectError(f"{self._name} was not written: somebody else keeps changing it")

    def _read(self, data: bytes) -> Found | None:
        """Bytes that nobody of ours signed are no floor: they are written over, with an alarm."""
        try:
            signed = read_compact(data, MANIFEST_TYPE)
            if any(self._is_ours(signature) for signature in signed.signatures):
                found = Found(read_manifest(signed.payload), signed.payload, data)
                if found.of == self._of:
                    return found
        except TrustError as error:
            log.critical("ALARM: %s is no manifest: %s", self._name, error)
            return None
        log.critical("ALARM: %s was not signed for this channel by its keys", self._name)
        return None

    def _is_ours(self, signature: Signature) -> bool:
        key = self._root.of_role("online").get(signature.kid)
        return key is not None and verify(key.public, signature.message, signature.signature)


def signer_of(signed: bytes) -> str:
    """The id of the key that signed a manifest of ours."""
    return read_compact(signed, MANIFEST_TYPE).signatures[0].kid


# --- believing, as edges do ---------------------------------------------------


def first_root(raw: bytes) -> Root:
    """Whose tenant is not checked.  Raises `TrustError`."""
    tenant = read_root(read_general(raw, ROOT_TYPE).payload).tenant
    return _result(pin_root(raw, _verify, tenant))


def next_root(root: Root, raw: bytes) -> Root:
    """Signed by the keys of the one before.  Raises `TrustError`."""
    return _result(accept_root(root, raw, _verify))


def verify(key_x: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key_x).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


async def _verify(key_x: bytes, message: bytes, signature: bytes) -> bool:
    return verify(key_x, message, signature)


def _result(trusting: Coroutine[Any, Any, T]) -> T:
    """What it comes to: with `_verify` it never waits, so it needs no event loop."""
    try:
        trusting.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("verifying waited for something")
