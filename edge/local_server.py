"""uvicorn as an edge needs it: patient with slow clients to a limit, and leaving nobody behind.

**Limits.**  h11, whatever else is installed: it bounds a request's head (`HEAD_BYTES`).
`PatientProtocol` adds what uvicorn has no setting for: a head must be whole within
`HEAD_WAIT_S`, and a client that takes nothing of its answer for `STALL_S` is let go, so
that neither holds a connection for ever.

**SIGTERM drains.**  Closing an idle connection may meet a request that is on its way, and
that request is lost.  So the door closes first; every answer from then on says
`Connection: close`; connections without a request live on for `drain_s`, in which idle
ones end of themselves (uvicorn's `timeout_keep_alive`, 5 s); and only then uvicorn closes
what is left, with its own grace for open requests.  Ctrl-C is a person who waits: then
there is only uvicorn's own end.

**A restart without a gap** needs a door that outlives the process: a listening socket that
systemd (`LISTEN_FDS`) or another parent holds.  What arrives between two processes waits
in it.  Two sockets on one port (`SO_REUSEPORT`) would not do: each has a queue of its
own, and what waits in the queue of the one that closes is reset.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES = 64 << 10
HEAD_WAIT_S = 20.0
STALL_S = 60.0
CONNECTIONS = 1_000
"""At once; who comes in addition gets a 503."""
FIRST_FD = 3
"""Where systemd puts the sockets that it hands over (sd_listen_fds)."""

DRAIN_S = 5.0

LIMITS: Mapping[str, Any] = {
    "h11_max_incomplete_event_size": HEAD_BYTES,
    "limit_concurrency": CONNECTIONS,
    "ws": "none",
}


class PatientProtocol(H11Protocol):
    """A connection whose client must get on."""

    head_wait_s = HEAD_WAIT_S
    stall_s = STALL_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def _watch_head(self) -> None:
        """From its first byte on, or from the connection's beginning, a head has its time."""
        waiting = self.conn.their_state is h11.IDLE
        if waiting and self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_wait_s, self._too_late)
        elif not waiting and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """`on_drain` is called when the door has closed: answers should say `Connection: close`."""

    def __init__(
        self, config: uvicorn.Config, on_drain: Callable[[], None], drain_s: float = DRAIN_S
    ) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._drain_s = drain_s
        self._interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True  # and nothing else: having ended well is no death by signal
        else:
            self._interrupted = True
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        self._on_drain()
        await self._let_go()
        await super().shutdown(sockets)

    async def _let_go(self) -> None:
        """Until nobody is connected, or nobody waits any longer."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._drain_s
        while self.server_state.connections and loop.time() < deadline_s:
            if self._interrupted:
                return
            await asyncio.sleep(0.05)


def inherited_sockets(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Listening sockets that systemd, or who does as it does, handed to this process."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    return [socket.socket(fileno=fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]
