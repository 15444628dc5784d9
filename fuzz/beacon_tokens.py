"""Who is believed about decisions and offers: `python -m fuzz.beacon_tokens [N] [SEED]`.

N decision records with MACs, of which `VALID` are an edge's own and fresh, and the others
forged, changed, another shop's, replayed, aged, from the future, or without a MAC; and N / 10
offer tokens, likewise.  Invariant: every valid one counts, exactly once, and no other.  Records
without a MAC are kept apart, as unattested.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from sqlalchemy import select

from control_plane.appraisal import CartFacts
from control_plane.errors import Refused
from control_plane.facts import Receipt
from control_plane.redemption import Reserve
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables as t
from edge.decision.token import Token, issue_token
from fuzz.oracle_pairs import seed_of_today
from tests.control_plane.shop import CATALOG, Decided, Edge, event, write_catalog

VALID = 0.2
"""The rate of valid ones."""
BATCH = 200
DAY_S = 86400
UNATTESTED = "without a MAC"
REPLAYED = "replayed under another name"


class Counted(Struct):
    """Per kind: how many were sent, and what became of them; `wrong` is what must not be."""

    records: Counter[str] = msgspec.field(default_factory=Counter)
    receipts: dict[str, Receipt] = {}
    tokens: Counter[str] = msgspec.field(default_factory=Counter)
    redeemed: Counter[str] = msgspec.field(default_factory=Counter)
    attested: int = 0
    unattested: int = 0
    wrong: list[str] = []


class Forge:
    """Makes records and tokens, good and bad, of a shop and of its neighbour."""

    def __init__(self, here: Services, there: Services, random: Random) -> None:
        self.here, self.there = Edge(here), Edge(there)
        self.random = random
        self.now_s = int(time.time())
        self.valid: list[Decided] = []
        """Those that an edge attested, in the order in which they were made."""
        self.number = 0

    def visitor(self) -> str:
        self.number += 1
        return f"u{self.number}"

    def fresh(self, age_s: int | None = None, edge: Edge | None = None) -> Decided:
        age_s = self.random.randrange(6 * DAY_S) if age_s is None else age_s
        return (edge or self.here).decide(self.visitor(), self.now_s - age_s)

    def told(self, decided: Decided, mac: str | None = None) -> dict[str, Any]:
        return self.here.decision_event(decided, mac=mac)

    # --- records ------------------------------------------------------------

    def good(self) -> dict[str, Any]:
        decided = self.fresh()
        self.valid.append(decided)
        return self.told(decided)

    def forged(self) -> dict[str, Any]:
        return self.told(self.fresh(), self.random.randbytes(32).hex())

    def cut(self) -> dict[str, Any]:
        decided = self.fresh()
        return self.told(decided, self.here.mac(decided.record)[: self.random.randrange(1, 64)])

    def borrowed(self) -> dict[str, Any]:
        return self.told(self.fresh(), self.here.mac(self.fresh().record))

    def changed(self) -> dict[str, Any]:
        """One bit of an attested record."""
        decided = self.random.choice(self.valid) if self.valid else self.fresh()
        record = bytearray(decided.record)
        record[self.random.randrange(len(record))] ^= 1 << self.random.randrange(8)
        data = {"record": base64.b64encode(record).decode(), "mac": self.here.mac(decided.record)}
        return event("shop.proffer.decision", self.visitor(), data)

    def neighbours(self) -> dict[str, Any]:
        """Good over there, with the neighbour's secret."""
        return self.there.decision_event(self.fresh(edge=self.there))

    def neighbours_secret(self) -> dict[str, Any]:
        decided = self.fresh()
        return self.told(decided, self.there.mac(decided.record))

    def neighbours_bundle(self) -> dict[str, Any]:
        """What an edge of ours would have attested that ran somebody else's policy."""
        return self.told(self.fresh(edge=self.there))

    def aged(self) -> dict[str, Any]:
        return self.told(self.fresh(self.random.randrange(7 * DAY_S + 60, 400 * DAY_S)))

    def future(self) -> dict[str, Any]:
        return self.told(self.fresh(-self.random.randrange(1200, 400 * DAY_S)))

    def replayed(self) -> dict[str, Any]:
        if not self.valid:
            return self.good()
        name = self.visitor()
        return self.told(self.random.choice(self.valid)) | {"id": name, "source": f"/{name}"}

    def bare(self) -> dict[str, Any]:
        return self.told(self.fresh(), "")

    # --- offer tokens -------------------------------------------------------

    def token(self, **changes: Any) -> str:
        whose = changes.pop("subject", "buyer")
        return self.here.token("ten-off/p10", whose, self.now_s, **changes)

    def other_secret(self) -> str:
        token = Token(
            tenant="tinyshop", id=self.random.randbytes(16).hex(), offer="ten-off", rung="p10",
            placement="hero", subject="buyer", issued_s=self.now_s, expires_s=self.now_s + 3600,
            bundle=self.here.live.bundle,
        )  # fmt: skip
        return issue_token(self.there.services.keys.edge_secret, token)

    def changed_token(self) -> str:
        text = bytearray(self.token(), "ascii")
        at = self.random.randrange(len(text) - 1)  # the last letter has bits that say nothing
        text[at] = self.random.choice([c for c in b"abcXYZ019-_." if c != text[at]])
        return text.decode()


