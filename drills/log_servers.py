"""Collectors of the event log as they run in a shop: servers under load, killed and cut off.

    killed     kill -9 at a random moment, again and again; with a bucket, it is away half of
               the time
    outage     the bucket is away for minutes, refusing and then hanging, under load
    overload   more than four times what it can keep: 202 or 503, and memory stays bounded

After each everything that waits is drained and folded, and compared with what the senders
remember: nothing acknowledged is lost, nothing counts twice.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from control_plane.services import Services
from control_plane.settings import Settings
from drills.counting import Count, count, counts
from drills.gateway import Gateway
from drills.load import Sender
from tests.control_plane.shop import write_catalog
from tests.support.processes import free_port
from tests.support.s3 import S3Server

CONNECTIONS = 48
START_S = 60.0
PATIENCE_S = 300.0
RSS_LIMIT_MB = 400
TENANT = "tinyshop"


def settings_of(place: Path, log_store: str = "", **more: int) -> Settings:
    return Settings(
        data=place / "data",
        tenant=TENANT,
        catalog=write_catalog(place / "catalog"),
        require_approval=False,
        open_console=True,
        event_log="objects",
        log_store=log_store,
        calls_per_s=0,
        public_calls_per_s=0,
        **({"log_wait_ms": 25, "log_fold_every_ms": 200} | more),  # type: ignore[arg-type]
    )


# --- a server -----------------------------------------------------------------


def serve(settings: Settings, port: int, environ: dict[str, str]) -> None:
    """Runs in a process of its own."""
    import uvicorn  # here and below: the process that kills needs none of it

    from control_plane.app import create_app

    logging.disable(logging.CRITICAL)
    os.environ |= environ
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, log_level="critical")


@contextmanager
def collector(settings: Settings, port: int, environ: dict[str, str]) -> Iterator[BaseProcess]:
    """A server that answers; it is killed at the end, if it still runs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["control_plane.app", "uvicorn", "drills.log_servers"])
    process = context.Process(target=serve, args=(settings, port, environ))
    process.start()
    try:
        _wait_for(port, process)
        yield process
    finally:
        process.kill()
        process.join()


def _wait_for(port: int, process: BaseProcess) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.is_alive(), "the collector ended while it started"
            assert time.monotonic() < deadline_s, "the collector does not start"
            time.sleep(0.01)


def sender(settings: Settings, prefix: str, **how: float) -> Sender:
    """With the shop's key: strangers are held back at the door, before the log."""
    key = _shop_key(settings)
    return Sender(prefix, key=key, **({"connections": CONNECTIONS} | how))  # type: ignore[arg-type]


def _shop_key(settings: Settings) -> str:
    services = Services.open(settings)
    try:
        return services.keys.shop_key
    finally:
        services.close()


def settled(settings: Settings, senders: Sequence[Sender]) -> Count:
    """Drains and folds all there is.  Raises `AssertionError` unless all of it is right."""
    services = Services.open(settings)
    try:
        asyncio.run(_settle(services))
        told = count(services.database, TENANT, senders)
    finally:
        services.close()
    assert told.is_good, told
    assert not any(each.wrong for each in senders), [each.wrong[:3] for each in senders]
    return told


async def _settle(services: Services) -> None:
    log, folding = services.log, services.folding
    assert log is not None and folding is not None
    deadline_s = time.monotonic() + PATIENCE_S
    log.spill.adopt()
    while not log.spill.is_empty:
        assert time.monotonic() < deadline_s, "the spill is not drained"
        log.drain()
        await asyncio.sleep(0.05)
    await folding.fold_whole()
    assert not folding.seen.aside, "something was set aside"
    assert not folding.seen.missing, "a lane has a gap"


# --- the drills ---------------------------------------------------------------


