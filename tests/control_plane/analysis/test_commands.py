"""`proffer tables compact` and `proffer report`, and compaction beside the server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from control_plane.analysis.keeping import keep_compacted, try_once
from control_plane.analysis.layout import Tables
from control_plane.analysis.report import Report
from control_plane.app import create_app
from control_plane.cli import run
from control_plane.settings import Settings
from tests.control_plane.analysis.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(world: World) -> World:
    visitor = world.shown("ten-off/p10")
    await world.visit(visitor)
    await world.buy(visitor, margin="20.00")
    return world


def compacted(world: World, *more: str) -> int:
    data = str(world.services.settings.data)
    return run(["tables", "compact", str(world.folder), "--data", data, "--plain", *more])


async def test_a_shop_is_compacted_and_reported(
    shop: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compacted(shop) == 0
    told = capsys.readouterr().out
    assert "1 day written: 2026-09-21" in told
    assert "decisions\t1\n" in told and "returns\t0\n" in told
    assert compacted(shop) == 0
    assert "Nothing has changed" in capsys.readouterr().out
    assert compacted(shop, "--day", "2026-09-21") == 0
    assert "1 day written" in capsys.readouterr().out
    assert run(["report", str(shop.folder), "--plain", "--days"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tinyshop, as of ")
    assert lines[2].split("\t")[:2] == ["hero", "ten-off"]
    assert lines[2].split("\t")[4:9] == ["1", "0", "0", "1", "20.00"]
    assert lines[5].split("\t")[:3] == ["2026-09-21", "hero", "ten-off"]


async def test_a_report_as_json_and_in_files(
    shop: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compacted(shop, "--json") == 0
    capsys.readouterr()
    picture, page = tmp_path / "r.svg", tmp_path / "r.html"
    files = ["--svg", str(picture), "--html", str(page)]
    assert run(["report", str(shop.folder), "--json", *files]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert [(day.exposures, day.profit_micros) for day in report.days] == [(1, 20_000_000)]
    assert picture.read_text().startswith("<svg")
    assert "ten-off" in page.read_text()
    assert run(["report", str(shop.folder), "--plain", "--since", "2026-09-22"]) == 0
    assert "Nothing was shown" in capsys.readouterr().out


async def test_without_tables_and_without_duckdb_it_says_what_to_do(
    shop: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["report", str(shop.folder)]) == 3
    assert "proffer tables compact" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert compacted(shop) == 3
    assert "pip install 'proffer[analysis]'" in capsys.readouterr().err
    assert not shop.folder.exists()
    assert "proffer[analysis]" in try_once(shop.services)


async def test_the_server_compacts_by_itself_where_a_setting_says_so(settings: Settings) -> None:
    often = msgspec.structs.replace(settings, compact_every_s=1)
    tables = Tables(often.analysis)
    app = create_app(often, background=[keep_compacted])
    async with app.router.lifespan_context(app):
        for _ in range(100):
            await asyncio.sleep(0.1)
            if tables.manifest() is not None:
                break
    manifest = tables.manifest()
    assert manifest is not None and manifest.tenant == "tinyshop"
