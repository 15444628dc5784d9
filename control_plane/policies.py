"""Opened bundles by digest, kept while they are used."""

from __future__ import annotations

import threading
from collections import OrderedDict

from control_plane.storage.objects import ObjectStore
from edge.decision.bundle import Bundle, open_bundle

KEPT_LIMIT = 16


class Policies:
    """Reads bundles from the object store; thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, Bundle] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Bundle | None:
        """The bundle of that digest (hexadecimal), or None if it was never published here.

        Raises `BundleError` for a stored file that is damaged.
        """
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        return self._read(digest)

    def _read(self, digest: str) -> Bundle | None:
        data = self._store.get(f"bundles/{digest}")
        if data is None:
            return None
        bundle = open_bundle(data)
        with self._lock:
            self._kept[digest] = bundle
            while len(self._kept) > KEPT_LIMIT:
                self._kept.popitem(last=False)
        return bundle


class NotAtHand(Exception):
    """The bundle must be read from the store first, which takes its time."""


class AtHand(Policies):
    """Those of `policies` that are opened already: never waits for a store."""

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies._store)
        self._kept, self._lock = policies._kept, policies._lock

    def _read(self, digest: str) -> Bundle | None:
        raise NotAtHand(digest)
