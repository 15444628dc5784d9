"""Bodies that were damaged on their way: `python -m fuzz.beacon_bodies [N] [SEED]`.

First the originals, of every format, as their senders write them; then N mutated ones; then
the originals again.  Invariant: the originals are all accepted, and all known the second time.
Every mutated body is answered 202, and each of its pieces is valid or in quarantine, with a
reason.  The control plane is the real one, over HTTP without a socket.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from sqlalchemy import func, select

from control_plane.facts import Receipt
from control_plane.ingest.signatures import signature
from control_plane.ingest.splitting import taken_apart
from control_plane.ingest.typed import Arrival, Format, Rejected, Trust
from control_plane.quarantine import Quarantined
from control_plane.settings import Settings
from control_plane.storage import tables as t
from edge.decision.events import BATCH_TYPE
from fuzz.mutate_body import mutated
from fuzz.oracle_pairs import seed_of_today
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import BROWSER, order_event, write_catalog

ORIGINALS = 60
"""Of each format."""
SECRET = b"s" * 32
ADDRESSES: dict[Format, str] = {
    "cloudevents": "/v1/beacons",
    "ga4": "/v1/ingest/ga4",
    "segment": "/v1/ingest/segment",
    "webhook": "/v1/webhooks/orders",
}


class Counted(Struct):
    """`pieces`: what became of the mutated bodies' pieces; `wrong` is what must not be."""

    originals: int = 0
    bodies: int = 0
    mended: int = 0
    """Mutated bodies of which something was accepted or known."""
    kept: int = 0
    """Mutated bodies of which something went to quarantine."""
    silent: int = 0
    """Mutated bodies that are good and say nothing: an empty batch, an event of others."""
    pieces: Receipt = Receipt(0, 0, 0)
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: list[str] = []


def counted(number: int, seed: int) -> Counted:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_counted(Path(folder), number, Random(seed)))


async def _counted(folder: Path, number: int, random: Random) -> Counted:
    secret = folder / "webhook"
    secret.write_bytes(base64.b64encode(SECRET))
    secret.chmod(0o600)
    settings = Settings(
        data=folder / "var", tenant="tinyshop", catalog=write_catalog(folder / "catalog"),
        open_console=True, margin_share="0.4", webhook_secret_file=secret,
        calls_per_s=0, public_calls_per_s=0,
    )  # fmt: skip
    found = Counted()
    async with running(settings) as plane:
        originals = list(_originals(plane))
        await _whole(plane, originals, found, "accepted")
        for _ in range(number):
            format, body = random.choice(originals)
            await _spoil(plane, format, mutated(body, random), found)
        await _whole(plane, originals, found, "duplicates")
        with plane.services.database.reading() as connection:
            reason = t.quarantine.c.reason
            query = select(reason, func.count()).group_by(reason)
            found.reasons.update({row[0]: row[1] for row in connection.execute(query)})
    return found


# --- originals ----------------------------------------------------------------


def _originals(plane: Running) -> Iterator[tuple[Format, bytes]]:
    now_s = int(time.time())
    for number in range(ORIGINALS):
        for format, body in _of(plane, number, now_s - number):
            yield format, msgspec.json.encode(body)


def _of(plane: Running, number: int, at_s: int) -> Iterator[tuple[Format, Any]]:
    decided = plane.edge.decide(f"u{number}", at_s)
    (slot,) = decided.slots
    yield (
        "cloudevents",
        [
            plane.edge.decision_event(decided),
            plane.edge.shown_event(slot, at_s),
            plane.edge.shown_event(slot, at_s, "click"),
            order_event(f"c{number}", f"u{number}", at_s),
        ],
    )
    seen, money = {"proffer_decision": slot.id}, {"value": 60.5, "currency": "EUR"}
    yield (
        "ga4",
        {
            "client_id": f"u{number}",
            "user_id": f"c{number}",
            "timestamp_micros": at_s * 1_000_000,
            "events": [
                {"name": "view_promotion", "params": seen | {"creative_slot": "hero"}},
                {"name": "purchase", "params": money | {"transaction_id": f"g{number}"}},
                {"name": "refund", "params": {"transaction_id": f"g{number}", "items": []}},
            ],
        },
    )
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
    call = {"type": "track", "anonymousId": f"u{number}", "timestamp": moment}
    bought = {"order_id": f"s{number}", "total": "70.00", "tax": 10, "currency": "EUR"}
    yield (
        "segment",
        {
            "batch": [
                call
                | {"event": "Promotion Clicked", "messageId": f"a{number}", "properties": seen},
                call
                | {"event": "Order Completed", "messageId": f"b{number}", "properties": bought},
            ]
        },
    )
    told = {"order_id": f"w{number}", "visitor": f"u{number}", "revenue": "60.00"}
    told |= {"margin": "20.00", "currency": "EUR", "time_s": at_s}
    yield "webhook", {"type": "order.placed", "data": told}


