"""The smallest bundle there is: valid to the last check, without a single offer."""

from __future__ import annotations

from itertools import accumulate

from edge.decision import tables as t
from edge.decision.bundle import write_bundle
from edge.decision.notes import Notes, pack_notes
from edge.decision.tables import Tables

NOTES = Notes(title="Tiny", currency="EUR", minor_digits=2, locales=("en",))


def tiny_bundle(
    tenant: str = "shop", *, projection: int = t.EDGE_PROJECTION, salt: str = "1"
) -> bytes:
    """A bundle's bytes; another salt gives other bytes and so another digest."""
    texts = [tenant.encode(), salt.encode()]
    head = [0] * t.HEAD_SIZE
    head[t.HEAD_PROJECTION] = projection
    head[t.HEAD_TENANT], head[t.HEAD_GLOBAL_SALT] = 0, 1
    head[t.HEAD_SCORE_UNIT], head[t.HEAD_MINOR] = 1_000, 10_000
    for attribute in (t.HEAD_VALUE, t.HEAD_MARGIN, t.HEAD_COUNTRY):
        head[attribute] = -1
    starts = list(accumulate((len(text) for text in texts), initial=0))
    heap = b"".join(texts)
    return write_bundle(Tables(head=head, heap=heap, text_start=starts, notes=pack_notes(NOTES)))
