"""Bringing a root out: checked as edges will, put into the store, and followed at once.

    complete? -> can we sign under it? -> keys/root.N.jws, created and never written over
    -> an entry in the audit log -> the manifests of all channels, by the key of now

Running control planes follow by themselves within 30 s; `follow_now` does not wait for them.
"""

from __future__ import annotations

import time

from msgspec import Struct

from control_plane.audit.log import Entry, append
from control_plane.channels import first_root, next_root
from control_plane.issuing import root_file
from control_plane.key_status import ManifestStatus, chain_in, look
from control_plane.keyring import Chain
from control_plane.services import Services
from control_plane.storage.objects import ObjectStore
from edge.decision.claims import Root
from edge.decision.errors import TrustError
from policy_compiler.keys import SigningError
from policy_compiler.roots import Proposal, check_usable, standing

ACTOR = "process:keys"


class RootAudited(Struct, frozen=True):
    """What the audit log keeps of a root."""

    version: int
    epoch: int
    threshold: int
    expires_s: int
    keys: dict[str, str]


def audited(root: Root) -> RootAudited:
    keys = {kid: key.role for kid, key in sorted(root.keys.items())}
    return RootAudited(root.version, root.epoch, root.threshold, root.expires_s, keys)


def check_publishable(proposal: Proposal, chain: Chain | None, here: frozenset[str]) -> Root:
    """The root, if edges would follow it and we could sign under it.  Raises `SigningError`."""
    root, before = proposal.root, chain.newest if chain else None
    check_usable(root)
    _check_next(root, before)
    stands = standing(proposal, before)
    if not stands.complete:
        raise SigningError(
            f"Root {root.version} has {stands.before} of {stands.before_wanted} signatures by the"
            f" keys before it, and {stands.own} of {stands.own_wanted} by its own.",
            "Sign it with the missing keys: `proffer keys sign-root`.",
        )
    if not here & root.of_role("online").keys():
        raise SigningError(
            f"Root {root.version} lists none of the online keys that are here.",
            "Copy its online key to this machine first: nobody could publish under it.",
        )
    _check_believed(proposal, before)
    return root


def _check_next(root: Root, before: Root | None) -> None:
    expected = before.version + 1 if before else 1
    if root.version != expected:
        raise SigningError(
            f"This is root {root.version}; the next one is root {expected}.",
            "Propose it anew from the newest root.",
        )


def _check_believed(proposal: Proposal, before: Root | None) -> None:
    """By the very checks of edges."""
    try:
        raw = proposal.encoded()
        next_root(before, raw) if before else first_root(raw)
    except TrustError as error:
        raise SigningError(
            f"No edge would believe this root: {error}.", "Propose it anew."
        ) from None


def put_root(store: ObjectStore, proposal: Proposal) -> None:
    """Raises `ObjectError` if somebody was faster with another root of this number."""
    store.put(root_file(proposal.root.version), proposal.encoded())


def note_root(services: Services, root: Root, before: Root | None) -> None:
    """The root in the audit log.  Raises `StorageUnavailable`."""
    entry = Entry(
        tenant=root.tenant,
        actor=ACTOR,
        action="keys.root",
        subject=f"root/{root.version}",
        before=None if before is None else audited(before),
        after=audited(root),
        note="a new epoch: keys were stolen" if before and root.epoch > before.epoch else "",
    )
    services.writer.run(lambda connection: append(connection, entry))


def follow_now(services: Services, settle_s: float) -> tuple[ManifestStatus, ...]:
    """Sign the manifests of all channels by the key of now; what edges fetch afterwards.

    A key that came beside an older one waits `settle_s` first (`keyring.py` says why).
    Raises `PublishRefused` or `StorageUnavailable`.
    """
    services.keys.settle_s = settle_s
    publishers = list(services.channels.values())
    for publisher in publishers:
        publisher.mend()  # what an old key signed is signed anew without delay
    if services.keys.is_settling:
        time.sleep(settle_s)
        for publisher in publishers:
            publisher.mend()
    chain = chain_in(services.store)
    here = frozenset(key.kid for key in services.keys.at_hand)
    now_s = int(time.time())
    return look(services.settings, services.store, chain, here, now_s).manifests if chain else ()
