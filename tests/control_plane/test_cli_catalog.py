"""`proffer catalog`: folders and archives in and out of the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from control_plane.drafting.folders import read_folder
from control_plane.settings import Settings
from control_plane.storage.opening import open_database
from control_plane.storage.tables_accounts import users
from tests.control_plane.desks import copied, seeded
from tests.support.cli import proffer


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return seeded(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def shop(seed: Settings, tmp_path: Path) -> Settings:
    return copied(seed, tmp_path)


@pytest.mark.parametrize("name", ["out", "out.zip", "out.tar"])
def test_what_was_exported_is_imported_as_the_same_revision(
    shop: Settings, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    done = proffer("catalog", "export", out, "--data", shop.data, "--json")
    assert done.code == 0, done.err
    revision = done.document["revision"]
    again = proffer("catalog", "import", out, "--data", shop.data, "--json")
    assert again.code == 0 and again.document["head"] == revision
    shown = proffer("catalog", "show", revision[:10], "--data", shop.data, "--json")
    assert [each["path"] for each in shown.document["files"]] == ["catalog.yaml"]
    assert proffer("catalog", "export", out, "--data", shop.data).code == 3


def test_a_changed_folder_becomes_a_draft_of_its_author(shop: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    proffer("catalog", "export", out, "--data", shop.data)
    (out / "more.yaml").write_text("groups: {}\n")
    assert proffer("catalog", "import", out, "--author", "Ann", "--data", shop.data).code == 3
    database = open_database(shop)
    row = {
        "tenant": "tinyshop", "id": "u1", "name": "Ann", "login": "ann", "password": "",
        "roles": "editor", "disabled": False, "version": 1, "created_s": 0,
    }  # fmt: skip
    with database.writing() as connection:
        connection.execute(insert(users), row)
    database.close()
    done = proffer("catalog", "import", out, "--author", "Ann", "--data", shop.data, "--json")
    assert done.document["created_by"] == "user:u1" and done.document["base"]
    log = proffer("catalog", "log", "--data", shop.data, "--json").document
    assert [each["author"] for each in log] == ["user:u1", "process:start"]
    assert log[0]["parent"] == log[1]["id"] == done.document["base"]
    assert len(read_folder(out)) == len(log[0]["files"])


def test_what_cannot_be_a_catalog_is_refused_by_name(shop: Settings, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "notes.txt").write_text("x")
    done = proffer("catalog", "import", bad, "--data", shop.data)
    assert done.code == 1 and "'notes.txt' is no .yaml or .yml file" in done.err
    assert proffer("catalog", "show", "ffff", "--data", shop.data).code == 1
    assert proffer("catalog", "log", "--data", tmp_path / "nowhere").code == 3
    assert not (tmp_path / "nowhere").exists()
