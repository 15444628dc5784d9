"""A control plane per test: a real database, real objects, HTTP without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from control_plane.app import create_app
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer
from tests.control_plane.homes import POSTGRES, SQLITE, StorageHome
from tests.control_plane.shop import Edge, write_catalog


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    homes = getattr(metafunc.module, "HOMES", ())
    if homes and "home" in metafunc.fixturenames:
        metafunc.parametrize("home", homes, indirect=True)


@pytest.fixture
def home(request: pytest.FixtureRequest) -> StorageHome:
    """SQLite, unless the test's module has other `HOMES`."""
    if getattr(request, "param", SQLITE) == POSTGRES:
        return StorageHome(request.getfixturevalue("postgres_url"))
    return StorageHome("")


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome) -> Settings:
    """Of the tiny shop; its catalog is published at start.  Nobody needs to log in."""
    catalog = write_catalog(tmp_path / "catalog")
    return home.settings(tmp_path / "var", tenant="tinyshop", catalog=catalog, open_console=True)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Without HTTP and without background tasks."""
    services = Services.open(settings)
    yield services
    services.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    """On the database of the test's module."""
    writer = Writer(database)
    yield writer
    writer.close()


class Running:
    """A control plane that answers, and what tests reach for."""

    def __init__(self, client: httpx.AsyncClient, services: Services) -> None:
        self.client = client
        self.services = services
        self.edge = Edge(services)
        self.shop_key = services.keys.shop_key


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        url = "http://127.0.0.1:8700"
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield Running(client, app.state.services)


@pytest.fixture
async def plane(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as plane:
        yield plane
