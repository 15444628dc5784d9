"""Whose turn it is: one process at a time folds the log, or erases from it."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress

from control_plane.learning.lease import Lease
from control_plane.storage.writer import StorageUnavailable, Writer

NAME = "event log"
LIFE_S = 30
"""Longer than a round of folding; then another process may have its turn."""


class Turn:
    """As one holder asks for it.  Methods block; they raise `StorageUnavailable`."""

    def __init__(self, tenant: str, writer: Writer) -> None:
        self._lease = Lease(tenant, NAME, secrets.token_hex(8))
        self._writer = writer

    def take(self) -> bool:
        """Take or renew it; whether it is ours."""
        return self._writer.run(
            lambda connection: self._lease.take(connection, now_s=int(time.time()), life_s=LIFE_S)
        )

    def give_back(self) -> None:
        """At once if the database answers, else by itself after `LIFE_S`."""
        with suppress(StorageUnavailable):
            self._writer.run(self._lease.release)
