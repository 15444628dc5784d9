"""Compaction beside the server, where a setting asks for it."""

from __future__ import annotations

import asyncio
import logging

from control_plane.analysis.compaction import compact
from control_plane.analysis.layout import TablesError
from control_plane.services import Services
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError
from control_plane.telemetry.pulse import beat

log = logging.getLogger(__name__)


async def keep_compacted(services: Services) -> None:
    """Compact every `compact_every_s` into the data folder, for ever; not if it is 0."""
    every_s, last = services.settings.compact_every_s, ""
    while every_s:
        await asyncio.sleep(every_s)
        trouble = await asyncio.to_thread(try_once, services)
        if not trouble:
            beat()
        elif trouble != last:
            log.warning("the tables for analysis are not up to date: %s", trouble)
        last = trouble


def try_once(services: Services) -> str:
    """Compact once; why that was not possible, or ""."""
    settings = services.settings
    try:
        done = compact(
            services.database,
            settings.analysis,
            settings.tenant,
            bundle_of=services.policies.get,
        )
    except TablesError as error:
        return f"{error} {error.help}"
    except (StorageUnavailable, ObjectError, OSError) as error:
        return str(error)
    if done.days:
        log.info("compacted %d days: %d files", len(done.days), done.files)
    return ""
