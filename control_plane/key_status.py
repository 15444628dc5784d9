"""What the keys are worth today: who is listed, what expires when, and what to do about it.

Everything is read from the object store, as edges see it.  A warning comes `WARN_S` before a
root expires: a ceremony takes its time, and under an expired root nothing is believed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from control_plane.audit.trusting import roots_of
from control_plane.channels import ChannelFile, signer_of
from control_plane.keyring import Chain
from control_plane.settings import Settings
from control_plane.signing import PROJECTION
from control_plane.storage.objects import ObjectStore
from edge.decision.claims import Root

DAY_S = 86_400
WARN_S = 30 * DAY_S
LATE = 2
"""A manifest is signed anew at least four times in its life: with half of it gone, nobody does."""

Level = Literal["warning", "critical"]


class KeyListed(Struct, frozen=True, kw_only=True):
    """A key of the newest root.  `since`: the root that brought it, without a break.

    `is_here`: whether this control plane holds its private half.  `signs`: whether the
    manifests of channels are by it.
    """

    kid: str
    role: Literal["online", "root"]
    since: int
    is_here: bool
    signs: tuple[str, ...]


class RootStatus(Struct, frozen=True, kw_only=True):
    """The newest root."""

    version: int
    epoch: int
    threshold: int
    expires_s: int
    file: str


class ManifestStatus(Struct, frozen=True, kw_only=True):
    """The manifest that edges of a channel fetch now."""

    channel: str
    epoch: int
    sequence: int
    signed_by: str
    issued_s: int
    expires_s: int


class KeyWarning(Struct, frozen=True, kw_only=True):
    """What needs somebody.  `code` is for programs, `text` says what, `help` what to do."""

    level: Level
    code: str
    text: str
    help: str


class KeysStatus(Struct, frozen=True, kw_only=True):
    tenant: str
    root: RootStatus
    keys: tuple[KeyListed, ...]
    manifests: tuple[ManifestStatus, ...]
    warnings: tuple[KeyWarning, ...]


def chain_in(store: ObjectStore) -> Chain | None:
    """All roots in the store; None before the first.  Raises `ObjectError` or `TrustError`."""
    roots = roots_of(store)
    return Chain(tuple(roots)) if roots else None


def look(
    settings: Settings, store: ObjectStore, chain: Chain, here: frozenset[str], now_s: int
) -> KeysStatus:
    """How things stand.  `here`: ids of the online keys at hand.  Raises `ObjectError`."""
    root = chain.newest
    manifests = tuple(
        found
        for channel in settings.all_channels
        if (found := _manifest(store, root, channel)) is not None
    )
    return KeysStatus(
        tenant=root.tenant,
        root=RootStatus(
            version=root.version,
            epoch=root.epoch,
            threshold=root.threshold,
            expires_s=root.expires_s,
            file=f"/v1/keys/root.{root.version}.jws",
        ),
        keys=tuple(_listed(chain, manifests, here)),
        manifests=manifests,
        warnings=tuple(_warnings(chain, manifests, here, now_s)),
    )


def _manifest(store: ObjectStore, root: Root, channel: str) -> ManifestStatus | None:
    found = ChannelFile(store, root, channel, PROJECTION).newest()
    if found is None:
        return None
    return ManifestStatus(
        channel=channel,
        epoch=found.manifest.epoch,
        sequence=found.manifest.sequence,
        signed_by=signer_of(found.signed),
        issued_s=found.manifest.issued_s,
        expires_s=found.manifest.expires_s,
    )


def _listed(
    chain: Chain, manifests: tuple[ManifestStatus, ...], here: frozenset[str]
) -> list[KeyListed]:
    order = sorted(chain.newest.keys.items(), key=lambda item: (item[1].role, item[0]))
    return [
        KeyListed(
            kid=kid,
            role=key.role,
            since=chain.since(kid, key.role),
            is_here=kid in here,
            signs=tuple(m.channel for m in manifests if m.signed_by == kid),
        )
        for kid, key in order
    ]


# --- warnings -----------------------------------------------------------------


def _warnings(
    chain: Chain, manifests: tuple[ManifestStatus, ...], here: frozenset[str], now_s: int
) -> list[KeyWarning]:
    root, found = chain.newest, []
    left_s = root.expires_s - now_s
    if left_s < WARN_S:
        when = f"root {root.version} expires on {day(root.expires_s)}, in {left_s // DAY_S} days"
        past = f"root {root.version} expired on {day(root.expires_s)}: no edge believes a manifest"
        help = "Propose the next one: `proffer keys rotate-root`, have it signed, publish it."
        found.append(_said(left_s <= 0, "root-expires", past if left_s <= 0 else when, help))
    found += [_late(manifest, now_s) for manifest in manifests if _is_late(manifest, now_s)]
    online = set(root.of_role("online"))
    if not online & here:
        text = f"root {root.version} lists none of the online keys that are here"
        found.append(_said(True, "key-not-here", text, "Copy the online key to this machine."))
    idle = sorted(online - {manifest.signed_by for manifest in manifests})
    if manifests and len(online) > 1 and idle:
        text = f"root {root.version} lists an online key that signs nothing: {', '.join(idle)}"
        help = "After a rotation: `proffer keys revoke` it, an hour later."
        found.append(_said(False, "key-idle", text, help))
    return found


def _is_late(manifest: ManifestStatus, now_s: int) -> bool:
    life_s = manifest.expires_s - manifest.issued_s
    return manifest.expires_s - now_s < life_s // LATE


def _late(manifest: ManifestStatus, now_s: int) -> KeyWarning:
    left_s = manifest.expires_s - now_s
    text = f"the manifest of {manifest.channel} expires in {max(0, left_s)} s"
    help = "It should have been signed anew: does a control plane run? Its log tells what failed."
    return _said(left_s <= 0, "manifest-expires", text, help)


def _said(is_critical: bool, code: str, text: str, help: str) -> KeyWarning:
    level: Level = "critical" if is_critical else "warning"
    return KeyWarning(level=level, code=code, text=text, help=help)


def day(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()
