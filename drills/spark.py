"""The same integers on DuckDB and on Spark: a generated shop, compacted, every query on both.

Rows go straight into a database, more wildly than any shop makes them: amounts at the limits
of what an order may be, units of both kinds, orders at the very edges of the attribution
window, redemptions in every state, returns and repayments, bundles that nobody knows.

Needs the extra `drill` (pyspark) and a Java runtime, 17 or newer.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert

from control_plane.analysis.columns import SHAPES
from control_plane.analysis.compaction import compact
from control_plane.analysis.layout import Manifest, Tables
from control_plane.analysis.queries import RESULTS, rows, sql
from control_plane.redemption_book import COMMITTED, RELEASED, RESERVED, REVERSED
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT, SESSION
from edge.decision.bundle import Bundle
from policy_compiler.compiling import compile_catalog
from tests.control_plane.shop import CATALOG, write_catalog

TENANT, SEED = "tinyshop", 20
NOW_S, DAY_S = 1_790_000_000, 86400
WINDOW_S = 7 * DAY_S
DAYS, UNITS = 21, 1500
MONEY_MOST = 10**15
ARMS = ("none", "ten-off/p10", "ten-off/p20", "five-off/a5", "a-mug/one", "gone/x")
SPARK_TYPES = {"text": "string", "whole": "bigint", "bool": "boolean"}


def drill(place: Path, decisions: int) -> Counter[str]:
    """Raises `AssertionError` where the engines differ."""
    dearer = CATALOG.replace("percent: 10,", "percent: 11,")
    made = [_bundle(place / "one", CATALOG), _bundle(place / "two", dearer)]
    bundles = {bundle.digest.hex(): bundle for bundle in made}
    database = Database(place / "shop.db", TENANT)
    try:
        Shop(database, [*bundles, "f" * 64], decisions).fill()
        done = compact(database, place, TENANT, bundle_of=bundles.get)
    finally:
        database.close()
    counts: Counter[str] = Counter({f"rows of {name}": count for name, count in done.rows.items()})
    with spark(place) as session:
        for name in RESULTS:
            counts[f"equal rows of {name}"] = compare(session, place, name)
    return counts


def _bundle(folder: Path, catalog: str) -> Bundle:
    return compile_catalog(write_catalog(folder, catalog)).bundle


def compare(session: Any, place: Path, name: str) -> int:
    """How many rows a query gives, the same on both engines."""
    kind = RESULTS[name]
    ours = sorted(msgspec.structs.astuple(row) for row in rows(place, kind, WINDOW_S))
    answer = session.sql(sql(name, "spark")).select(*kind.__struct_fields__)
    strange = [field for field in answer.schema if field.dataType.typeName() not in WHOLE]
    assert not strange, strange
    theirs = sorted(tuple(row) for row in answer.collect())
    assert ours == theirs, next(
        pair for pair in zip(ours, theirs, strict=False) if len(set(pair)) > 1
    )
    assert ours, f"{name} gives nothing"
    return len(ours)


WHOLE = ("string", "integer", "long")


@contextmanager
def spark(place: Path) -> Iterator[Any]:
    """A local Spark that knows the tables by name."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session: Any = (
        import_module("pyspark.sql")
        .SparkSession.builder.master("local[2]")
        .appName("proffer-drill")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.local.dir", str(place / "spark"))
        .config("spark.sql.warehouse.dir", str(place / "warehouse"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        session.sparkContext.setLogLevel("ERROR")
        tables = Tables(place)
        manifest = tables.manifest()
        assert manifest is not None
        _views(session, tables, manifest)
        yield session
    finally:
        session.stop()


def _views(session: Any, tables: Tables, manifest: Manifest) -> None:
    for name, shape in SHAPES.items():
        schema = ", ".join(
            f"`{column}` {SPARK_TYPES[kind]}" for column, kind in shape.columns.items()
        )
        files = (
            [str(path) for path in tables.paths(manifest.tables[name])]
            if name in manifest.tables
            else []
        )
        frame = session.read.parquet(*files) if files else session.createDataFrame([], schema)
        frame.createOrReplaceTempView(name)
    window = session.sql(f"SELECT CAST({WINDOW_S} AS BIGINT) AS attribution_s")
    window.createOrReplaceTempView("settings")


# --- the shop ---------------------------------------------------------------------


class Shop:
    """Rows at random, the same for the same seed."""

    def __init__(self, database: Database, bundles: list[str], decisions: int) -> None:
        self._database = database
        self._bundles = bundles
        self._count = decisions
        self._chance = random.Random(SEED)

    def fill(self) -> None:
        taken = [self._decision(number) for number in range(self._count)]
        orders = [self._order(number, taken) for number in range(self._count // 3)]
        made: dict[str, list[dict[str, Any]]] = {
            "decisions": taken,
            "touches": [touch for row in taken for touch in self._touches(row)],
            "orders": orders,
            "order_units": [unit for row in orders for unit in _units(row)],
            "redemptions": [
                self._redemption(number, taken, orders) for number in range(self._count // 4)
            ],
            "returns": [self._return(number, orders) for number in range(self._count // 10)],
        }
        with self._database.writing() as connection:
            for name, rows in made.items():
                told = [{"tenant": TENANT, **row} for row in rows]
                connection.execute(insert(t.METADATA.tables[name]), told)

    def _unit(self) -> str:
        return f"{self._chance.choice('vvvc')}:{self._chance.randrange(UNITS)}"

    def _micros(self) -> int:
        """Most of it as in shops, some of it at the limits."""
        pick = self._chance.random()
        return MONEY_MOST - 1 if pick < 0.002 else self._chance.randrange(200_000_000)

    def _decision(self, number: int) -> dict[str, Any]:
        unit, chance = self._unit(), self._chance
        flags = chance.choice(
            [0] * 12 + [HOLDOUT, GLOBAL_HOLDOUT, GLOBAL_HOLDOUT | HOLDOUT, SESSION]
        )
        held = flags & (HOLDOUT | GLOBAL_HOLDOUT)
        ghost = chance.choice(ARMS)
        return {
            "id": f"{number:032x}",
            "record": f"{number:064x}",
            "attested": chance.random() < 0.95,
            "time_s": NOW_S + chance.randrange(DAYS * DAY_S),
            "placement": chance.choice(["hero", "checkout"]),
            "slot": 0,
            "unit": "" if chance.random() < 0.02 else unit,
            "holdout_unit": unit,
            "global_unit": unit if unit.startswith("v:") else "",
            "segment": "*",
            "flags": flags,
            "epoch": 1,
            "redraw": 0,
            "shown_arm": "none" if held else ghost,
            "shown_tickets": chance.randrange(1 << 20),
            "shown_draw": 0 if held else chance.choice([1, 1, 2]),
            "shown_reason": 1,
            "ghost_arm": ghost,
            "ghost_tickets": chance.randrange(1 << 20),
            "ghost_draw": 1,
            "ghost_reason": 1,
            "drawn_by": f"{chance.randrange(self._count):032x}",
            "listed": msgspec.msgpack.encode([(ghost, 1 << 20)]),
            "bundle": chance.choice(self._bundles),
            "manifest": "m",
        }

    def _touches(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for kind, share in (("exposure", 0.8), ("click", 0.2)):
            if self._chance.random() < share:
                late_s = self._chance.choice([0, 1, 5, DAY_S])
                track = "ghost" if row["shown_arm"] == "none" else "shown"
                yield {
                    "decision": row["id"],
                    "kind": kind,
                    "time_s": row["time_s"] + late_s,
                    "track": track,
                    "count": self._chance.randrange(1, 4),
                    "bot": self._chance.random() < 0.1,
                }

    def _order(self, number: int, taken: list[dict[str, Any]]) -> dict[str, Any]:
        """Often that of a decision's unit, at the edges of its window."""
        chance, decision = self._chance, self._chance.choice(taken)
        unit = decision["unit"] if chance.random() < 0.7 else self._unit()
        late_s = chance.choice([-1, 0, 1, WINDOW_S - 1, WINDOW_S, chance.randrange(WINDOW_S)])
        kind, _, name = unit.partition(":")
        margin = self._micros() * chance.choice([1, 1, 1, -1])
        return {
            "order_id": f"o{number}",
            "visitor": name if kind == "v" else "",
            "customer": name if kind == "c" else chance.choice(["", str(chance.randrange(UNITS))]),
            "revenue_micros": self._micros(),
            "margin_micros": margin,
            "discount_micros": chance.randrange(9_000_000),
            "currency": "EUR",
            "time_s": decision["time_s"] + late_s,
            "decisions": "[]",
        }

    def _redemption(
        self, number: int, taken: list[dict[str, Any]], orders: list[dict[str, Any]]
    ) -> dict[str, Any]:
        chance, decision, order = self._chance, taken[number], self._chance.choice(orders)
        offer, rung = chance.choice(ARMS[1:]).split("/")
        return {
            "reservation": f"r{number}",
            "token": decision["id"],
            "order_id": order["order_id"],
            "subject": decision["unit"],
            "offer": offer,
            "rung": rung,
            "placement": decision["placement"],
            "bundle": decision["bundle"],
            "currency": "EUR",
            "minor_digits": 2,
            "discount_micros": chance.randrange(9_000_000),
            "cost_micros": chance.randrange(9_000_000),
            "caps": "[]",
            "state": chance.choice([COMMITTED, COMMITTED, RESERVED, RELEASED, REVERSED]),
            "reserved_s": order["time_s"],
            "expires_s": order["time_s"] + 3600,
            "changed_s": order["time_s"] + chance.randrange(2 * DAY_S),
        }

    def _return(self, number: int, orders: list[dict[str, Any]]) -> dict[str, Any]:
        """A refund, or (a negative margin) its repayment."""
        chance, order = self._chance, self._chance.choice(orders)
        return {
            "return_id": f"b{number}",
            "order_id": order["order_id"],
            "refund_micros": self._micros(),
            "margin_micros": self._micros() * chance.choice([1, 1, -1]),
            "currency": "EUR",
            "time_s": order["time_s"] + chance.randrange(30 * DAY_S),
            "reason": "",
        }


def _units(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, name in (("v", order["visitor"]), ("c", order["customer"])):
        if name:
            yield {
                "unit": f"{kind}:{name}",
                "order_id": order["order_id"],
                "time_s": order["time_s"],
            }
