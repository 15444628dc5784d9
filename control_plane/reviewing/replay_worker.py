"""One replay in a thread of this process, until its end or until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from control_plane.reviewing.regrouping import CannotRegroup
from control_plane.reviewing.replay_report import ReplayReport
from control_plane.reviewing.replay_rows import ReplayState, Wish
from control_plane.reviewing.replay_run import Cancelled, Plan, replay
from control_plane.reviewing.replaying import ReplayBroken
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError
from edge.decision.errors import BundleError

if TYPE_CHECKING:
    from control_plane.reviewing.replays import Replays

log = logging.getLogger(__name__)

BEAT_S = 1.0
NICE = 10
CLOSE_PATIENCE_S = 10
TOLD_FAILURES = (
    BundleError, CannotRegroup, ReplayBroken, StorageUnavailable, ObjectError, BrokenExecutor
)  # fmt: skip
"""What says itself what went wrong."""


class Draft(Struct, frozen=True):
    """A compiled draft and its digest."""

    data: bytes
    digest: str


class Running:
    """A replay that runs in a thread of this process."""

    def __init__(
        self, replays: Replays, id: str, draft: Draft, wish: Wish, asked_s: int, total: int
    ) -> None:
        self.id = id
        self._replays, self._draft, self._wish = replays, draft, wish
        self._asked_s, self._total = asked_s, total
        self._stopping = threading.Event()
        self._done, self._told = 0, time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"replay-{id}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(CLOSE_PATIENCE_S)

    def _run(self) -> None:
        try:
            self._end(*self._outcome())
        except Exception:
            # Its row stays as it is, and is told as interrupted.
            log.exception("the end of replay %s was not stored", self.id)

    def _end(self, state: ReplayState, problem: str, report: bytes) -> None:
        self._replays.end(self.id, state, problem, report)

    def _outcome(self) -> tuple[ReplayState, str, bytes]:
        try:
            return "done", "", msgspec.json.encode(self._replay())
        except Cancelled:
            stopping = self._stopping.is_set()
            return "interrupted" if stopping else "cancelled", "", b""
        except TOLD_FAILURES as error:
            return "failed", str(error) or type(error).__name__, b""
        except Exception as error:
            log.exception("replay %s broke", self.id)
            return "failed", f"a fault of ours: {type(error).__name__}; the log has it", b""

    def _replay(self) -> ReplayReport:
        plan = Plan(
            draft=self._draft.data,
            by=self._wish.by,
            unattested=self._wish.unattested,
            window=self._wish.window,
            decider=self._replays.decider,
            processes=self._replays.processes,
            nice=NICE,
        )
        pages, get = self._replays.pages(self._asked_s), self._replays.bundle
        return replay(plan, pages, get, total=self._total, progress=self._progress)

    def _progress(self, records: int) -> None:
        self._done += records
        if self._stopping.is_set():
            raise Cancelled
        if time.monotonic() - self._told >= BEAT_S:
            self._told = time.monotonic()
            self._replays.beat(self.id, self._done)
