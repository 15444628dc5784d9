"""Less work for the garbage collector of a server, once it has started.

What start made (modules, routes, statements, policies) stays for the life of the process, yet
the collector looks through all of it again and again, and requests wait meanwhile.  Frozen, it
is looked at no more.  What requests leave behind is mostly freed by counting references, so
the collector may also come less often; cycles are still found.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 20)
"""Allocations before the youngest are looked at; the rest as Python has it, or rarer."""


def spare_collector() -> None:
    """For a process that is a server and nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
