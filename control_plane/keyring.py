"""The keys that a control plane holds, and which of them signs.

    online keys   sign manifests; the roots say which count
    edge secrets  edges attest records and issue tokens with one; all that are here are believed
    shop keys     the shop's server shows one; all that are here are believed
    webhook       the shop's order webhook is signed with one; all that are here are believed

A private root key is not among them: whoever breaks in here must not be able to appoint keys.
Only the development keys of a first run have one.  In production each kind comes from a file
of its own (`PROFFER_ONLINE_KEY_FILE` and so on), which is looked at again when it changes,
so nothing is restarted for a rotation.

Which online key signs, where several are here: of those that the newest root lists, the one
that entered the roots last.  So every process comes to the same answer, and putting a root
into the store is what makes them go over.  A key that has only just been listed waits
`SETTLE_S` while there is an older one: an edge that asked for roots a moment ago, and asks
for the manifest now, must not meet a key that it has not heard of.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct

from control_plane.settings import Settings
from edge.decision.claims import Root
from policy_compiler.key_files import (
    read_all_private,
    read_secrets,
    read_shop_keys,
    read_webhook_secrets,
)
from policy_compiler.keys import DevelopmentKeys, SigningError, SigningKey

log = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_S = 10.0
LOOK_EVERY_S = 2.0
"""How long secrets are used before their file is looked at again; keys before each signing."""


class Chain(Struct, frozen=True):
    """All roots from the first on, each vouched for by the one before."""

    roots: tuple[Root, ...]

    @property
    def newest(self) -> Root:
        return self.roots[-1]

    def since(self, kid: str, role: str = "online") -> int:
        """The version since which it has been such a key without a break; 0: it is none."""
        version = 0
        for root in reversed(self.roots):
            if kid not in root.of_role(role):
                break
            version = root.version
        return version

    def is_over(self, theirs: str, ours: str) -> bool:
        """Whether what `theirs` signed is to be signed anew by `ours`."""
        return self.since(theirs) == 0 or self.since(ours) > self.since(theirs)


class Watched(Generic[T]):
    """What a file says, read again after it has changed.  Damage later on is only told."""

    def __init__(
        self, place: Path, read: Callable[[Path], T], every_s: float = LOOK_EVERY_S
    ) -> None:
        self._place = place
        self._every_s = every_s
        self._read = read
        self._seen = self._signature()
        self._value = read(place)
        self._looked_s = time.monotonic()

    def get(self) -> T:
        now_s = time.monotonic()
        if now_s >= self._looked_s + self._every_s:
            self._looked_s = now_s
            self._look()
        return self._value

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        try:
            self._value = self._read(self._place)
        except SigningError as error:
            log.error("the keys of before are used on: %s", error)
        else:
            log.warning("%s was read again", self._place)
        self._seen = signature

    def _signature(self) -> tuple[object, ...]:
        try:
            files = pem_files(self._place) if self._place.is_dir() else [self._place]
            return tuple((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in files)
        except OSError:
            return ()


class Keyring:
    """What of the keys a running control plane uses.  Thread-safe."""

    def __init__(
        self,
        online: Callable[[], tuple[SigningKey, ...]],
        edge_secrets: Callable[[], tuple[bytes, ...]],
        shop_keys: Callable[[], tuple[str, ...]],
        development: DevelopmentKeys | None = None,
        webhook_secrets: Callable[[], tuple[bytes, ...]] = tuple,
    ) -> None:
        self._online = online
        self._edge_secrets = edge_secrets
        self._shop_keys = shop_keys
        self._webhook_secrets = webhook_secrets
        self.development = development
        """Where a root key is at hand: only on a first run's own machine."""
        self.chain: Chain | None = None
        self._chosen = online()[0]
        self._listed_s: dict[str, float] = {}
        self.settle_s = SETTLE_S
        self.is_settling = False
        """Whether a newer key of ours has only just been listed."""

    @classmethod
    def open(cls, settings: Settings) -> Keyring:
        """From the files that the settings name; development keys for what they do not.

        Raises `SigningError`.
        """
        named = (settings.online_key_file, settings.edge_secret_file, settings.shop_key_file)
        development = None
        if not all(named):
            development = DevelopmentKeys.load_or_create(settings.keys)
        edge_secret, shop_key = settings.edge_secret_file, settings.shop_key_file
        webhook = settings.webhook_secret_file
        return cls(
            _online_of(settings, development),
            Watched(edge_secret, read_secrets).get
            if edge_secret
            else lambda: (_there(development).edge_secret,),
            Watched(shop_key, read_shop_keys).get
            if shop_key
            else lambda: (_there(development).shop_key,),
            # whose online key is not its own is no development shop: its root is not ours to make
            None if settings.online_key_file else development,
            Watched(webhook, read_webhook_secrets).get if webhook else tuple,
        )

    @classmethod
    def of(cls, keys: DevelopmentKeys) -> Keyring:
        """These keys alone."""
        return cls(
            lambda: (keys.online,), lambda: (keys.edge_secret,), lambda: (keys.shop_key,), keys
        )

    # --- signing ------------------------------------------------------------

    @property
    def online(self) -> SigningKey:
        """The key that signs now."""
        return self._chosen

    @property
    def at_hand(self) -> tuple[SigningKey, ...]:
        return self._online()

    def follow(self, chain: Chain) -> None:
        """Choose the key that signs under the newest root."""
        self.chain = chain
        listed = chain.newest.of_role("online")
        ours = [key for key in self._online() if key.kid in listed]
        ours.sort(key=lambda key: (chain.since(key.kid), key.kid), reverse=True)
        if not ours:
            self._chosen, self.is_settling = self._online()[0], False
            return
        self._chosen = next((key for key in ours if self._has_settled(key)), ours[-1])
        self.is_settling = self._chosen is not ours[0]

    def _has_settled(self, key: SigningKey) -> bool:
        now_s = time.monotonic()
        return now_s >= self._listed_s.setdefault(key.kid, now_s) + self.settle_s

    # --- believing ----------------------------------------------------------

    @property
    def edge_secrets(self) -> tuple[bytes, ...]:
        return self._edge_secrets()

    @property
    def edge_secret(self) -> bytes:
        """The one that edges are given."""
        return self._edge_secrets()[0]

    @property
    def shop_keys(self) -> tuple[str, ...]:
        return self._shop_keys()

    @property
    def shop_key(self) -> str:
        """The one that the shop is given."""
        return self._shop_keys()[0]

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """None where no file is named: then no webhook is believed."""
        return self._webhook_secrets()

    def __repr__(self) -> str:
        """Without the secrets: this ends up in logs and tracebacks."""
        return f"Keyring(online={self._chosen.kid})"


