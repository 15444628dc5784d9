"""A real PostgreSQL for tests: one cluster per run, a database per test.

    def test_x(postgres_url): ...        an empty database, with our schema

The cluster is made in a temporary folder, answers on 127.0.0.1 alone, on a port of its
own, and is gone with the run.  It does not sync the disk: tests kill its processes, never
the machine.  PostgreSQL refuses to run as root, so root runs it as another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.processes import free_port

USER = "proffer"
START_S = 30.0
TEMPLATE = "proffer_template"
CONFIG = """
fsync = off
full_page_writes = off
max_connections = 200
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
log_min_messages = fatal
"""


class Cluster:
    """A PostgreSQL server that tests may stop, kill and start again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cluster"
        self.port = free_port()
        self._bin = parts.postgres()
        self._user = _user()
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self.folder, "-U", USER, "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(CONFIG)

    def start(self) -> None:
        import psycopg  # here and below: what few tests need is not loaded for all

        command = [self._bin / "postgres", "-D", self.folder, "-p", str(self.port)]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=self.folder, user=self._user
        )
        log.close()
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, but in order.  SIGQUIT: as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The address of a new database, which is dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def make_template(self) -> None:
        """Our schema once, so that tests copy it."""
        from control_plane.storage.database import Database

        self.execute(f"CREATE DATABASE {TEMPLATE}")
        Database(self.url(TEMPLATE)).close()

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder.parent, user=self._user
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")


def _user() -> str | None:
    """Whom PostgreSQL runs as; None: as we are."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The run's cluster.  A missing PostgreSQL fails the test and says what to install."""
    folder = Path(tempfile.mkdtemp(prefix="proffer-postgres-"))
    cluster = None
    try:
        cluster = Cluster(folder)
        cluster.start()
        cluster.make_template()
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """A database of this test's own, with our schema."""
    with postgres.database() as url:
        yield url
