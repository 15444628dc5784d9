"""What a replay found, as programs and reviewers read it.

`Totals` are of a whole, a placement, a segment or an arm.  Money is in integer micros of the
shop's currency, rounded down once from exact sums; `drawn` is of what was and would be shown
in every replayed slot, `expected` of chances, in slots that both sides drew anew.  Margins
are per slot: a page with two slots counts its cart twice, so it is differences that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from control_plane.reviewing.pairing import NONE
from control_plane.reviewing.replaying import MEANINGS, Reason
from control_plane.reviewing.tallying import Key, Line, Money, Side, SlotCounts, Tally
from edge.decision.bundle import Bundle
from edge.decision.hashing import T

TOLD = 2_000
"""Rows that each list of a report holds; of more, those that change most."""


class Amounts(Struct, frozen=True, kw_only=True):
    """Micros.  See `worth.py` for what they mean."""

    incentive_micros: int = 0
    margin_micros: int = 0
    expected_cost_micros: int = 0
    gain_micros: int = 0


class Outcome(Struct, frozen=True, kw_only=True):
    """One side.  `expected_shown`: chances, in millionths of a slot."""

    shown: int = 0
    expected_shown_ppm: int = 0
    drawn: Amounts = Amounts()
    expected: Amounts = Amounts()


class Totals(Struct, frozen=True, kw_only=True):
    """`shown` counts slots with an offer, or with this very arm where the totals are an arm's.

    `gained`, `lost`, `kept`: slots where it is shown only by the draft, only then, by both.
    """

    gained: int
    lost: int
    kept: int
    before: Outcome
    after: Outcome


class ArmLine(Struct, frozen=True, kw_only=True):
    """One arm (`offer/rung`, or none); `placement` and `segment` are empty where it is of all.

    `gaining` and `losing` are ids of up to three recorded decisions where it came or went.
    """

    arm: str
    placement: str = ""
    segment: str = ""
    totals: Totals
    gaining: list[str] = []
    losing: list[str] = []


class Group(Struct, frozen=True, kw_only=True):
    """A segment of a placement, or a whole placement (segment empty)."""

    placement: str
    segment: str = ""
    totals: Totals


class Omitted(Struct, frozen=True):
    """Records that were left out, and why."""

    reason: Reason
    records: int
    meaning: str


class ReplayReport(Struct, frozen=True, kw_only=True):
    """The whole result.  `records` = `replayed` + all in `left_out`."""

    draft: str
    currency: str
    minor_digits: int
    by: str
    since_s: int | None
    until_s: int | None
    records: int
    replayed: int
    identical: int
    left_out: list[Omitted]
    not_held: dict[str, int]
    """Attribute -> records that cannot tell it, though the draft would read it."""
    bundles: dict[str, int]
    """Digest -> records that it decided, of those replayed."""
    slots: SlotCounts
    totals: Totals
    placements: list[Group]
    segments: list[Group]
    arms: list[ArmLine]
    lines: list[ArmLine]
    untold: dict[str, int] = {}
    """Of `segments`, `arms` and `lines`: how many more there are, if any."""


class Window(Struct, frozen=True, kw_only=True):
    """Which decisions are replayed: those from `since_s` on, before `until_s` (Unix seconds)."""

    since_s: int | None = None
    until_s: int | None = None

    def holds(self, now_s: int) -> bool:
        after = self.since_s is None or now_s >= self.since_s
        return after and (self.until_s is None or now_s < self.until_s)


EVER = Window()


def report_of(tally: Tally, draft: Bundle, *, by: str = "", window: Window = EVER) -> ReplayReport:
    lines = sorted(tally.lines.items())
    placements = _grouped(lines, lambda key: key[:1])
    segments, more_segments = _most_changed(_grouped(lines, lambda key: key[:2]))
    arms, more_arms = _most_changed(_grouped(lines, lambda key: key[2:]))
    each, more_lines = _most_changed(_grouped(lines, lambda key: key))
    untold = {"segments": more_segments, "arms": more_arms, "lines": more_lines}
    return ReplayReport(
        draft=draft.digest.hex(),
        currency=draft.notes.currency,
        minor_digits=draft.notes.minor_digits,
        by=by,
        since_s=window.since_s,
        until_s=window.until_s,
        records=tally.records,
        replayed=tally.replayed,
        identical=tally.identical,
        left_out=[_omitted(tally, reason) for reason in Reason if reason in tally.left_out],
        not_held=dict(sorted(tally.not_held.items())),
        bundles=dict(sorted(tally.bundles.items())),
        slots=tally.slots,
        totals=_offers_of(lines),
        placements=[Group(placement=name[0], totals=_offers_of(of)) for name, of in placements],
        segments=[
            Group(placement=name[0], segment=name[1], totals=_offers_of(of))
            for name, of in segments
        ],
        arms=[_arm_line(name[0], of) for name, of in arms],
        lines=[_arm_line(name[2], of, name[0], name[1]) for name, of in each],
        untold={name: more for name, more in untold.items() if more},
    )


def _omitted(tally: Tally, reason: Reason) -> Omitted:
    return Omitted(reason, tally.left_out[reason], MEANINGS[reason])


Lines = list[tuple[Key, Line]]
Groups = list[tuple[tuple[str, ...], Lines]]


def _grouped(lines: Lines, name: Callable[[Key], tuple[str, ...]]) -> Groups:
    groups: dict[tuple[str, ...], Lines] = {}
    for item in lines:
        groups.setdefault(name(item[0]), []).append(item)
    return sorted(groups.items())


def _most_changed(groups: Groups) -> tuple[Groups, int]:
    """The groups to tell, by name; and how many are not."""
    if len(groups) <= TOLD:
        return groups, 0
    ranked = sorted(groups, key=lambda group: (-_changes(group[1]), group[0]))
    return sorted(ranked[:TOLD]), len(groups) - TOLD


def _changes(lines: Lines) -> int:
    return sum(line.gained + line.lost for _, line in lines)


def _arm_line(arm: str, lines: Lines, placement: str = "", segment: str = "") -> ArmLine:
    total = _sum(line for _, line in lines)
    return ArmLine(
        arm=arm, placement=placement, segment=segment, totals=_totals(total, total),
        gaining=total.gaining, losing=total.losing,
    )  # fmt: skip


def _offers_of(lines: Lines) -> Totals:
    """Of many arms: shown are offers alone, money is of all, none included."""
    offers = _sum(line for key, line in lines if key[2] != NONE)
    return _totals(offers, _sum(line for _, line in lines))


def _sum(lines: Iterable[Line]) -> Line:
    total = Line()
    for line in lines:
        total.add(line)
    return total


def _totals(counted: Line, priced: Line) -> Totals:
    return Totals(
        gained=counted.gained,
        lost=counted.lost,
        kept=counted.kept,
        before=_outcome(counted.before, priced.before),
        after=_outcome(counted.after, priced.after),
    )


def _outcome(counted: Side, priced: Side) -> Outcome:
    return Outcome(
        shown=counted.shown,
        expected_shown_ppm=counted.tickets * 1_000_000 // T,
        drawn=_amounts(priced.drawn),
        expected=_amounts(priced.expected),
    )


def _amounts(money: Money) -> Amounts:
    return Amounts(
        incentive_micros=money.incentive // T,
        margin_micros=money.margin // T,
        expected_cost_micros=money.expected_cost // T,
        gain_micros=money.gain // T,
    )
