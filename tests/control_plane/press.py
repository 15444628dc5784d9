"""A publisher for tests, with a clock that they turn and a channel that an edge believes."""

from __future__ import annotations

import asyncio

import msgspec

from control_plane.policies import Policies
from control_plane.publishing import Publisher
from control_plane.settings import Settings
from control_plane.signing import Signing, Signings
from control_plane.storage.objects import ObjectStore
from control_plane.storage.opening import open_database, open_store
from control_plane.storage.writer import Writer
from edge.decision.claims import Manifest
from edge.decision.trust import accept_bundle, accept_manifest, pin_root, trust
from edge.local_crypto import verify_ed25519
from policy_compiler.keys import DevelopmentKeys
from tests.support.bundles import tiny_bundle

CHANNEL = "channels/production/edge.jws"
HOUR_S = 3600
ONE, TWO = tiny_bundle(salt="1"), tiny_bundle(salt="2")


class Press:
    """A publisher with a clock that tests turn."""

    def __init__(self, settings: Settings) -> None:
        self.now_s = 1_790_000_000
        self.settings = msgspec.structs.replace(settings, require_approval=False)
        self.database = open_database(settings)
        self.writer = Writer(self.database)
        self.store: ObjectStore = open_store(settings)
        self.keys = DevelopmentKeys.load_or_create(self.settings.keys)
        self.publisher = self.another()
        self.publisher.start()

    def another(self, **changes: object) -> Publisher:
        """As after a restart."""
        settings = msgspec.structs.replace(self.settings, **changes)
        signings = Signings(settings, self.keys, self.database, self.writer, lambda: self.now_s)
        return Publisher(settings, self.keys, signings, self.store, Policies(self.store))

    def publish(self, data: bytes = ONE) -> Signing:
        return self.publisher.publish(data, actor="test")

    def file(self) -> bytes:
        data = self.store.get(CHANNEL)
        assert data is not None
        return data

    def manifest(self) -> Manifest:
        """The channel's file as an edge believes it."""
        return asyncio.run(self._accept())

    async def _accept(self) -> Manifest:
        first = self.store.get("keys/root.1.jws")
        assert first is not None
        root = await pin_root(first, verify_ed25519, "shop")
        manifest = await accept_manifest(
            root, None, self.file(), verify_ed25519, self.now_s, "shop", "production", "edge"
        )
        (release,) = manifest.releases
        raw = self.store.get(f"bundles/{release.bundle}")
        assert raw is not None
        trust(root, manifest, [accept_bundle(manifest, release, raw)])
        return manifest

    def close(self) -> None:
        self.writer.close()
        self.database.close()
