"""A replay of many records: in this process, or spread over several.

Records stream through in pages; what is kept is the tally, a few pages under way, and the
opened bundles.  Processes get pages of raw records and give tallies back; a tally is a sum,
so the result is the same however pages were spread.  Bundles lie in a folder while it runs
and are opened where they are needed, so that none is sent twice.

Beside a server, workers are niced: a replay must not slow down what the server is for.  They
end with the process that started them, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path

from msgspec import Struct

from control_plane.reviewing.replay_report import ReplayReport, Window, report_of
from control_plane.reviewing.replaying import Decider, Recorded, Replayer, in_python
from control_plane.reviewing.tallying import Tally
from edge.decision.beacon import RECORD
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.request import HEADER

PAGE = 500
ALONE = 5_000
"""Fewer records than this are not worth starting processes for."""
UNDER_WAY = 2
"""Pages that each process may have waiting."""

Page = Sequence[Recorded]
GetBundle = Callable[[str], bytes | None]
"""The bytes of the bundle of a digest, None if it is gone."""


class Cancelled(Exception):
    """Somebody asked the replay to stop."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to replay under, and how."""

    draft: bytes
    by: str = ""
    unattested: bool = False
    window: Window = Window()
    decider: Decider = in_python
    processes: int = 1
    nice: int = 0


def replay(
    plan: Plan,
    pages: Iterable[Page],
    get: GetBundle,
    *,
    total: int = 0,
    progress: Callable[[int], None] = lambda records: None,
) -> ReplayReport:
    """Replays all records of the window.

    `total` is how many records there may be, 0 if nobody knows; `progress` hears how many
    are done, and may raise `Cancelled` to stop.  Raises `CannotRegroup` and `ReplayBroken`.
    """
    draft = open_bundle(plan.draft)
    tally = Tally()
    for part in _parts(plan, draft, pages, get, total):
        tally.add(part.tally)
        progress(part.seen)
    return report_of(tally, draft, by=plan.by, window=plan.window)


class Part(Struct, frozen=True):
    """What came of a page; `seen` counts records outside the window, too."""

    seen: int
    tally: Tally


def _parts(
    plan: Plan, draft: Bundle, pages: Iterable[Page], get: GetBundle, total: int
) -> Iterator[Part]:
    if plan.processes <= 1 or 0 < total < ALONE:
        yield from _alone(plan, draft, pages, get)
    else:
        yield from _together(plan, pages, get)


def _alone(plan: Plan, draft: Bundle, pages: Iterable[Page], get: GetBundle) -> Iterator[Part]:
    def find(digest: str) -> Bundle | None:
        data = get(digest)
        return None if data is None else open_bundle(data)

    replayer = Replayer(draft, find, decider=plan.decider, by=plan.by, unattested=plan.unattested)
    for page in pages:
        yield _counted(replayer, plan.window, page)


def _counted(replayer: Replayer, window: Window, page: Page) -> Part:
    tally = Tally()
    for recorded in page:
        if _is_within(window, recorded.data):
            replayer.replay(recorded, tally)
    return Part(len(page), tally)


def _is_within(window: Window, data: bytes) -> bool:
    """By the time in the request's header; what has none is left to be counted as unreadable."""
    if window.since_s is None and window.until_s is None:
        return True
    if len(data) < RECORD.size + HEADER.size:
        return True
    block_size = RECORD.unpack_from(data)[5]
    if len(data) < RECORD.size + block_size + HEADER.size:
        return True
    return window.holds(HEADER.unpack_from(data, RECORD.size + block_size)[5])


# --- several processes ----------------------------------------------------------


def _together(plan: Plan, pages: Iterable[Page], get: GetBundle) -> Iterator[Part]:
    with tempfile.TemporaryDirectory(prefix="proffer-replay-") as name:
        folder = _Folder(Path(name), get)
        # spawned, not forked: a server has threads, and a fork would copy their locks
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(plan.processes, context, _begin, (plan, name))
        try:
            yield from _in_order(pool, plan.processes * UNDER_WAY, pages, folder)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, most: int, pages: Iterable[Page], folder: _Folder
) -> Iterator[Part]:
    waiting: deque[Future[Part]] = deque()
    for page in pages:
        folder.provide(page)
        waiting.append(pool.submit(_work, page))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _Folder:
    """Where processes find the bundles that records name."""

    def __init__(self, folder: Path, get: GetBundle) -> None:
        self._folder, self._get = folder, get
        self._known: set[bytes] = set()

    def provide(self, page: Page) -> None:
        for digest in {recorded.data[8:40] for recorded in page} - self._known:
            self._known.add(digest)
            data = self._get(digest.hex()) if len(digest) == 32 else None
            if data is not None:
                (self._folder / digest.hex()).write_bytes(data)


_replayer: Replayer | None = None
_window = Window()


def _begin(plan: Plan, folder: str) -> None:
    """In each process, once."""
    global _replayer, _window
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends us
    threading.Thread(target=_follow_parent, daemon=True).start()
    os.nice(plan.nice)

    def find(digest: str) -> Bundle | None:
        file = Path(folder) / digest
        return open_bundle(file.read_bytes()) if file.is_file() else None

    _window = plan.window
    _replayer = Replayer(
        open_bundle(plan.draft),
        find,
        decider=plan.decider,
        by=plan.by,
        unattested=plan.unattested,
    )


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(page: Page) -> Part:
    assert _replayer is not None
    return _counted(_replayer, _window, page)


# --- pages ------------------------------------------------------------------------


def paged(records: Iterable[Recorded]) -> Iterator[Page]:
    """Records in pages."""
    page: list[Recorded] = []
    for recorded in records:
        page.append(recorded)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
