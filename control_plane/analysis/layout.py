"""How the tables lie in their folder, and how they change without ever being half of two.

    tables/manifest.json                                  which files are the tables
    tables/<name>/day=YYYY-MM-DD/part-<digest>.parquet    the rows of one day
    tables/<name>/part-<digest>.parquet                   a table that is not split by day
    tables/.work/                                         files that are being made

A file is named by what is in it and never changes.  The manifest alone says which files
count, for all tables together: whoever reads it sees one state of the database.  A change is

    new files, synced -> the manifest, by one rename -> files that no manifest names, removed

Killed anywhere, it leaves the tables of before or of after, and perhaps files that nobody
names; the next change sweeps those.  A reader that was just about to open a file that is gone
reads the manifest again.  One process changes a folder at a time: the others wait.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct, field

from control_plane.storage.syncing import sync_folder

FORMAT = 1
TABLES, MANIFEST, WORK, LOCK = "tables", "manifest.json", ".work", ".lock"
DIGEST_CHARACTERS = 16
BEGIN_ANEW = "Remove the folder `tables` and compact again: the database has all of it."
WHOLE = ""
"""Stands for the day, in tables that are not split by day."""


class TablesError(Exception):
    """The tables cannot be read or written: what is wrong, and in `help` what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(problem)
        self.help = help


class Part(Struct, frozen=True, kw_only=True):
    """The rows of one day.  `file` is relative to the folder `tables`; `mark` sums up the
    rows as they were in the database: while it stays the same, so does the day."""

    file: str
    rows: int
    size_bytes: int
    mark: str


class Held(Struct, frozen=True, kw_only=True):
    """A table: its columns and types, and day (`YYYY-MM-DD`) -> the day's file."""

    columns: dict[str, str]
    days: dict[str, Part] = {}


class Manifest(Struct, frozen=True, kw_only=True):
    """All tables of one tenant as they were in the database at `made_s` (Unix seconds)."""

    tenant: str
    made_s: int
    tables: dict[str, Held] = {}
    format: int = field(default=FORMAT)

    @property
    def files(self) -> set[str]:
        return {part.file for held in self.tables.values() for part in held.days.values()}


class Tables:
    """The tables below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / TABLES

    @property
    def work(self) -> Path:
        return self.root / WORK

    def manifest(self) -> Manifest | None:
        """What counts now; None where nothing was made yet.  Raises `TablesError`."""
        path = self.root / MANIFEST
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise TablesError(
                f"{path} cannot be read: {error}.",
                BEGIN_ANEW,
            ) from None
        if manifest.format > FORMAT:
            raise TablesError(
                f"{path} is of format {manifest.format}; this Proffer knows {FORMAT}.",
                "Use the newer Proffer that wrote it.",
            )
        return manifest

    def paths(self, held: Held) -> list[Path]:
        """The files of a table, oldest day first."""
        return [self.root / held.days[day].file for day in sorted(held.days)]

    # --- changing -----------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[Path]:
        """Be the only one that changes the folder; gives a folder for work.

        What a change that was killed left behind is gone then.  Ends with the process.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep(self.manifest())
            self.work.mkdir()
            try:
                yield self.work
            finally:
                shutil.rmtree(self.work, ignore_errors=True)

    def adopt(self, made: Path, table: str, day: str) -> str:
        """Give a finished file of the work folder its place, durably; its name in the manifest."""
        with made.open("rb") as file:
            digest = sha256(file.read()).hexdigest()[:DIGEST_CHARACTERS]
            os.fsync(file.fileno())
        name = f"part-{digest}.parquet"
        path = self.root / table / (f"day={day}/{name}" if day else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.replace(path)
        for folder in (path.parent, path.parent.parent, self.root):
            sync_folder(folder)
        return path.relative_to(self.root).as_posix()

    def swap(self, manifest: Manifest) -> None:
        """From now on these files count, and no others."""
        made = self.work / MANIFEST
        with made.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest)))
            file.flush()
            os.fsync(file.fileno())
        made.replace(self.root / MANIFEST)
        sync_folder(self.root)
        self._sweep(manifest, working=True)

    def _sweep(self, manifest: Manifest | None, *, working: bool = False) -> None:
        """Remove the files that no manifest names, and folders that are empty then."""
        if not working:
            shutil.rmtree(self.work, ignore_errors=True)
        named = manifest.files if manifest else set()
        for path in list(self.root.rglob("part-*.parquet")):
            if path.relative_to(self.root).as_posix() not in named:
                path.unlink()
                for folder in (path.parent, path.parent.parent):
                    with suppress(OSError):  # it is not empty
                        folder.rmdir()
