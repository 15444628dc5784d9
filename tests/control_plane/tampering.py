"""Somebody who can write to the database, but has no key: ways to change an audit log.

A log is a list of rows; each way returns a changed list.  `Tamperer` knows what it may do
without ever being found out by anybody: only behind the last checkpoint, where nothing
outside the database knows the rows yet.  It never does that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from random import Random

from msgspec import Struct, structs

from control_plane.audit.chain import FIELDS, START, Row, hash_of

Log = list[Row]
TEXTS = ("tenant", "actor", "action", "subject", "before", "after", "note", "previous", "hash")
NUMBERS = ("number", "at_s")
CONTENT = tuple(name for name in FIELDS if name != "number")


class Tampered(Struct, frozen=True):
    """What was done.  `first`: where the log begins to differ; `exact`: whether just that row
    has to be named (computing hashes anew hides which it is)."""

    how: str
    log: Log
    exact: bool = True
    first: int = 0


class Tamperer:
    """Changes a log that has checkpoints at some of its rows."""

    def __init__(self, log: Log, checkpoints: Sequence[int], random: Random) -> None:
        self._log = log
        self._checkpoints = checkpoints
        self._covered = checkpoints[-1]
        self._random = random
        self._ways: tuple[Callable[[], Tampered | None], ...] = (
            self.edit,
            self.edit,
            self.delete,
            self.insert,
            self.insert_renumbered,
            self.swap,
            self.swap_numbers,
            self.swap_field,
            self.truncate,
            self.rehash_one,
            self.recompute,
            self.recompute,
        )

    def any(self) -> Tampered:
        """One change, that is one."""
        while True:
            done = self._random.choice(self._ways)()
            if done is not None and (first := self._first(done.log)):
                return structs.replace(done, first=first)

    # --- ways, without computing hashes anew ----------------------------------

    def edit(self) -> Tampered | None:
        at = self._random.randrange(len(self._log))
        name = self._random.choice(FIELDS)
        log = self._edited(self._log, at, name)
        # the last row's move to another tenant is seen there, where it has no number of ours
        return Tampered(f"edit {name}", log, name != "tenant" or at + 1 < len(log))

    def delete(self) -> Tampered | None:
        last = len(self._log) if self._covered == len(self._log) else len(self._log) - 1
        at = self._random.randrange(last)
        return Tampered("delete", self._log[:at] + self._log[at + 1 :])

    def insert(self) -> Tampered | None:
        """Where there is room for a number: before the first row, and behind the last."""
        number = self._random.choice((0, -1, len(self._log) + 1, len(self._log) + 2))
        row = structs.replace(self._random.choice(self._log), number=number)
        return Tampered("insert", [*self._log, row])

    def insert_renumbered(self) -> Tampered | None:
        at = self._random.randrange(len(self._log))
        new = structs.replace(self._random.choice(self._log), number=at + 1)
        rest = [structs.replace(row, number=row.number + 1) for row in self._log[at:]]
        return Tampered("insert and move", [*self._log[:at], new, *rest])

    def swap(self) -> Tampered | None:
        i, j = self._two()
        log = list(self._log)
        log[i], log[j] = _with(log[i], log[j], CONTENT), _with(log[j], log[i], CONTENT)
        return Tampered("swap", log)

    def swap_numbers(self) -> Tampered | None:
        i, j = self._two()
        log = list(self._log)
        a, b = log[i].number, log[j].number
        log[i], log[j] = structs.replace(log[i], number=b), structs.replace(log[j], number=a)
        return Tampered("swap numbers", log)

    def swap_field(self) -> Tampered | None:
        i, j = self._two()
        name = self._random.choice([name for name in CONTENT if name != "tenant"])
        log = list(self._log)
        log[i], log[j] = _with(log[i], log[j], (name,)), _with(log[j], log[i], (name,))
        return Tampered(f"swap {name}", log)

    def truncate(self) -> Tampered | None:
        at = self._random.randrange(self._covered)
        return Tampered("truncate", self._log[:at])

    # --- ways that compute hashes anew ----------------------------------------

    def rehash_one(self) -> Tampered | None:
        """A row that fits its own hash, but is not the one that the next row names."""
        at = self._random.randrange(len(self._log) - 1)
        log = self._edited(self._log, at, self._random.choice(("at_s", "actor", "after", "note")))
        log[at] = structs.replace(log[at], hash=hash_of(log[at]))
        return Tampered("rehash one", log, at + 1 not in self._checkpoints)

    def recompute(self) -> Tampered | None:
        """Anything, and then every number and hash from there on made to fit."""
        way = self._random.choice(
            (self.edit, self.delete, self.insert_renumbered, self.swap, self.swap_field)
        )
        done = way()
        if done is None or done.how == "edit tenant":
            return None
        log = _chained(_sorted(done.log), max(self._first(done.log), 1) - 1)
        if not 0 < self._first(log) <= self._covered:
            return None
        return Tampered(f"{done.how}, recomputed", log, False)

    # --- inside ---------------------------------------------------------------

    def _first(self, log: Log) -> int:
        """Where it begins to differ, counted from 1; 0 where it does not."""
        pairs = zip_longest(_sorted(log), self._log)
        return next((at for at, (ours, old) in enumerate(pairs, 1) if ours != old), 0)

    def _two(self) -> tuple[int, int]:
        i, j = sorted(self._random.sample(range(len(self._log)), 2))
        return i, j

    def _edited(self, log: Log, at: int, name: str) -> Log:
        value = getattr(log[at], name)
        other = self._number(name, value) if name in NUMBERS else self._text(value)
        return [*log[:at], structs.replace(log[at], **{name: other}), *log[at + 1 :]]

    def _number(self, name: str, value: int) -> int:
        by = self._random.choice((1, -1, 2, 60, -(10**6), 2**40))
        if name == "number":  # one that is free
            return self._random.choice((-value, 0, len(self._log) + abs(by)))
        return value + by

    def _text(self, value: str) -> str:
        """A text that is nearly the same, or another one."""
        at = self._random.randrange(len(value) + 1)
        ways = (
            value[:at] + value[at + 1 :],
            value[:at] + self._random.choice(" 0aZ:ü{}\n") + value[at:],
            value.swapcase(),
            value + " ",
            value.replace(":", ": "),
            value[::-1],
            "",
        )
        return self._random.choice(ways)


def _with(row: Row, other: Row, names: tuple[str, ...]) -> Row:
    return structs.replace(row, **{name: getattr(other, name) for name in names})


def _sorted(log: Log) -> Log:
    return sorted(log, key=lambda row: row.number)


def _chained(log: Log, since: int) -> Log:
    made = log[:since]
    for row in log[since:]:
        previous = made[-1].hash if made else START
        row = structs.replace(row, number=len(made) + 1, previous=previous)
        made.append(structs.replace(row, hash=hash_of(row)))
    return made
