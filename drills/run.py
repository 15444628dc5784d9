"""`make drill`: faults at every step, with real parts; prints how often each ended how.

    killed, folder       kill -9 at every system call of a publish: SQLite and a folder
    killed, bucket       the same: PostgreSQL and an S3 server
    full, folder         the disk is full from every write on: SQLite and a folder
    dead, bucket         the wire to the bucket breaks at every message, for good
    dead, database       the same with the wire to PostgreSQL
    restarts             PostgreSQL restarted and crashed while people publish and beacons stream
    propagation          publishes, kill switches and roll-backs reach eight edges at the default
                         refresh: measured from decision records
    spark                every query over the tables for analysis gives the same integers on DuckDB
                         and on a local Spark; needs Java 17 or newer
    beacons, …           beacons into SQLite and into PostgreSQL: servers killed, at random and at
                         each call; disks full and broken; the order of calls; overload
                         (`drills/beacons.py`)
    log, …               the event log of objects: its collectors killed, at random and at each
                         call; disks full and broken; the order of calls; its bucket away; overload
                         (`drills/log.py`)

    DRILL                only drills whose name begins so
    DRILL_EVERY          only every so many-th step (1)
    DRILL_ROUNDS         restarts of PostgreSQL (20)

Anything that does not hold ends it with a traceback.  Needs strace, beside what tests need.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from control_plane.settings import Settings
from drills import beacons, propagation, restarts, spark, steps, wire
from drills import log as event_log
from tests.support.postgres import Cluster
from tests.support.s3 import S3Server

EVERY = int(os.environ.get("DRILL_EVERY") or 1)
ROUNDS = int(os.environ.get("DRILL_ROUNDS") or 20)
SHOP_DECISIONS = 50_000


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="proffer-drill-"))
    try:
        made.chmod(0o755)  # PostgreSQL runs as somebody else
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def cluster(place: Path) -> Iterator[Cluster]:
    made = Cluster(place)
    try:
        made.start()
        made.make_template()
        yield made
    finally:
        made.stop(signal.SIGQUIT)


def on_one_machine(fault: steps.Fault) -> Counter[str]:
    with folder() as place:
        return steps.drill(Settings(data=place, require_approval=False), fault, EVERY)


@contextmanager
def shared() -> Iterator[tuple[Settings, S3Server]]:
    """PostgreSQL and a bucket."""
    with folder() as place, cluster(place) as server, server.database() as url:
        store = S3Server()
        try:
            os.environ |= store.environ
            where = f"{store.bucket().url}/v1"
            yield (
                Settings(
                    data=place / "data", database_url=url, object_store=where,
                    require_approval=False,
                ),
                store,
            )  # fmt: skip
        finally:
            store.close()


def on_postgres_and_a_bucket(fault: steps.Fault) -> Counter[str]:
    with shared() as (settings, _):
        return steps.drill(settings, fault, EVERY)


def cut(which: str) -> Counter[str]:
    """The publisher's own process alone goes through the wire."""

    def through(settings: Settings, port: int) -> Settings:
        if which == "bucket":
            os.environ["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{port}"
            return settings
        place = urlsplit(settings.database_url)
        netloc = f"{place.username}@127.0.0.1:{port}"
        return replace(settings, database_url=place._replace(netloc=netloc).geturl())

    with shared() as (settings, store):
        target = store.url if which == "bucket" else settings.database_url
        return wire.drill(settings, target, through, EVERY)


def restarted() -> Counter[str]:
    with folder() as place, cluster(place) as server, server.database() as url:
        settings = Settings(data=place / "data", database_url=url, require_approval=False)
        return restarts.drill(settings, server, ROUNDS)


def propagated() -> Counter[str]:
    with folder() as place:
        return propagation.drill(place, max(1, min(ROUNDS, 12) // 2))


def on_both_engines() -> Counter[str]:
    with folder() as place:
        return spark.drill(place, SHOP_DECISIONS)


def in_folder(drill: Callable[[Path], Counter[str]]) -> Counter[str]:
    with folder() as place:
        return drill(place)


DRILLS: dict[str, Callable[[], Counter[str]]] = {
    "killed, folder": lambda: on_one_machine(steps.KILL),
    "killed, bucket": lambda: on_postgres_and_a_bucket(steps.KILL),
    "full, folder": lambda: on_one_machine(steps.FULL_DISK),
    "dead, bucket": lambda: cut("bucket"),
    "dead, database": lambda: cut("database"),
    "restarts": restarted,
    "propagation": propagated,
    "spark": on_both_engines,
    **{
        name: partial(in_folder, drill)
        for name, drill in (beacons.DRILLS | event_log.DRILLS).items()
    },
}


def main() -> int:
    logging.disable(logging.CRITICAL)  # faults are told thousands of times
    wanted = os.environ.get("DRILL") or ""
    for name, drill in DRILLS.items():
        if not name.startswith(wanted):
            continue
        began_s = time.monotonic()
        counts = drill()
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        print(f"{name}: {told} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
