"""A collector of the event log that meets a fault at its n-th system call, for every n.

    parent   forks a collector, attaches strace to the thread that makes batches durable (or
             to the one that drains the spill), and lets it go
    strace   at the n-th call of one kind: kill -9; or this error from there on, for a while
    child    keeps batch after batch, and tells of each what became of it
    then     the data are opened as after a crash, drained and folded: what was acknowledged
             is there, and counts once

Ways: `segments` (the store answers), `spill` (it does not), `drain` (it does again).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from control_plane.eventlog.folding import Folding
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.eventlog.segments import frame
from control_plane.eventlog.spill_file import SpillFile, others
from control_plane.eventlog.store import Batch
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import DirectoryStore
from drills.counting import held
from drills.load import decision_of, exposure
from drills.steps import Fault, attached, be_child, let_go

KILL_AT = ("write", "pwrite64", "fsync", "fdatasync", "rename", "unlink")
FAIL_AT = ("write", "fsync", "rename")
ERRORS = ("ENOSPC", "EIO")

Way = Literal["segments", "spill", "drain"]
WAYS: tuple[Way, ...] = ("segments", "spill", "drain")
MORE = 10
"""Batches, or spilled files, beyond the step: each makes a call of every kind at least."""
PATIENCE_S = 30.0


class Told(Struct):
    """What a child said; `refused`: how often nothing was kept."""

    kept: list[str] = []
    refused: int = 0


def settings_of(place: Path) -> Settings:
    return Settings(data=place, tenant="tinyshop", log_wait_ms=1)


def batch(name: str) -> Batch:
    now_s = int(time.time())
    event = msgspec.json.encode(exposure(name, now_s))
    return Batch(events=(event,), from_shop=False, received_s=now_s)


# --- the child ----------------------------------------------------------------


class Child:
    """In a process of its own; names begin with the place's."""

    def __init__(self, place: Path, way: Way, batches: int, tell: int, listen: int) -> None:
        self._settings, self._way, self._prefix = settings_of(place), way, f"{place.name}-"
        self._batches, self._tell, self._listen = batches, tell, listen

    def run(self) -> int:
        """Says `tid N`, then a line per batch; waits for a byte before it begins."""
        if self._way == "drain":
            self._leave_spill()
        log = ObjectLog(self._settings, self._store())
        thread = log._drainer._thread if self._way == "drain" else log._shipper._thread
        self._say(f"tid {thread.native_id}")
        os.read(self._listen, 1)
        if self._way == "drain":
            self._drained(log)
        else:
            self._keep(log, self._batches)
        self._say("done")
        os.read(self._listen, 1)  # the fault is over
        self._keep(log, 3, again_s=PATIENCE_S)
        self._say("mended")
        return 0

    def _store(self) -> DirectoryStore:
        folder = self._settings.log_folder
        if self._way == "segments":
            return DirectoryStore(folder)
        away = self._settings.data / "away"
        away.write_bytes(b"")  # a file: nothing can be below it
        return DirectoryStore(away)

    def _leave_spill(self) -> None:
        """As a process that died while the store was away."""
        for number in range(self._batches):
            file = SpillFile.make(self._settings.spill)
            name = f"{self._prefix}spilled-{number}"
            file.append(frame(batch(name)))
            self._say(f"kept {name}")
            file.close()

    def _drained(self, log: ObjectLog) -> None:
        store = log.store
        assert isinstance(store, DirectoryStore)
        store.folder = self._settings.log_folder
        deadline_s = time.monotonic() + PATIENCE_S
        while not log.spill.is_empty and time.monotonic() < deadline_s:
            log.drain()
            time.sleep(0.001)

    def _keep(self, log: ObjectLog, batches: int, again_s: float = 0.0) -> None:
        kept = 0
        deadline_s = time.monotonic() + again_s
        for number in range(10**6):
            name = f"{self._prefix}{self._way}-{again_s:.0f}-{number}"
            try:
                asyncio.run(log.keep(batch(name)))
                self._say(f"kept {name}")
                kept += 1
            except StorageUnavailable:
                self._say("refused")
                time.sleep(0.01 if again_s else 0)
            if kept == batches or (not again_s and number == batches):
                return
            assert not again_s or time.monotonic() < deadline_s, "it does not go on"

    def _say(self, line: str) -> None:
        os.write(self._tell, f"{line}\n".encode())


