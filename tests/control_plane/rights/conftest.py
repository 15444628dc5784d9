from __future__ import annotations

import pytest

from control_plane.services import Services
from tests.control_plane.rights.person import Story, opened


@pytest.fixture
def story(services: Services) -> Story:
    return opened(services)
