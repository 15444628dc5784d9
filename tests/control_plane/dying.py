"""Publishes, and dies by kill -9 at every step: `python -m tests.control_plane.dying`.

Storage is that of the environment's settings.  A *step* is the moment before or after
anything that reaches the disk, the bucket or the database.  For each step a fork of this
process publishes, and kills itself there.  The next one first looks, before anything is
mended: the channel's file must be one that was committed, whole, with its bundle.  Then it
starts as after a crash, and the file must be the newest that was committed.

Prints how many steps it died at.  Anything that does not hold ends it with a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import event

from control_plane.services import Services
from control_plane.settings import Settings, read_settings
from control_plane.signing import Signing
from control_plane.storage.opening import open_store
from edge.decision.claims import read_manifest
from edge.decision.jws import read_compact
from edge.decision.trust import MANIFEST_TYPE
from tests.support.bundles import tiny_bundle

CHANNEL = "channels/production/edge.jws"
STEPS_MAX = 200


def main() -> None:
    settings = read_settings(os.environ, require_approval=False)
    assert in_fork(lambda: first_publish(settings)) == 0
    for step in range(1, STEPS_MAX):
        status = in_fork(lambda step=step: publish_and_die(settings, step))
        assert status in (0, -signal.SIGKILL), f"step {step} ended with {status}"
        if status == 0:
            assert in_fork(lambda: started(settings).close()) == 0
            print(step - 1)
            return
    raise AssertionError(f"a publish has more than {STEPS_MAX} steps")


def in_fork(act: Callable[[], object]) -> int:
    """Runs it in a process of its own; its exit status, negative for a signal."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def first_publish(settings: Settings) -> None:
    services = Services.open(settings)
    services.publisher.publish(tiny_bundle(salt="first"), actor="test")
    services.close()


# --- dying --------------------------------------------------------------------


class Steps:
    """Counts, and kills this process at the wanted one."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted

    def take(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        """A step before each call of that function, and one after."""
        real = getattr(owner, name)

        def stepping(*arguments: Any, **named: Any) -> Any:
            self.take()
            result = real(*arguments, **named)
            self.take()
            return result

        setattr(owner, name, stepping)


def publish_and_die(settings: Settings, step: int) -> None:
    services = started(settings)
    steps = Steps(step)
    for name in ("put", "look", "swap"):
        steps.around(services.store, name)
    if not settings.object_store:
        steps.around(os, "fsync")
        steps.around(Path, "replace")
    event.listen(services.database.engine, "commit", lambda connection: steps.take())
    steps.around(services.writer, "run")
    services.publisher.publish(tiny_bundle(salt=f"step {step}"), actor="test")


# --- what must hold afterwards ------------------------------------------------


def started(settings: Settings) -> Services:
    """A start after whatever happened; everything that must hold holds."""
    before = bytes_of(settings)
    sequence = read_manifest(read_compact(before, MANIFEST_TYPE).payload).sequence
    services = Services.open(settings)  # mends
    history = {signing.sequence: signing for signing in services.publisher.history()}
    live = services.publisher.live()
    assert live is not None
    assert sequence in (live.sequence, live.sequence - 1), (sequence, live.sequence)
    assert before == history[sequence].signed
    check_bundle(services, history[sequence])
    assert sorted(history) == list(range(1, live.sequence + 1))
    assert bytes_of(settings) == live.signed
    check_bundle(services, live)
    return services


def bytes_of(settings: Settings) -> bytes:
    data = open_store(settings).get(CHANNEL)
    assert data is not None
    return data


def check_bundle(services: Services, signing: Signing) -> None:
    data = services.store.get(f"bundles/{signing.bundle}")
    assert data is not None and sha256(data).hexdigest() == signing.bundle


if __name__ == "__main__":
    main()
