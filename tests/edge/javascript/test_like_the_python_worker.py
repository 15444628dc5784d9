"""The JavaScript edge passes the Python worker's own tests: same members, same stores."""

from __future__ import annotations

from tests.edge.worker.test_beacons import *  # noqa: F403
from tests.edge.worker.test_pages import *  # noqa: F403
from tests.edge.worker.test_policies import *  # noqa: F403
