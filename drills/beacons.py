"""Beacons into a database, as in a shop: servers under load, on SQLite and on PostgreSQL.

    killed          kill -9 at a random moment, again and again; on PostgreSQL the database is
                    crashed as well, every other time
    killed at calls, full and broken disk: `beacon_calls.py`
    order of calls  strace's own account of a server that answers one batch at a time: between
                    two answers of 202 there are the write-ahead log's last write and its sync
    overload        four times as many connections as there is room for: 202 or 503 with
                    Retry-After, and memory stays bounded

After each what is stored is compared with what the senders remember: nothing acknowledged is
lost, nothing counts twice.

DRILL_KILLS    kills of servers for each database (100)
DRILL_ACKS     acknowledgements between two of them, at least (700)
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from control_plane.settings import Settings
from control_plane.storage.opening import open_database
from control_plane.storage.writer import GROUP_LIMIT, WAITING_LIMIT
from drills import beacon_calls
from drills.counting import Count, count, counts
from drills.load import Sender
from drills.log_order import told_between
from drills.log_servers import TENANT, collector
from drills.steps import MissingStrace
from tests.control_plane.shop import write_catalog
from tests.support.postgres import Cluster
from tests.support.processes import free_port

KILLS = int(os.environ.get("DRILL_KILLS") or 100)
ACKS = int(os.environ.get("DRILL_ACKS") or 700)
EVERY = int(os.environ.get("DRILL_EVERY") or 1)
CONNECTIONS = 32
ROOM = GROUP_LIMIT + WAITING_LIMIT
"""Batches that are being written or wait for it."""
PATIENCE_S = 60.0
OVERLOAD_TIMES = 4
RSS_LIMIT_MB = 150
TRIES = 20
TRACED = "write,pwrite64,fsync,fdatasync,sendto,sendmsg,writev"


class Home:
    """Where a drill keeps its rows: SQLite, or a PostgreSQL server that syncs its disk."""

    def __init__(self, place: Path, cluster: Cluster | None) -> None:
        self.cluster = cluster
        self.settings = Settings(
            data=place / "data",
            database_url=cluster.url("postgres") if cluster else "",
            tenant=TENANT,
            catalog=write_catalog(place / "catalog"),
            require_approval=False,
            open_console=True,
            calls_per_s=0,
            public_calls_per_s=0,
        )

    def settled(self, senders: Sequence[Sender]) -> Count:
        """Counts.  Raises `AssertionError` unless all of it is right."""
        database = open_database(self.settings)
        try:
            told = count(database, TENANT, senders)
        finally:
            database.close()
        assert told.is_good, told
        assert not any(each.wrong for each in senders), [each.wrong[:3] for each in senders]
        return told


@contextmanager
def sqlite(place: Path) -> Iterator[Home]:
    yield Home(place, None)


@contextmanager
def postgres(place: Path) -> Iterator[Home]:
    folder = place / "postgres"
    folder.mkdir()
    made = Cluster(folder)
    with (made.folder / "postgresql.conf").open("a") as file:
        file.write("fsync = on\nfull_page_writes = on\n")
    try:
        made.start()
        yield Home(place, made)
    finally:
        made.stop(signal.SIGQUIT)


# --- killed -------------------------------------------------------------------


def killed(home: Home, rounds: int, acks: int) -> Counter[str]:
    """So many kills, and at least so many acknowledgements before each."""
    chance, load, port = random.Random(8), Sender("killed", connections=CONNECTIONS), free_port()
    crashes = 0
    for turn in range(rounds):
        with collector(home.settings, port, {}) as process, load.at(port):
            load.wait_for(acks // 2)
            if home.cluster is not None and turn % 2:
                home.cluster.restart(signal.SIGQUIT)
                crashes += 1
            load.wait_for(acks - acks // 2)
            time.sleep(0.1 * chance.random())
            process.kill()
            process.join()
    with collector(home.settings, port, {}), load.at(port):
        load.wait_for(acks)  # what was unsure comes again first
    told = home.settled([load])
    return counts(told, load, kills=rounds, crashes_of_the_database=crashes)


# --- overload -----------------------------------------------------------------


def overload(home: Home, load_s: float) -> Counter[str]:
    connections = OVERLOAD_TIMES * ROOM
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load, port = Sender("over", connections=connections, pause_s=0.0), free_port()
    with collector(home.settings, port, {}) as process:
        began_mb = rss_mb(process)
        with load.at(port):
            time.sleep(load_s)
            deadline_s = time.monotonic() + PATIENCE_S
            while not load.statuses[503] and time.monotonic() < deadline_s:
                time.sleep(0.1)  # a busy machine is slow to load it
        most_mb = rss_mb(process)
        with (quiet := Sender("after", connections=1)).at(port):
            quiet.wait_for(20)
        assert process.is_alive(), "the server did not bear it"
    told = home.settled([load, quiet])
    assert set(load.statuses) <= {202, 503}, load.statuses
    assert load.statuses[503], "that was no overload"
    assert most_mb <= RSS_LIMIT_MB, f"{most_mb} MB"
    return counts(
        told, load, connections=connections, rss_at_first_mb=began_mb, rss_most_mb=most_mb
    )


def rss_mb(process: BaseProcess) -> int:
    """The most it ever had."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


