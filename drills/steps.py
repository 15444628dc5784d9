"""A publish that meets a fault at its n-th system call, for every n: under strace.

    parent   forks a publisher, attaches strace to one of its threads, and lets it go
    strace   at the n-th call of a kind: kill -9, or this error from there on
    child    publishes, and ends with what became of it
    then     a start as after a crash: everything that must hold holds (`dying.py`)

Nothing in the product knows of this.  Both threads that matter are tried: the one that
publishes (object store, bucket) and the one that writes (database).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from tests.control_plane.dying import first_publish, in_fork, started
from tests.support.bundles import tiny_bundle

DISK = ("write", "pwrite64", "fsync", "fdatasync", "rename", "ftruncate", "fallocate")
KILL_AT = ("openat", "unlink", "mkdir", "flock", "sendto", "recvfrom", "connect", *DISK)

PUBLISHED, TOLD = 0, 3
"""How a child ends: it is published, or it was told clearly that it is not (or not yet)."""
STEPS_MAX = 5000

PATIENCE_S = 60.0
Thread = Literal["publisher", "writer"]


class Fault(Struct, frozen=True):
    """What strace does, and to which calls.  `error` is empty for kill -9."""

    name: str
    calls: tuple[str, ...]
    error: str = ""

    def options(self, step: int) -> list[str]:
        calls = ",".join(self.calls)
        done = f"error={self.error}:when={step}+" if self.error else f"signal=KILL:when={step}"
        return ["-e", f"trace={calls}", "-e", f"inject={calls}:{done}"]


KILL = Fault("kill -9", KILL_AT)
FULL_DISK = Fault("full disk", DISK, "ENOSPC")


class MissingStrace(RuntimeError):
    """The drill needs a program that is not installed; the message says which."""


def drill(settings: Settings, fault: Fault, every: int = 1) -> Counter[str]:
    """How often it ended how, over every `every`-th step of both threads.

    Raises `AssertionError` for anything that does not hold.
    """
    if shutil.which("strace") is None:
        raise MissingStrace("the drill needs strace: apt-get install strace")
    assert in_fork(lambda: first_publish(settings)) == 0
    told: Counter[str] = Counter()
    for thread in ("publisher", "writer"):
        for step in range(1, STEPS_MAX, every):
            ended = _ended(settings, fault, thread, step)
            assert ended in (PUBLISHED, TOLD, -9), (fault.name, thread, step, ended)
            assert in_fork(lambda: started(settings).close()) == 0, (fault.name, thread, step)
            if ended == PUBLISHED:
                break
            told["killed" if ended == -9 else "told"] += 1
        else:
            raise AssertionError(f"a publish has more than {STEPS_MAX} steps")
    return told


def _ended(settings: Settings, fault: Fault, thread: Thread, step: int) -> int:
    """One publish with the fault at that step; its exit status."""
    ready, begin = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        be_child(lambda: _publish(settings, thread, step, ready[1], begin[0]))
    os.close(ready[1])
    os.close(begin[0])
    with os.fdopen(ready[0], "rb") as told, os.fdopen(begin[1], "wb") as go:
        tid = int(told.readline() or 0)
        assert tid, "the publisher did not start"
        tracer = attached(tid, fault.options(step))
        go.write(b"x")
        go.flush()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tracer.wait(30)
    assert tracer.stderr is not None
    tracer.stderr.close()
    return status


def attached(tid: int, options: list[str]) -> subprocess.Popen[str]:
    """strace at a thread, or with `-f` at a process and all that it makes."""
    command = ["strace", "-o", os.devnull, *options, "-p", str(tid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert "attached" in line, line
    return tracer


def let_go(tracer: subprocess.Popen[str] | None) -> None:
    """Where it was attached, and is not gone yet."""
    if tracer is None or tracer.stderr is None or tracer.stderr.closed:
        return
    if tracer.poll() is None:
        tracer.terminate()
    tracer.wait(PATIENCE_S)
    tracer.stderr.close()


def be_child(act: Callable[[], int]) -> None:
    """Ends this process with what `act` says, or with 1 and the error told."""
    try:
        os._exit(act())
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def _publish(settings: Settings, thread: Thread, step: int, ready: int, begin: int) -> int:
    services = started(settings)
    tid = os.getpid() if thread == "publisher" else services.writer._thread.native_id
    os.write(ready, f"{tid}\n".encode())
    os.read(begin, 1)
    try:
        services.publisher.publish(tiny_bundle(salt=f"{thread} {step}"), actor="drill")
    except StorageUnavailable as error:
        return TOLD if str(error) else 1
    return PUBLISHED
