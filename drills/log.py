"""The drills of the event log, by name; `place` is an empty folder.

DRILL_KILLS    kills of servers, in all (100)
DRILL_ACKS     acknowledgements between two of them, at least (750)
DRILL_OUTAGE_S how long the bucket is away (120)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from drills import log_calls, log_order, log_servers

KILLS = int(os.environ.get("DRILL_KILLS") or 100)
ACKS = int(os.environ.get("DRILL_ACKS") or 750)
OUTAGE_S = float(os.environ.get("DRILL_OUTAGE_S") or 120)
EVERY = int(os.environ.get("DRILL_EVERY") or 1)
CALLS = range(1, 201, EVERY)

Drill = Callable[[Path], Counter[str]]

DRILLS: dict[str, Drill] = {
    "log, killed, folder": lambda p: log_servers.killed(p, KILLS // 2, ACKS, bucket=False),
    "log, killed, bucket": lambda p: log_servers.killed(p, KILLS - KILLS // 2, ACKS, bucket=True),
    "log, killed at calls": lambda place: log_calls.killed(place, CALLS),
    "log, full and broken disk": lambda place: log_calls.refused(place, range(1, 60, EVERY)),
    "log, order of calls": lambda place: log_order.drill(place, 200),
    "log, bucket away": lambda place: log_servers.outage(place, OUTAGE_S),
    "log, overload": lambda place: log_servers.overload(place, 20),
}
