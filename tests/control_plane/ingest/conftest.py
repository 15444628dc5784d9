"""The tiny shop, with a webhook's secret and a margin's share."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from control_plane.settings import Settings
from tests.control_plane.homes import StorageHome
from tests.control_plane.shop import write_catalog

OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def share() -> str:
    return "0.4"


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome, share: str) -> Settings:
    secrets = tmp_path / "webhook"
    lines = [f"whsec_{base64.b64encode(NEW).decode()}", base64.b64encode(OLD).decode()]
    secrets.write_text("\n".join(lines))
    secrets.chmod(0o600)
    return home.settings(
        tmp_path / "var",
        tenant="tinyshop",
        catalog=write_catalog(tmp_path / "catalog"),
        open_console=True,
        margin_share=share,
        webhook_secret_file=secrets,
    )
