"""A server's beacons that meet a fault at its n-th system call, for every n: under strace.

    parent   forks a child, attaches strace to the one that writes the database, lets it go
    strace   at the n-th call of a kind: kill -9; or this error from there on, for a while
    child    keeps batch after batch through the server's own collector, and tells of each what
             became of it; when the fault is over, it must keep more without being restarted
    then     what was acknowledged is there, and counts once

SQLite is written by the child's writer thread.  PostgreSQL is written by its own processes:
there the fault meets each of those that start meanwhile, and a kill makes it crash and recover
while the child goes on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections import Counter

import msgspec
from msgspec import Struct

from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.opening import open_database
from drills.counting import held
from drills.load import decision_of, exposure
from drills.steps import Fault, MissingStrace, attached, be_child, let_go
from tests.support.postgres import Cluster

KILL_AT = ("write", "pwrite64", "fsync", "fdatasync", "rename", "unlink")
FAIL_AT = ("write", "pwrite64", "fsync", "fdatasync")
ERRORS = ("ENOSPC", "EIO")
MORE = 10
"""Batches beyond the step: each makes a call of every kind that there is."""
AFTER = 3
"""Batches that must be kept once the fault is over."""
PATIENCE_S = 60.0


class Told(Struct):
    """What a child said; `refused`: how often nothing was kept, or nobody knew."""

    kept: list[str] = []
    refused: int = 0


# --- the child ----------------------------------------------------------------


class Child:
    """In a process of its own; `prefix` begins its names."""

    def __init__(
        self, settings: Settings, prefix: str, batches: int, tell: int, listen: int
    ) -> None:
        self._settings, self._prefix, self._batches = settings, prefix, batches
        self._tell, self._listen = tell, listen

    def run(self) -> int:
        """Says `tid N` and a line per batch; waits for a byte before it begins."""
        services = Services.open(self._settings)
        services.database.engine.dispose()  # PostgreSQL's process for it shall be a new one
        self._say(f"tid {services.writer._thread.native_id}")
        os.read(self._listen, 1)
        for number in range(self._batches):
            self._keep(services, f"{self._prefix}-{number}")
        self._say("done")
        os.read(self._listen, 1)  # the fault is over
        deadline_s, kept, number = time.monotonic() + PATIENCE_S, 0, 0
        while kept < AFTER:
            assert time.monotonic() < deadline_s, "it does not go on"
            kept += self._keep(services, f"{self._prefix}-after-{number}")
            number += 1
        services.close()
        return 0

    def _keep(self, services: Services, name: str) -> bool:
        body = msgspec.json.encode([exposure(name, int(time.time()))])
        try:
            receipt = asyncio.run(services.collector.accept(body, from_shop=False))
        except StorageUnavailable:
            self._say("refused")
            time.sleep(0.02)
            return False
        assert receipt.accepted == 1, receipt
        self._say(f"kept {name}")
        return True

    def _say(self, line: str) -> None:
        os.write(self._tell, f"{line}\n".encode())


# --- the parent ---------------------------------------------------------------


def meet(settings: Settings, cluster: Cluster | None, fault: Fault, step: int) -> tuple[Told, bool]:
    """What a child said that met the fault, and whether anybody met it."""
    ours, theirs = os.pipe(), os.pipe()
    prefix = f"{fault.name}-{fault.calls[0]}-{fault.error}-{step}"
    child = os.fork()
    if child == 0:
        be_child(Child(settings, prefix, step + MORE, theirs[1], ours[0]).run)
    os.close(ours[0])
    os.close(theirs[1])
    told, tracer = Told(), None
    with os.fdopen(theirs[0], "rb") as lines, os.fdopen(ours[1], "wb", buffering=0) as go:
        for line in map(bytes.decode, lines):
            word, _, rest = line.strip().partition(" ")
            if word == "tid":
                tracer = _attach(int(rest), cluster, fault.options(step))
                go.write(b"x")
            elif word == "kept":
                told.kept.append(rest)
            elif word == "refused":
                told.refused += 1
            elif word == "done":
                let_go(tracer)
                _mend(cluster)
                go.write(b"x")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    let_go(tracer)
    was_killed = cluster is None and not fault.error and status == -signal.SIGKILL
    assert status == 0 or was_killed, (fault, step, status)
    return told, was_killed or told.refused > 0


def _attach(tid: int, cluster: Cluster | None, options: list[str]) -> subprocess.Popen[str]:
    if cluster is not None:
        assert cluster._process is not None
        options, tid = ["-f", *options], cluster._process.pid
    return attached(tid, options)


def _mend(cluster: Cluster | None) -> None:
    """A PostgreSQL that could not even recover on a broken disk ends; somebody starts it again."""
    if cluster is None or cluster._process is None:
        return
    time.sleep(0.2)
    if cluster._process.poll() is not None:
        cluster.start()


# --- the drills ---------------------------------------------------------------


def killed(settings: Settings, cluster: Cluster | None, steps: range) -> Counter[str]:
    """kill -9 at those calls of each kind; how often it ended how.

    Raises `AssertionError` for anything that does not hold.
    """
    return _drill(settings, cluster, [Fault("killed", (call,)) for call in KILL_AT], steps)


def refused(settings: Settings, cluster: Cluster | None, steps: range) -> Counter[str]:
    """A full or broken disk from those calls on, and mended again, under the same process."""
    faults = [Fault("failed", (call,), error) for call in FAIL_AT for error in ERRORS]
    return _drill(settings, cluster, faults, steps)


def _drill(
    settings: Settings, cluster: Cluster | None, faults: list[Fault], steps: range
) -> Counter[str]:
    if shutil.which("strace") is None:
        raise MissingStrace("the drill needs strace: apt-get install strace")
    Services.open(settings).close()
    counts: Counter[str] = Counter()
    kept: list[str] = []
    for fault in faults:
        for step in steps:
            told, met = meet(settings, cluster, fault, step)
            kept += told.kept
            counts["refused"] += told.refused
            if not met:
                break
            counts[f"{fault.name} at {fault.calls[0]} {fault.error}".strip()] += 1
    counts["acknowledged"] = len(kept)
    _check(settings, kept)
    return counts


def _check(settings: Settings, kept: list[str]) -> None:
    database = open_database(settings)
    try:
        found = held(database, settings.tenant)
    finally:
        database.close()
    names = set(found.names)
    lost = [name for name in kept if name not in names]
    assert not lost, f"{len(lost)} acknowledged events were lost: {lost[:5]}"
    assert len(found.names) == len(names), "an event is there twice"
    assert set(found.touches) == {decision_of(name) for name in names}
    assert set(found.touches.values()) <= {1}, "an event counts twice"
