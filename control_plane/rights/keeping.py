"""Beside the server: erasures are finished that something was in the way of, hashes pruned."""

from __future__ import annotations

import asyncio
import logging

from control_plane.rights.operations import rights_of
from control_plane.services import Services
from control_plane.storage.failures import StorageUnavailable
from control_plane.telemetry.pulse import beat

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
SOMEBODY_IS_AT_IT_S = 900


async def keep_erased(services: Services) -> None:
    """For ever."""
    last = ""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        trouble = await asyncio.to_thread(finish_once, services)
        if not trouble:
            beat()
        elif trouble != last:
            log.error("an erasure is not finished: %s", trouble)
        last = trouble


def finish_once(services: Services, min_age_s: int = SOMEBODY_IS_AT_IT_S) -> str:
    """What is still in the way, or ""."""
    rights = rights_of(services)
    try:
        rights.prune()
        return "; ".join(rights.finish(min_age_s))
    except StorageUnavailable as error:
        return str(error)
