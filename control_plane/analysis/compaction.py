"""Compaction: from the database, which stays the source of truth, to tables for analysis.

    marks of all days -> the days that differ -> their rows as Parquet -> one swap

All of it is read in one transaction, so the tables agree with each other.  A day is written
anew as a whole: running again with nothing new changes no file, and whatever was counted
once in the database is once in the tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Set
from contextlib import closing
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection

from control_plane.analysis.columns import SHAPES
from control_plane.analysis.layout import (
    BEGIN_ANEW,
    FORMAT,
    WHOLE,
    Held,
    Manifest,
    Part,
    Tables,
    TablesError,
)
from control_plane.analysis.parquet import (
    PartWriter,
    arms_without_version,
    needed,
    rows_in,
    telling,
)
from control_plane.analysis.sources import SOURCES, Row, marks_of, rows_of
from control_plane.analysis.versions import BundleOf, offer_rows
from control_plane.storage.database import Database


class Compacted(Struct, frozen=True, kw_only=True):
    """What a compaction did: the days that it wrote anew or removed, and what there is now."""

    days: list[str]
    rows: dict[str, int]
    files: int
    size_bytes: int


def compact(
    database: Database,
    folder: Path,
    tenant: str,
    days: Iterable[date] | None = None,
    *,
    bundle_of: BundleOf | None = None,
) -> Compacted:
    """Bring the tables below `folder` up to date with the database.  Blocks.

    `days` (UTC): write these anew, whatever else; by default those that changed since the
    last run.  When it returns, rows of these days that are gone from the database are gone
    from the folder.  `bundle_of` tells versions of offers; without it those known stay.

    Raises `TablesError` (also where DuckDB is missing), `StorageUnavailable`, `OSError`.
    """
    needed()  # before anything is made
    wanted = None if days is None else {day.isoformat() for day in days}
    tables = Tables(folder)
    with tables.changing() as work, closing(PartWriter(work)) as writer:
        before = _before(tables, tenant)
        change = _Change(tables, writer, before, bundle_of)
        with database.reading() as connection:
            for name in SOURCES:
                change.bring(connection, tenant, name, wanted)
        with telling(f"the tables below {folder} cannot be read", BEGIN_ANEW):
            change.bring_offers()
        after = change.after(tenant)
        if after.tables != before.tables or before.made_s == 0:
            tables.swap(after)
    return change.told(after)


def _before(tables: Tables, tenant: str) -> Manifest:
    """The tables as they are; none of them where columns are others by now."""
    found = tables.manifest() or Manifest(tenant=tenant, made_s=0)
    if found.tenant != tenant:
        raise TablesError(
            f"{tables.root} has the tables of {found.tenant!r}, not of {tenant!r}.",
            "Give every tenant a folder of its own.",
        )
    if found.format != FORMAT:
        return Manifest(tenant=tenant, made_s=0)
    same = {
        name: held
        for name, held in found.tables.items()
        if name in SHAPES and held.columns == SHAPES[name].columns
    }
    return Manifest(tenant=tenant, made_s=found.made_s, tables=same)


class _Change:
    """One run: the tables as they will be, table by table."""

    def __init__(
        self, tables: Tables, writer: PartWriter, before: Manifest, bundle_of: BundleOf | None
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._before = before
        self._bundle_of = bundle_of
        self._after: dict[str, Held] = {}
        self._touched: set[str] = set()

    def bring(self, connection: Connection, tenant: str, name: str, days: Set[str] | None) -> None:
        """One table, from the database."""
        marks = marks_of(connection, tenant, name)
        kept = self._parts(name)
        if days is None:
            stale = {day for day, mark in marks.items() if _mark(kept.get(day)) != mark}
            stale |= kept.keys() - marks.keys()
        else:
            stale = days & (marks.keys() | kept.keys())
        self._touched |= stale
        parts = {day: part for day, part in kept.items() if day not in stale}
        rows = rows_of(connection, tenant, name, stale & marks.keys())
        for day, group in groupby(rows, key=itemgetter(0)):
            parts[day] = self._part(name, day, (row for _, row in group), marks[day])
        self._after[name] = Held(columns=dict(SHAPES[name].columns), days=parts)

    def _parts(self, name: str) -> dict[str, Part]:
        held = self._before.tables.get(name)
        return held.days if held else {}

    def _part(self, name: str, day: str, rows: Iterable[Row], mark: str) -> Part:
        made, count = self._writer.write(SHAPES[name], rows)
        size_bytes = made.stat().st_size
        file = self._tables.adopt(made, name, day)
        return Part(file=file, rows=count, size_bytes=size_bytes, mark=mark)

    # --- offers -------------------------------------------------------------

    def bring_offers(self) -> None:
        """The versions of all offers that were met, as far as their bundles are known."""
        parts = self._parts("offers")
        files = {name: self._files(self._after[name]) for name in ("decisions", "redemptions")}
        files["offers"] = self._files(self._before.tables.get("offers"))
        fresh = self._fresh_offers(files) if self._bundle_of else []
        if fresh:
            rows = sorted([*rows_in("offers", files["offers"]), *fresh], key=_by_key)
            parts = {WHOLE: self._part("offers", WHOLE, rows, str(len(rows)))}
        self._after["offers"] = Held(columns=dict(SHAPES["offers"].columns), days=parts)

    def _files(self, held: Held | None) -> list[Path]:
        return self._tables.paths(held) if held else []

    def _fresh_offers(self, files: dict[str, list[Path]]) -> list[Row]:
        assert self._bundle_of is not None
        fresh: list[Row] = []
        for digest, arms in arms_without_version(files).items():
            bundle = self._bundle_of(digest)
            if bundle is not None:
                fresh += offer_rows(bundle, arms)
        return fresh

    # --- what came of it ----------------------------------------------------

    def after(self, tenant: str) -> Manifest:
        return Manifest(tenant=tenant, made_s=int(time.time()), tables=self._after)

    def told(self, after: Manifest) -> Compacted:
        parts = {name: list(held.days.values()) for name, held in after.tables.items()}
        every = [part for of_table in parts.values() for part in of_table]
        return Compacted(
            days=sorted(self._touched),
            rows={name: sum(part.rows for part in held) for name, held in parts.items()},
            files=len(every),
            size_bytes=sum(part.size_bytes for part in every),
        )


def _by_key(row: Row) -> tuple[str, str]:
    return row["bundle"], row["arm"]


def _mark(part: Part | None) -> str:
    return part.mark if part else ""
