"""Events that are in the log or in a spill of this machine: reading them, for an export.

Reads beside whoever writes and folds: what is carried from the spill into the log meanwhile may
be seen twice, never missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from control_plane.eventlog.naming import Names
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.pruning import every
from control_plane.eventlog.segments import BODY_AT, SPILL_MAGIC, batch_of, read_frames
from control_plane.eventlog.spill_file import others
from control_plane.rights.mentions import Mentions
from control_plane.settings import Settings
from control_plane.storage.opening import open_log_store


def is_used(settings: Settings) -> bool:
    """Whether there is a log, or was one."""
    return (
        settings.event_log == "objects"
        or bool(settings.log_store)
        or settings.log_folder.exists()
        or settings.spill.exists()
    )


@contextmanager
def opened_log(settings: Settings) -> Iterator[ObjectLog]:
    """For a process that has none open.  Raises `ObjectError` or `StorageUnavailable`."""
    log = ObjectLog.open(settings)
    try:
        yield log
    finally:
        log.close()


def mentioned(settings: Settings, mentions: Mentions) -> tuple[list[bytes], list[bytes]]:
    """The events about a subject in the spill and in the log.  Raises `ObjectError`.

    Again as long as events tell names of decisions or orders that earlier ones may be about.
    """
    while True:
        known = mentions.known
        spilled = [each for each in _spilled(settings) if mentions(each)]
        logged = [each for each in _logged(settings) if mentions(each)]
        if mentions.known == known:
            return spilled, logged


def _spilled(settings: Settings) -> Iterator[bytes]:
    for path in others(settings.spill):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # it was carried over just now
            continue
        yield from _events(data[len(SPILL_MAGIC) :])


def _logged(settings: Settings) -> Iterator[bytes]:
    store, names = open_log_store(settings), Names(settings.tenant)
    for folder in (names.segments, names.aside):
        for listed in every(store, folder):
            stored = store.look(listed.name)
            if stored is not None:
                yield from _events(stored.data[BODY_AT:])


def _events(frames: bytes) -> Iterator[bytes]:
    """Of whole batches; what is damaged is given as it is."""
    found = read_frames(frames)
    for piece in found.whole:
        try:
            yield from batch_of(piece).events
        except msgspec.MsgspecError:
            yield piece
    yield from found.damaged
    if found.tail:
        yield found.tail