def follow(keys: object, chain: Chain) -> None:
    """Bare development keys have one online key, and nothing to choose."""
    if isinstance(keys, Keyring):
        keys.follow(chain)


def development_keys(keys: object) -> DevelopmentKeys | None:
    """The keys that may make a first root by themselves, if these are such."""
    return keys.development if isinstance(keys, Keyring) else keys  # type: ignore[return-value]


# --- files --------------------------------------------------------------------


def pem_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("online*.pem"))


def _online_of(
    settings: Settings, development: DevelopmentKeys | None
) -> Callable[[], tuple[SigningKey, ...]]:
    if settings.online_key_file is not None:
        return Watched(settings.online_key_file, read_online, 0).get
    beside = Watched(settings.keys, lambda folder: read_online(folder, least=0), 0)
    return lambda: (*beside.get(), _there(development).online)


def read_online(place: Path, least: int = 1) -> tuple[SigningKey, ...]:
    """The keys in a file, or in all files `online*.pem` of a folder.  Raises `SigningError`."""
    files = pem_files(place) if place.is_dir() else [place]
    found = tuple(key for file in files for key in read_all_private(file))
    if len(found) < least:
        raise SigningError(
            f"{place} holds no file online*.pem.", "Copy the online key there, or name its file."
        )
    return found


def _there(development: DevelopmentKeys | None) -> DevelopmentKeys:
    if development is None:
        raise AssertionError("development keys are read where a file is not named")
    return development
