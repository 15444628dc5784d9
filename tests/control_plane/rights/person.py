"""A person who is everywhere in a shop, and where its bytes are looked for."""

from __future__ import annotations

import base64
import hmac
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from control_plane.analysis.report import read_report
from control_plane.appraisal import CartFacts
from control_plane.errors import Refused
from control_plane.outcomes import learning_rows, sides
from control_plane.redemption import Reserve
from control_plane.rights.desk import Rights
from control_plane.rights.operations import rights_of
from control_plane.rights.subjects import Subject
from control_plane.services import Services
from control_plane.storage.schema import METADATA
from control_plane.storage.tables_replay import replays
from tests.control_plane.analysis.world import TENANT, WINDOW_S, World
from tests.control_plane.shop import Decided, event, order_event

VISITOR, CUSTOMER, ORDER = "kanarie-visitor-7f3a", "kanarie-customer-7f3a", "kanarie-order-7f3a"
CANARY = b"kanarie"
PERSON = Subject(visitors=[VISITOR], customers=[CUSTOMER])
BASE64 = [base64.b64encode(bytes(shift) + b"kanarie-visitor")[4:18] for shift in range(3)]
"""What is in the middle of the visitor's id when something is packed."""
CART = CartFacts("60.00", "20.00", {"cart.categories": ["lamps"]})


class Story(World):
    """A shop with people, and this one among them."""

    @property
    def rights(self) -> Rights:
        return rights_of(self.services)

    async def crowd(self, count: int = 12) -> None:
        for number in range(count):
            await self.visit(f"other{number}", customer=f"buyer{number}")
            if number % 3:
                await self.buy(f"other{number}", customer=f"buyer{number}")

    async def live(self) -> list[Decided]:
        """The person visits, buys, redeems, gives back, and is told of wrongly, too."""
        visits = [await self.visit(VISITOR, customer=CUSTOMER) for _ in range(3)]
        slots = [visit.slots[0] for visit in visits]
        self.now_s += 60
        order = order_event(ORDER, VISITOR, self.now_s, customer=CUSTOMER, decisions=[slots[0].id])
        later = event(
            "shop.proffer.return",
            "kanarie-return",
            {
                "return_id": "kanarie-return",
                "order_id": ORDER,
                "refund": "10.00",
                "margin": "3.00",
                "currency": "EUR",
                "time_s": self.now_s,
                "reason": "kanarie did not like it",
            },
            source="/shop",
        )
        await self.tell(order, later)
        await self.redeemed(slots[0].id)
        await self.promised()
        await self.told_wrongly(visits[1])
        self.replayed(slots[2].id)
        return visits

    async def redeemed(self, token: str) -> str:
        """Under a cap per customer; the token as it was handed out."""
        text = self.edge.token(
            "once-each/a3", CUSTOMER, self.now_s, id=token, placement="checkout",
            subject_kind="customer", expires_s=self.now_s + 10**9,
        )  # fmt: skip
        desk = self.services.redemptions
        held = await desk.reserve(Reserve(text, ORDER, CART, customer=CUSTOMER))
        await desk.commit(held.reservation)
        return text

    async def promised(self) -> None:
        """A token that the checkout did not take."""
        token = self.edge.token("ten-off/p10", VISITOR, self.now_s, expires_s=self.now_s + 10**9)
        rugs = CartFacts("60.00", "20.00", {"cart.categories": ["rugs"]})
        with pytest.raises(Refused, match="cart"):
            await self.services.redemptions.reserve(Reserve(token, ORDER, rugs, visitor=VISITOR))

    async def told_wrongly(self, visit: Decided) -> None:
        """By pages, broken, escaped, and packed into a record of an unknown bundle."""
        packed = visit.record[:8] + os.urandom(32) + visit.record[40:]
        mac = hmac.digest(self.services.keys.edge_secret, packed, "sha256").hex()
        unknown = event(
            "shop.proffer.decision",
            "d-unknown",
            {"record": base64.b64encode(packed).decode(), "mac": mac},
        )
        said = [
            msgspec.json.encode([unknown, order_event("o-page", VISITOR, self.now_s)]),
            b'[{"type": "shop.proffer.order", "data": {"visitor": "%s"' % VISITOR.encode(),
            b'[{"id": "k\\u0061narie-visitor-7f3a"}]',
        ]
        for body in said:
            receipt = await self.services.collector.accept(body, from_shop=False)
            assert receipt.quarantined

    def replayed(self, decision: str) -> None:
        """A replay's report that shows one of the decisions."""
        empty: dict[str, Any] = {
            column.name: 0 if column.type.python_type in (int, bool) else "" for column in replays.c
        }
        row = empty | {"tenant": TENANT, "id": "r1", "state": "done"}
        row["report"] = msgspec.json.encode({"gaining": [decision]})
        self.services.writer.run(lambda c: c.execute(insert(replays), row).close())

    # --- sums ---------------------------------------------------------------

    def sums(self) -> dict[str, Any]:
        """Everything that is measured."""
        with self.services.database.reading() as connection:
            rows = learning_rows(connection, TENANT, WINDOW_S)
            told = sorted(
                (row.placement, row.arm, row.tickets, row.time_s, row.orders, row.profit_micros)
                for row in rows
            )
            return {
                "hero": sides(connection, TENANT, WINDOW_S, "hero"),
                "all": sides(connection, TENANT, WINDOW_S),
                "learned": told,
                "units": len({row.unit for row in rows}),
            }

    def reported(self) -> Any:
        report = read_report(self.folder, WINDOW_S)
        return report.versions, report.days

    # --- bytes --------------------------------------------------------------

    def holding(self) -> list[str]:
        """Files of the data folder and of the tables that hold the canary."""
        folders = [self.services.settings.data, self.folder]
        return holding(*folders)

    def rows_holding(self) -> dict[str, int]:
        """How many rows of each table hold it, in any column."""
        found = {}
        with self.services.database.reading() as connection:
            for table in METADATA.sorted_tables:
                rows = [tuple(row) for row in connection.execute(select(table))]
                number = sum(any(_holds(value) for value in row) for row in rows)
                if number:
                    found[table.name] = number
        return found


def holding(*folders: Path) -> list[str]:
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted({path.name for path in paths if is_in(path.read_bytes())})


def is_in(data: bytes) -> bool:
    return CANARY in data or any(form in data for form in BASE64)


def _holds(value: Any) -> bool:
    return is_in(value if isinstance(value, bytes) else str(value).encode())


def opened(services: Services) -> Story:
    return Story(services, services.settings.analysis)