# --- the parent ---------------------------------------------------------------


def meet(place: Path, way: Way, fault: Fault, step: int) -> tuple[Told, bool]:
    """What a collector said that met the fault, and whether it met it at all."""
    ours, theirs = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        be_child(Child(place, way, step + MORE, theirs[1], ours[0]).run)
    os.close(ours[0])
    os.close(theirs[1])
    told, met = Told(), True
    with os.fdopen(theirs[0], "rb") as lines, os.fdopen(ours[1], "wb", buffering=0) as go:
        tracer = None
        for line in map(bytes.decode, lines):
            word, _, rest = line.strip().partition(" ")
            if word == "tid":
                tracer = attached(int(rest), fault.options(step))
                go.write(b"x")
            elif word == "kept":
                told.kept.append(rest)
            elif word == "refused":
                told.refused += 1
            elif word == "done":
                met = told.refused > 0
                let_go(tracer)
                go.write(b"x")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        let_go(tracer)
    assert status in (0, -signal.SIGKILL), (way, fault.name, step, status)
    return told, met or status == -signal.SIGKILL


def killed(place: Path, steps: range, ways: tuple[Way, ...] = WAYS) -> Counter[str]:
    """kill -9 at those calls of each kind; how often it ended how.

    Raises `AssertionError` for anything that does not hold.
    """
    faults = [Fault("killed", (call,)) for call in KILL_AT]
    return _drill(place, [(way, fault) for way in ways for fault in faults], steps)


def refused(place: Path, steps: range) -> Counter[str]:
    """A full or broken disk from those calls on, and mended again, in the same process."""
    faults = [Fault("failed", (call,), error) for call in FAIL_AT for error in ERRORS]
    return _drill(place, [(way, fault) for way in WAYS[:2] for fault in faults], steps)


def _drill(place: Path, faults: list[tuple[Way, Fault]], steps: range) -> Counter[str]:
    counts: Counter[str] = Counter()
    acknowledged: dict[Path, list[str]] = {}
    for way, fault in faults:
        for step in steps:
            here = place / f"{way}-{fault.calls[0]}-{step}-{fault.error}"
            here.mkdir()
            told, met = meet(here, way, fault, step)
            acknowledged[here] = told.kept
            counts["refused"] += told.refused
            if not met:
                break
            counts[f"{fault.name} at {fault.calls[0]} in {way}"] += 1
    counts["acknowledged"] = sum(map(len, acknowledged.values()))
    _check(place, acknowledged)
    return counts


def _check(place: Path, acknowledged: dict[Path, list[str]]) -> None:
    """Opens what they left as after a crash, and counts."""
    services = Services.open(replace(settings_of(place / "plane"), require_approval=False))
    try:
        for here in acknowledged:
            log = ObjectLog(settings_of(here), DirectoryStore(settings_of(here).log_folder))
            asyncio.run(_fold(log, services))
            log.close()
        found = held(services.database, "tinyshop")
    finally:
        services.close()
    names = set(found.names)
    lost = [name for kept in acknowledged.values() for name in kept if name not in names]
    assert not lost, f"{len(lost)} acknowledged events were lost: {lost[:5]}"
    assert len(found.names) == len(names), "an event is there twice"
    assert set(found.touches) == {decision_of(name) for name in names}
    assert set(found.touches.values()) <= {1}, "an event counts twice"


async def _fold(log: ObjectLog, services: Services) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while _spilled(log):
        assert time.monotonic() < deadline_s, "the spill is not drained"
        log.drain()
        await asyncio.sleep(0.002)
    folding = Folding(log, services.collector, Turn("tinyshop", services.writer), 86400)
    await folding.fold_whole()
    assert not folding.seen.aside, "something was set aside"
    assert not folding.seen.missing, "a lane has a gap"


def _spilled(log: ObjectLog) -> list[Path]:
    return others(log.spill.folder)