# --- order of calls -----------------------------------------------------------


def order(home: Home, batches: int) -> Counter[str]:
    """How many answers were preceded by their sync; `AssertionError` for one that was not."""
    if shutil.which("strace") is None:
        raise MissingStrace("the drill needs strace: apt-get install strace")
    load, port = Sender("order", connections=1, pause_s=0.0), free_port()
    out = home.settings.data / "account"
    with collector(home.settings, port, {}) as process:
        tracer = _traced(process, home.cluster, out)
        with load.at(port):
            load.wait_for(batches)
        tracer.terminate()
        tracer.communicate()
    home.settled([load])
    told = list(told_between(out.read_text(errors="replace").splitlines(), _event))
    assert len(told) >= batches - 1, f"{len(told)} of {batches} answers are in the account"
    for events in told:
        last = len(events) - 1 - events[::-1].index("write log")
        assert "sync log" in events[last:], events
    return Counter({"202 after its sync": len(told)})


def _traced(process: BaseProcess, cluster: Cluster | None, out: Path) -> subprocess.Popen[str]:
    """strace on the server, and on each process of PostgreSQL: any of them may be who syncs."""
    for _ in range(TRIES):
        pids = [process.pid, *_family(cluster)]
        each = [word for pid in pids for word in ("-p", str(pid))]
        command = ["strace", "-f", "-y", "-s", "40", "-e", f"trace={TRACED}", "-o", str(out), *each]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        for _ in pids:
            assert "attached" in tracer.stderr.readline()
        if all(_is_traced(pid) for pid in _family(cluster)):
            return tracer
        tracer.terminate()  # one was born between looking and attaching
        tracer.communicate()
    raise AssertionError("PostgreSQL's processes come and go too fast to be traced")


def _family(cluster: Cluster | None) -> list[int]:
    """PostgreSQL's server and its children."""
    if cluster is None or cluster._process is None:
        return []
    pid = cluster._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _is_traced(pid: int) -> bool:
    return "\nTracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _event(call: str, about: str) -> list[str]:
    path = about.partition("<")[2].partition(">")[0]
    if not path.endswith("-wal") and "/pg_wal/" not in path:
        return []
    return ["sync log" if call in ("fsync", "fdatasync") else "write log"]


# --- all of them --------------------------------------------------------------

Drill = Callable[[Path], Counter[str]]


def _at(where: Callable[[Path], object], act: Callable[[Home], Counter[str]]) -> Drill:
    def drill(place: Path) -> Counter[str]:
        with where(place) as home:  # type: ignore[attr-defined]
            return act(home)

    return drill


STEPS = range(1, 201, EVERY)
DRILLS: dict[str, Drill] = {
    f"beacons, {name}, {kind}": _at(where, act)
    for kind, where in (("SQLite", sqlite), ("PostgreSQL", postgres))
    for name, act in {
        "killed": lambda home: killed(home, KILLS, ACKS),
        "killed at calls": lambda home: beacon_calls.killed(home.settings, home.cluster, STEPS),
        "full and broken disk": lambda home: beacon_calls.refused(
            home.settings, home.cluster, range(1, 40, EVERY)
        ),
        "order of calls": lambda home: order(home, 200),
        "overload": lambda home: overload(home, 20),
    }.items()
}
