"""The door: a body becomes a batch.

Only size is a reason to refuse: 413, for a sender that can send less.  A body that cannot
be taken apart goes to quarantine as a whole and is answered 202: sending it again would
not make it better, and whoever mends the reading can replay it.
"""

from __future__ import annotations

from control_plane.errors import Refused
from control_plane.eventlog.store import Batch
from control_plane.ingest.bots import is_bot
from control_plane.ingest.splitting import TooMany, taken_apart
from control_plane.ingest.typed import Format
from edge.decision.events import BATCH_LIMIT_BYTES


def read(
    body: bytes,
    *,
    from_shop: bool,
    received_s: int,
    format: Format = "cloudevents",
    user_agent: str = "",
) -> Batch:
    """The batch in `body`.  Raises `Refused` too-large.

    `user_agent` is the sender's header: a browser's, where no shop's server sends.
    """
    check_body(body)
    try:
        pieces, found = taken_apart(body, format)
    except TooMany as many:
        raise Refused("too-large", str(many)) from None
    bot = not from_shop and is_bot(user_agent)
    return Batch(events=pieces, from_shop=from_shop, received_s=received_s, format=found, bot=bot)


def check_body(body: bytes) -> None:
    """Raises `Refused` too-large."""
    if len(body) > BATCH_LIMIT_BYTES:
        raise Refused("too-large", f"the batch has more than {BATCH_LIMIT_BYTES} bytes")