async def _whole(
    plane: Running, originals: list[tuple[Format, bytes]], found: Counted, end: str
) -> None:
    for format, body in originals:
        status, receipt = await _send(plane, format, body)
        found.originals += 1
        many = receipt.accepted + receipt.duplicates + receipt.quarantined
        if status != 202 or not many or getattr(receipt, end) != many:
            found.wrong.append(f"an original was not {end}: {format} {status} {receipt}")


# --- mutated ------------------------------------------------------------------


async def _spoil(plane: Running, format: Format, body: bytes, found: Counted) -> None:
    status, receipt = await _send(plane, format, body)
    found.bodies += 1
    found.pieces += receipt
    found.kept += bool(receipt.quarantined)
    found.mended += bool(receipt.accepted + receipt.duplicates)
    if status != 202:
        found.wrong.append(f"{format} was answered {status}: {body[:200]!r}")
    elif not _is_accounted_for(plane, format, body, receipt):
        found.wrong.append(f"{format} {receipt}, but not in quarantine: {body[:200]!r}")
    if receipt == Receipt(0, 0, 0):
        found.silent += 1


def _is_accounted_for(plane: Running, format: Format, body: bytes, receipt: Receipt) -> bool:
    """Each piece that admission rejects is in quarantine, under the reason that it has."""
    pieces, form = taken_apart(body, format)
    arrival = Arrival(from_shop=True, now_s=int(time.time()), currency="EUR")
    facts, bad = 0, []
    for raw in pieces:
        try:
            facts += len(plane.services.collector._admission.admit(raw, arrival, form))
        except Rejected as no:
            trust = arrival.trust(attested=no.attested)
            bad.append(Quarantined(raw, no, trust, form))
    settled = receipt.accepted + receipt.duplicates + receipt.quarantined == facts + len(bad)
    return settled and all(_is_kept(plane, each) for each in bad)


def _is_kept(plane: Running, bad: Quarantined) -> bool:
    q = t.quarantine.c
    where = q.digest == bad.digest, q.trust == Trust(bad.trust).value, q.event == bad.raw
    with plane.services.database.reading() as connection:
        row = connection.execute(select(q.reason, q.detail).where(*where)).one_or_none()
    return row is not None and row.reason == bad.rejected.reason.name and bool(row.detail)


async def _send(plane: Running, format: Format, body: bytes) -> tuple[int, Receipt]:
    headers = {"Content-Type": "application/json", "User-Agent": BROWSER}
    if format == "webhook":
        at = str(int(time.time()))
        headers |= {"webhook-id": "m", "webhook-timestamp": at}
        headers["webhook-signature"] = signature(SECRET, "m", at, body)
    else:
        headers["Authorization"] = f"Bearer {plane.shop_key}"
    if format == "cloudevents":
        headers["Content-Type"] = BATCH_TYPE
    answer = await plane.client.post(ADDRESSES[format], content=body, headers=headers)
    if answer.status_code != 202:
        return answer.status_code, Receipt(0, 0, 0)
    return 202, msgspec.json.decode(answer.content, type=Receipt)


def report(found: Counted, console: Console) -> bool:
    """Print the counts; True if nothing is wrong."""
    pieces = found.pieces
    console.print(
        f"beacon bodies: {found.bodies:,} mutated: of {found.kept:,} something is in quarantine, of"
        f" {found.mended:,} something counted or was known, {found.silent:,} say nothing;"
        f" {pieces.accepted:,} facts accepted, {pieces.duplicates:,} known,"
        f" {pieces.quarantined:,} quarantined; originals sent {found.originals:,} times",
        highlight=False,
    )
    reasons = ", ".join(f"{count:,} {name}" for name, count in found.reasons.most_common())
    console.print(f"  in quarantine: {reasons}; wrong: {len(found.wrong)}", highlight=False)
    for what in found.wrong[:20]:
        console.print(f"  WRONG {what}", highlight=False, markup=False)
    return not found.wrong


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    return 0 if report(counted(number, seed), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