RECORDS: dict[str, tuple[str, Callable[[Forge], dict[str, Any]]]] = {
    "forged MAC": ("bad", Forge.forged),
    "MAC cut short": ("bad", Forge.cut),
    "MAC of another record": ("bad", Forge.borrowed),
    "one bit changed": ("bad", Forge.changed),
    "another shop's": ("bad", Forge.neighbours),
    "another shop's secret": ("bad", Forge.neighbours_secret),
    "another shop's bundle": ("bad", Forge.neighbours_bundle),
    "aged": ("bad", Forge.aged),
    "from the future": ("bad", Forge.future),
    REPLAYED: ("again", Forge.replayed),
    UNATTESTED: ("apart", Forge.bare),
}
TOKENS: dict[str, Callable[[Forge], str]] = {
    "another shop's secret": Forge.other_secret,
    "another shop's": lambda f: f.token(tenant="othershop"),
    "expired": lambda f: f.token(issued_s=f.now_s - 9999, expires_s=f.now_s - 1),
    "another buyer's": lambda f: f.token(subject="somebody"),
    "changed": Forge.changed_token,
    "no token": lambda f: f.random.randbytes(40).hex(),
}


def counted(number: int, seed: int) -> Counted:
    with tempfile.TemporaryDirectory() as folder:
        here, there = (_open(Path(folder) / name, name) for name in ("tinyshop", "othershop"))
        try:
            return asyncio.run(_counted(Forge(here, there, Random(seed)), number))
        finally:
            here.close()
            there.close()


def _open(folder: Path, tenant: str) -> Services:
    catalog = write_catalog(folder / "catalog", CATALOG.replace("tinyshop", tenant))
    settings = Settings(data=folder / "var", tenant=tenant, catalog=catalog, open_console=True)
    return Services.open(settings)


async def _counted(forge: Forge, number: int) -> Counted:
    found = Counted()
    for kind, events in _batches(forge, number):
        body = msgspec.json.encode(events)
        receipt = await forge.here.services.collector.accept(body, False)
        found.records[kind] += len(events)
        found.receipts[kind] = found.receipts.get(kind, Receipt(0, 0, 0)) + receipt
    for _ in range(number // 10):
        await _redeem(forge, found)
    _check(forge, found)
    return found


def _batches(forge: Forge, number: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Of one kind each, in an order that chance gives."""
    kinds = list(RECORDS)
    left, most = number, max(2, min(BATCH, number // 100))
    while left:
        kind = "valid" if forge.random.random() < VALID else forge.random.choice(kinds)
        make = Forge.good if kind == "valid" or not forge.valid else RECORDS[kind][1]
        some = min(left, forge.random.randrange(1, most))
        left -= some
        yield (kind if forge.valid else "valid"), [make(forge) for _ in range(some)]


async def _redeem(forge: Forge, found: Counted) -> None:
    """A valid token is redeemed, and then tried again for another order."""
    kind = "valid" if forge.random.random() < VALID else forge.random.choice(list(TOKENS))
    text = forge.token() if kind == "valid" else TOKENS[kind](forge)
    for each in (kind, "used before") if kind == "valid" else (kind,):
        found.tokens[each] += 1
        cart = CartFacts("60.00", "20.00", {"cart.categories": ["lamps"]})
        asked = Reserve(text, forge.visitor(), cart, subject="buyer")
        try:
            await forge.here.services.redemptions.reserve(asked)
            found.redeemed[each] += 1
        except Refused:
            pass


def _check(forge: Forge, found: Counted) -> None:
    with forge.here.services.database.reading() as connection:
        query = select(t.decisions.c.id, t.decisions.c.attested)
        stored = {row.id: row.attested for row in connection.execute(query)}
    wanted = {slot.id for decided in forge.valid for slot in decided.slots}
    attested = {name for name, is_attested in stored.items() if is_attested}
    found.attested, found.unattested = len(attested), len(stored) - len(attested)
    found.wrong += [f"valid, but not believed: {name}" for name in wanted - attested]
    found.wrong += [f"believed, but not valid: {name}" for name in attested - wanted]
    for kind, receipt in found.receipts.items():
        found.wrong += _against(kind, receipt, found.records[kind])
    if found.unattested != found.records[UNATTESTED]:
        found.wrong.append(f"{found.unattested} are kept apart, of {found.records[UNATTESTED]}")
    for kind, sent in found.tokens.items():
        if found.redeemed[kind] != (sent if kind == "valid" else 0):
            found.wrong.append(f"{found.redeemed[kind]} tokens redeemed of {sent}: {kind}")


def _against(kind: str, got: Receipt, sent: int) -> list[str]:
    end = "good" if kind == "valid" else RECORDS[kind][0]
    wanted = {
        "good": Receipt(sent, 0, 0),
        "apart": Receipt(sent, 0, 0),
        "again": Receipt(0, sent, 0),
        "bad": Receipt(0, 0, sent),
    }[end]
    return [] if got == wanted else [f"{kind}: {got}, not {wanted}"]


def report(found: Counted, console: Console) -> bool:
    """Print the counts; True if nothing is wrong."""
    records, tokens = found.records.total(), found.tokens.total()
    console.print(
        f"beacon tokens: {records:,} records, {found.records['valid']:,} of them valid:"
        f" {found.attested:,} attested, {found.unattested:,} kept apart; {tokens:,} offer tokens,"
        f" {found.tokens['valid']:,} of them valid: {found.redeemed.total():,} redeemed",
        highlight=False,
    )
    console.print("  records: accepted / duplicates / quarantined")
    for kind, receipt in sorted(found.receipts.items()):
        ends = f"{receipt.accepted:,} / {receipt.duplicates:,} / {receipt.quarantined:,}"
        console.print(f"  {found.records[kind]:>7,} {kind}: {ends}", highlight=False)
    for kind, sent in sorted(found.tokens.items()):
        console.print(f"  {sent:>7,} tokens, {kind}: {found.redeemed[kind]:,} redeemed")
    for what in found.wrong[:20]:
        console.print(f"  WRONG {what}", highlight=False, markup=False)
    return not found.wrong


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    return 0 if report(counted(number, seed), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
