"""A wire to bucket or database that breaks at its n-th message, in both directions, for good.

parent   forks a wire (a TCP proxy) and a publisher whose address is the wire's
wire     carries messages; at the n-th from the client it cuts every connection, and
         listens no more: resets, then refused connections, as from a dead machine
child    publishes, and ends with what became of it
then     a start over the whole wire: everything that must hold holds (`dying.py`)
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError
from drills.steps import PUBLISHED, STEPS_MAX, TOLD
from tests.control_plane.dying import first_publish, in_fork, started
from tests.support.bundles import tiny_bundle

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a reset."""
Through = Callable[[Settings, int], Settings]
"""The publisher's settings with the wire's port in place of the real one."""


def drill(settings: Settings, target: str, through: Through, every: int = 1) -> Counter[str]:
    """How often it ended how.  `target` is the URL of what the wire leads to.

    Raises `AssertionError` for anything that does not hold.
    """
    assert in_fork(lambda: first_publish(settings)) == 0
    told: Counter[str] = Counter()
    for step in range(1, STEPS_MAX, every):
        ended = _ended(settings, target, through, step)
        assert ended in (PUBLISHED, TOLD), (step, ended)
        assert in_fork(lambda: started(settings).close()) == 0, step
        if ended == PUBLISHED:
            return told
        told["told"] += 1
    raise AssertionError(f"a publish has more than {STEPS_MAX} messages")


def _ended(settings: Settings, target: str, through: Through, step: int) -> int:
    door = socket.create_server(("127.0.0.1", 0))
    carrier = os.fork()
    if carrier == 0:
        Wire(door, target, step).carry()
    port = door.getsockname()[1]
    door.close()
    try:
        return in_fork(lambda: os._exit(_publish(through(settings, port), step)))
    finally:
        os.kill(carrier, signal.SIGKILL)
        os.waitpid(carrier, 0)


def _publish(settings: Settings, step: int) -> int:
    """Whatever is out of reach is told as such, from the start of the process on."""
    try:
        services = Services.open(settings)
        services.publisher.publish(tiny_bundle(salt=f"wire {step}"), actor="drill")
    except (StorageUnavailable, ObjectError) as error:
        return TOLD if str(error) else 1
    return PUBLISHED


class Wire:
    """Carries until it breaks; it is a process of its own."""

    def __init__(self, door: socket.socket, target: str, step: int) -> None:
        parts = urlsplit(target)
        self._door = door
        self._target = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._left = step
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def carry(self) -> None:
        while True:
            client, _ = self._door.accept()
            far = socket.create_connection(self._target)
            with self._lock:
                self._open += [client, far]
            threading.Thread(target=self._copy, args=(client, far, True), daemon=True).start()
            threading.Thread(target=self._copy, args=(far, client, False), daemon=True).start()

    def _copy(self, near: socket.socket, far: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                if counts:
                    self._count()
                far.sendall(data)
        for end in (near, far):
            with suppress(OSError):
                end.close()

    def _count(self) -> None:
        """The end of the process cuts everything at once, whoever waits in it."""
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                for end in self._open:
                    with suppress(OSError):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                os._exit(0)
