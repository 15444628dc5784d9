"""How the keys stand, for whoever operates: in the API, in the log, and as numbers.

The log tells each warning once an hour as long as it holds.  The numbers are for alarms
(`docs/guide/keys.md` has rules): seconds until root and manifests expire, and warnings by code.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.errors import Refused
from control_plane.key_status import KeysStatus, KeyWarning, chain_in, look
from control_plane.services import Services
from control_plane.storage.objects import ObjectError
from control_plane.telemetry.pulse import beat
from edge.decision.errors import TrustError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
TELL_EVERY_S = 3600.0


def keys_status(services: Services, now_s: int | None = None) -> KeysStatus | None:
    """How the keys stand; None before the first root.  Blocks.

    Raises `ObjectError` or `TrustError`.
    """
    chain = chain_in(services.store)
    if chain is None:
        return None
    here = frozenset(key.kid for key in services.keys.at_hand)
    at_s = int(time.time()) if now_s is None else now_s
    return look(services.settings, services.store, chain, here, at_s)


# --- the API ------------------------------------------------------------------


async def get_keys(call: Call) -> Answer:
    try:
        found = await asyncio.to_thread(keys_status, call.services)
    except TrustError as error:
        raise Refused("damaged", f"a root in the store is not to be believed: {error}") from None
    if found is None:
        raise Refused("not-found", "there is no root yet")
    return Answer(found)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/v1/keys",
        name="get_keys",
        summary="Which keys are listed and sign, when root and manifests expire, and warnings.",
        tag="keys",
        permission="keys",
        handler=get_keys,
        answers={200: KeysStatus},
        problems=("not-found", "damaged", "storage-unavailable"),
    ),
)


# --- the log ------------------------------------------------------------------


class Watch:
    """The last look, and what was told of it."""

    def __init__(self) -> None:
        self.status: KeysStatus | None = None
        self._told_s: dict[str, float] = {}

    def look(self, services: Services) -> None:
        """Blocks.  What cannot be read now is read by the next look."""
        try:
            self.status = keys_status(services)
        except (ObjectError, TrustError) as error:
            log.error("how the keys stand cannot be seen: %s", error)
            return
        for warning in self.status.warnings if self.status else ():
            self._tell(warning)

    def _tell(self, warning: KeyWarning) -> None:
        now_s = time.monotonic()
        if now_s < self._told_s.get(warning.code, -TELL_EVERY_S) + TELL_EVERY_S:
            return
        self._told_s[warning.code] = now_s
        level = logging.CRITICAL if warning.level == "critical" else logging.WARNING
        log.log(level, "keys: %s  %s", warning.text, warning.help)


WATCH = Watch()
"""Of this process: what runs beside the server looks, whoever reads the numbers asks."""


async def keep_watched(services: Services) -> None:
    while True:
        await asyncio.to_thread(WATCH.look, services)
        beat()
        await asyncio.sleep(LOOK_EVERY_S)


# --- numbers ------------------------------------------------------------------


def gauges(status: KeysStatus | None, now_s: int) -> Iterator[tuple[str, dict[str, str], float]]:
    """Names, labels and values, for a registry of metrics; nothing before the first look."""
    if status is None:
        return
    yield "proffer_root_expires_seconds", {}, status.root.expires_s - now_s
    yield "proffer_root_version", {}, status.root.version
    for manifest in status.manifests:
        label = {"channel": manifest.channel}
        yield "proffer_manifest_expires_seconds", label, manifest.expires_s - now_s
    for warning in status.warnings:
        yield "proffer_key_warning", {"code": warning.code, "level": warning.level}, 1
