"""What learning may look at: fresh draws of shown offers, and what their units brought in.

A row is *evidence* only if its arm was drawn for the shown track in that very decision:
then the row lists the arm with tickets of its own.  Kept rows repeat an earlier draw and
held-out rows were not drawn at all; both have neither list nor tickets, and they stay out
here even if a query let them through.  `evidence_of` counts what it leaves out.

Rows are sorted into *strata*: equal arms with equal tickets.  Within a stratum every
visitor had the same chances, so its arms compare like those of a randomised experiment,
whatever time, traffic and the allocation itself did from one stratum to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from control_plane.outcomes import NONE, LearningRow

MICROS = 1_000_000

Listed = tuple[tuple[str, int], ...]
"""(arm, tickets) of every arm that could be drawn, "none" first."""
Indices = NDArray[np.intp]
Numbers = NDArray[np.float64]


class Evidence(Struct, frozen=True, kw_only=True):
    """The rows of one segment as columns; `profit` in currency units per row.

    `arm` indexes `arms` ("none" is 0), `stratum` indexes `candidates`, which holds for
    each stratum the arms (indices) that could be drawn there.
    """

    arms: tuple[str, ...]
    arm: Indices
    stratum: Indices
    unit: Indices
    profit: Numbers
    ordered: NDArray[np.bool_]
    candidates: tuple[tuple[int, ...], ...]

    @property
    def rows(self) -> int:
        return len(self.arm)


def evidence_of(draws: Iterable[LearningRow], arms: Sequence[str]) -> tuple[Evidence, int]:
    """Columns of what counts, and the number of rows that do not.

    `arms` are those that the segment's allocation names; "none" always is one.  Rows of
    other arms (the catalog changed) and draws that could not come out otherwise are left
    out like kept and held-out ones; the rest of their stratum stays comparable.
    """
    names = (NONE, *(arm for arm in arms if arm != NONE))
    known = set(names)
    all_rows = list(draws)
    rows = [row for row in all_rows if _counts(row, known)]
    # An order of their own makes sums, and so the result, the same for the same rows.
    rows.sort(key=lambda row: (row.listed, row.arm, row.unit, row.profit_micros))
    index = {name: number for number, name in enumerate(names)}
    strata = {listed: number for number, listed in enumerate(dict.fromkeys(r.listed for r in rows))}
    units = {unit: number for number, unit in enumerate(dict.fromkeys(r.unit for r in rows))}
    evidence = Evidence(
        arms=names,
        arm=np.array([index[row.arm] for row in rows], dtype=np.intp),
        stratum=np.array([strata[row.listed] for row in rows], dtype=np.intp),
        unit=np.array([units[row.unit] for row in rows], dtype=np.intp),
        profit=np.array([row.profit_micros for row in rows], dtype=np.float64) / MICROS,
        ordered=np.array([row.ordered for row in rows], dtype=np.bool_),
        candidates=tuple(_drawable(listed, index) for listed in strata),
    )
    return evidence, len(all_rows) - len(rows)


def _counts(row: LearningRow, known: set[str]) -> bool:
    drawable = {arm for arm, tickets in row.listed if tickets}
    was_drawn = row.tickets > 0 and (row.arm, row.tickets) in row.listed
    return was_drawn and row.arm in known and len(drawable) > 1


def _drawable(listed: Listed, index: dict[str, int]) -> tuple[int, ...]:
    """Ascending indices; "none" always belongs, even when it had no ticket."""
    return tuple(sorted({0} | {index[arm] for arm, tickets in listed if tickets and arm in index}))
