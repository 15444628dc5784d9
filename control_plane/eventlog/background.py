"""Beside the server: the log is folded into the database, for ever."""

from __future__ import annotations

import asyncio
import logging

from control_plane.eventlog.folding import Folding
from control_plane.services import Services
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError
from control_plane.telemetry.pulse import beat

log = logging.getLogger(__name__)

PAUSE_S = 0.05
"""Between rounds while there is more: others may take the lease."""


async def keep_folded(services: Services) -> None:
    """Nothing to do where events go straight into the database."""
    if services.folding is None:
        return
    every_s, trouble = services.settings.log_fold_every_ms / 1000, ""
    has_begun = False
    while True:
        folded = 0
        try:
            if not has_begun:
                await services.folding.fold_aside()
                has_begun = True
            folded = await _round(services.folding)
            trouble = ""
        except (StorageUnavailable, ObjectError) as error:
            if str(error) != trouble:
                log.warning("the event log is not folded: %s", error)
            trouble = str(error)
        except Exception:  # whatever it is, events go on coming in
            log.exception("folding the event log failed")
        await asyncio.sleep(PAUSE_S if folded else every_s)


async def _round(folder: Folding) -> int:
    folded = await folder.fold()
    await folder.prune_in_time()
    beat()
    return folded
