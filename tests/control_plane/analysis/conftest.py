from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.services import Services
from tests.control_plane.analysis.world import World


@pytest.fixture
def world(services: Services, tmp_path: Path) -> World:
    return World(services, tmp_path / "analysis")