@contextmanager
def a_bucket() -> Iterator[tuple[str, Gateway, dict[str, str], S3Server]]:
    """Its address, the door before it, and boto3's variables through that door."""
    store = S3Server()
    try:
        gateway = Gateway(store.url)
        environ = store.environ | {"AWS_ENDPOINT_URL_S3": gateway.url}
        os.environ |= environ
        yield f"{store.bucket().url}/events", gateway, environ, store
    finally:
        store.close()


def killed(place: Path, rounds: int, acks: int, *, bucket: bool) -> Counter[str]:
    """So many kills, and at least so many acknowledgements between each two."""
    if not bucket:
        return _killed(settings_of(place), rounds, acks, {}, None)
    with a_bucket() as (url, gateway, environ, _):
        return _killed(settings_of(place, url), rounds, acks, environ, gateway)


def _killed(
    settings: Settings, rounds: int, acks: int, environ: dict[str, str], gateway: Gateway | None
) -> Counter[str]:
    chance, load, port = random.Random(8), sender(settings, "killed"), free_port()
    away = 0
    for _ in range(rounds):
        is_away = gateway is not None and chance.random() < 0.5
        with collector(settings, port, environ) as process, load.at(port):
            load.wait_for(acks // 3)
            if gateway is not None and is_away:
                gateway.shut()
                away += 1
            load.wait_for(acks - acks // 3)
            time.sleep(0.1 * chance.random())
            process.kill()
            process.join()
        if gateway is not None and is_away:
            gateway.open()
    told = settled(settings, [load])
    return counts(told, load, kills=rounds, while_the_bucket_was_away=away)


def outage(place: Path, outage_s: float) -> Counter[str]:
    """The bucket refuses for that long, hangs for 15 s, and comes back, all under load."""
    with a_bucket() as (url, gateway, environ, store):
        settings, port = settings_of(place, url), free_port()
        load = sender(settings, "outage", pause_s=0.2, connections=16)
        with collector(settings, port, environ), load.at(port):
            load.wait_for(200)
            gateway.shut()
            before = len(load.acked)
            time.sleep(outage_s)
            meanwhile = len(load.acked) - before
            gateway.open()
            load.wait_for(200)
            os.kill(store._process.pid, signal.SIGSTOP)
            load.wait_for(200)
            time.sleep(15)
            os.kill(store._process.pid, signal.SIGCONT)
            load.wait_for(200)
            _until_drained(settings)
        told = settled(settings, [load])
    assert meanwhile, "nothing was acknowledged while the bucket was away"
    return counts(told, load, seconds_away=int(outage_s) + 15, acknowledged_meanwhile=meanwhile)


def _until_drained(settings: Settings) -> None:
    """By the collector that runs, while it goes on."""
    deadline_s = time.monotonic() + PATIENCE_S
    while list(settings.spill.glob("*.spill")):
        assert time.monotonic() < deadline_s, "the spill is not drained under load"
        time.sleep(0.1)


def overload(place: Path, load_s: float) -> Counter[str]:
    """More than it can keep: connections that never pause, a bucket that is away, a small spill.

    What is kept at first is all that fits; then everybody is told 503, until the bucket is back.
    """
    with a_bucket() as (url, gateway, environ, _):
        settings, port = settings_of(place, url, log_spill_bytes=2 << 20), free_port()
        load = sender(settings, "over", connections=128, size=20, pause_s=0.0)
        with collector(settings, port, environ) as process:
            began_mb = _rss_mb(process)
            gateway.shut()
            with load.at(port):
                most_mb, deadline_s = 0, time.monotonic() + load_s
                while time.monotonic() < deadline_s:
                    most_mb = max(most_mb, _rss_mb(process))
                    time.sleep(0.05)
                kept = len(load.acked)
                gateway.open()
                load.wait_for(100)
            assert process.is_alive(), "the collector did not bear it"
        told = settled(settings, [load])
    assert load.statuses[503] > 3 * kept, "that was no overload"
    assert most_mb <= RSS_LIMIT_MB, f"{most_mb} MB"
    return counts(told, load, rss_at_first_mb=began_mb, rss_most_mb=most_mb)


def _rss_mb(process: BaseProcess) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20
