"""Roots in the making: proposed, signed by one key after the other, complete.

    propose -> add_signature, once per key, wherever that key is -> complete

A proposed root has the form of a finished one, with fewer signatures, down to none.  Each
signer sees what it says, and adds a signature.  It is complete once the threshold of the
keys of the root before it *and* of its own have signed: then every edge believes it.

    planned          root N+1 lists the new key beside the old one; manifests go over to the
                     new one; root N+2 lists the new one alone.  At no moment is there an edge,
                     however old or new, that does not know the key it meets.
    compromised      root N+1 lists the new key alone, and opens the next epoch: what a thief
                     signed, or will sign, is of a key that nobody knows and of an epoch that
                     is over, however high its sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct, structs

from edge.decision.claims import Key, Root, read_root
from edge.decision.errors import TrustError
from edge.decision.jws import Header, Signature, from_base64url, read_general, to_base64url
from edge.decision.trust import ROOT_TYPE

from .keys import SigningError, SigningKey
from .sign import sign_root

DAY_S = 86_400
LIFETIME_S = 365 * DAY_S
"""How long a root is good for unless its makers say otherwise."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """A signature in a root's file: whose, and over what, is in `protected`."""

    protected: str
    signature: str


class Proposal(Struct, frozen=True, forbid_unknown_fields=True):
    """A root's file, signed or not."""

    payload: str
    signatures: tuple[Member, ...] = ()

    @property
    def root(self) -> Root:
        return read_root(from_base64url(self.payload.encode()))

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


class Standing(Struct, frozen=True, kw_only=True):
    """How many of the signatures that it takes are there: by the root before it, by its own."""

    signed_by: tuple[str, ...]
    before: int
    before_wanted: int
    own: int
    own_wanted: int

    @property
    def complete(self) -> bool:
        return self.before >= self.before_wanted and self.own >= self.own_wanted


def propose(root: Root) -> Proposal:
    """Nobody has signed it yet.  Raises `SigningError` for what no edge would read."""
    payload = msgspec.json.encode(root, order="deterministic")
    return read_proposal(msgspec.json.encode({"payload": to_base64url(payload).decode()}))


def read_proposal(data: bytes) -> Proposal:
    """A root's file, signed or not.  Raises `SigningError`."""
    try:
        proposal = msgspec.json.decode(data, type=Proposal)
        proposal.root.of_role("root")
    except (ValueError, TrustError) as error:
        raise SigningError(f"This is no proposed root: {error}.", "Propose it again.") from None
    return proposal


def add_signature(proposal: Proposal, key: SigningKey) -> Proposal:
    """With that key's signature, which takes the place of an earlier one.

    Raises `SigningError` if the root, were it signed, is in no spelling of ours: then what
    people were shown is not for sure what they sign.
    """
    signed = msgspec.json.decode(sign_root([key], proposal.root), type=Proposal)
    if signed.payload != proposal.payload:
        raise SigningError("The proposed root is in another spelling.", "Propose it again.")
    others = [member for member in proposal.signatures if _kid(member) != key.kid]
    return structs.replace(proposal, signatures=(*others, *signed.signatures))


def merged(proposals: Sequence[Proposal]) -> Proposal:
    """One root with the signatures of all these files.  Raises `SigningError`."""
    first = proposals[0]
    if any(each.payload != first.payload for each in proposals):
        raise SigningError("The files propose different roots.", "Sign one and the same.")
    members = {_kid(member): member for each in proposals for member in each.signatures}
    return structs.replace(first, signatures=tuple(members.values()))


def standing(proposal: Proposal, before: Root | None) -> Standing:
    """What it still takes.  `before` is None for the first root, which vouches for itself.

    Raises `SigningError` for signatures without form.
    """
    root = proposal.root
    signed_by = _valid(proposal, {**(before.keys if before else {}), **root.keys})
    old = before or root
    return Standing(
        signed_by=tuple(sorted(signed_by)),
        before=len(signed_by & old.of_role("root").keys()),
        before_wanted=old.threshold,
        own=len(signed_by & root.of_role("root").keys()),
        own_wanted=root.threshold,
    )


def _valid(proposal: Proposal, keys: dict[str, Key]) -> set[str]:
    if not proposal.signatures:
        return set()
    try:
        signed = read_general(proposal.encoded(), ROOT_TYPE)
    except TrustError as error:
        raise SigningError(f"The signatures are not in order: {error}.", "Sign it again.") from None
    return {s.kid for s in signed.signatures if s.kid in keys and _is_by(keys[s.kid], s)}


def _is_by(key: Key, signature: Signature) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(
            signature.signature, signature.message
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def _kid(member: Member) -> str:
    try:
        return msgspec.json.decode(from_base64url(member.protected.encode()), type=Header).kid
    except ValueError as error:
        raise SigningError(f"A signature has no form: {error}.", "Sign it again.") from None


# --- what the next root says --------------------------------------------------


def successor(
    current: Root,
    *,
    now_s: int,
    add: Iterable[tuple[str, Key]] = (),
    remove: Iterable[str] = (),
    threshold: int | None = None,
    compromised: bool = False,
    lifetime_s: int = LIFETIME_S,
) -> Root:
    """The root after `current`, with keys that come and go.  Raises `SigningError`.

    `compromised` opens the next epoch.  Its life begins anew.
    """
    gone = set(remove)
    if unknown := gone - current.keys.keys():
        raise SigningError(
            f"Root {current.version} lists no key {sorted(unknown)[0]!r}.",
            "`proffer keys status` tells which it lists.",
        )
    keys = {kid: key for kid, key in current.keys.items() if kid not in gone} | dict(add)
    root = structs.replace(
        current,
        version=current.version + 1,
        epoch=current.epoch + compromised,
        expires_s=now_s + lifetime_s,
        threshold=threshold or current.threshold,
        keys=keys,
    )
    check_usable(root)
    return root


def check_usable(root: Root) -> None:
    """Raises `SigningError` for a root under which nothing could be signed any more."""
    if not root.of_role("online"):
        raise SigningError(
            f"Root {root.version} would list no online key: nobody could publish.",
            "Rotate it with `proffer keys rotate-online`, which brings the next one.",
        )
    if len(root.of_role("root")) < root.threshold:
        raise SigningError(
            f"Root {root.version} would have {len(root.of_role('root'))} root keys and ask"
            f" {root.threshold} signatures.",
            "Add root keys, or lower --threshold.",
        )


def describe(root: Root, before: Root | None) -> list[str]:
    """What it says, and what it changes, in lines for whoever is asked to sign it."""
    lines = [
        f"root {root.version} of {root.tenant!r}, epoch {root.epoch}"
        + (" (a new epoch: the old one is over)" if before and root.epoch > before.epoch else ""),
        f"asks {root.threshold} signatures of {len(root.of_role('root'))} root keys",
    ]
    known = before.keys if before else {}
    lines += [
        f"{'keeps' if kid in known else 'adds '} {key.role:6} key {kid}"
        for kid, key in sorted(root.keys.items(), key=lambda item: (item[1].role, item[0]))
    ]
    lines += [f"drops {key.role:6} key {kid}" for kid, key in known.items() if kid not in root.keys]
    return lines
