"""An event store of each kind that the test's module names; one per module, emptied per test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.settings import Settings
from tests.control_plane.eventlog.kinds import BUCKET, FOLDER, LOGS, POSTGRES, Kept
from tests.control_plane.shop import write_catalog
from tests.support.postgres import Cluster
from tests.support.s3 import Bucket, S3Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kept" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "KINDS", (FOLDER,))
        metafunc.parametrize("store", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    with pytest.MonkeyPatch.context() as environ:
        if request.param == BUCKET:
            bucket = _bucket(request.getfixturevalue("s3_server"), environ)
            yield from _open(tmp_path_factory, BUCKET, log_store=f"{bucket.url}/events")
        elif request.param == POSTGRES:
            cluster: Cluster = request.getfixturevalue("postgres")
            with cluster.database() as url:
                yield from _open(tmp_path_factory, POSTGRES, cluster, database_url=url)
        else:
            yield from _open(tmp_path_factory, request.param)


@pytest.fixture
def kept(store: Kept) -> Kept:
    store.settle()  # what an earlier test has left in the log
    store.forget()
    return store


def _bucket(server: S3Server, environ: pytest.MonkeyPatch) -> Bucket:
    for name, value in server.environ.items():
        environ.setenv(name, value)
    return server.bucket()


def _open(
    places: pytest.TempPathFactory, kind: str, cluster: Cluster | None = None, **where: Any
) -> Iterator[Kept]:
    place = places.mktemp("kept")
    settings = Settings(
        data=place / "var",
        tenant="tinyshop",
        catalog=write_catalog(place / "catalog"),
        open_console=True,
        require_approval=False,
        event_log="objects" if kind in LOGS else "database",
        log_wait_ms=10,
        log_fold_every_ms=10,
        **where,
    )
    kept = Kept(kind, settings, cluster)
    yield kept
    kept.services.close()
