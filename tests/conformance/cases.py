"""The hand-written cases, as objects.  README.md beside this file explains every field.

Everything forbids unknown fields: a misspelt expectation would expect nothing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from edge.decision.bundle import FORMAT

HERE = Path(__file__).parent
CASES = HERE / "cases"
POLICIES = HERE / "policies"


class Strict(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """No unknown keys."""


class ManifestGiven(Strict, frozen=True, kw_only=True):
    """By default signed on 2026-03-04 at 04:53:20 UTC, for 100,000 seconds."""

    issued_s: int = 1_772_600_000
    expires_s: int = 1_772_700_000
    all_paused: bool = False
    paused_offers: list[str] = []
    paused_rungs: list[str] = []
    paused_placements: list[str] = []
    multipliers: dict[str, int] = {}


class AttributeExpected(Strict, frozen=True, kw_only=True):
    """Exactly one field is given; an invalid attribute is the text "invalid" instead."""

    number: int | None = None
    string: str | None = None
    set: list[str] | None = None


class Shares(Strict, frozen=True, kw_only=True):
    """How tickets follow from scores; arms in tie order, showing nothing first."""

    policy: Literal["greedy", "epsilon", "inverse_gap", "allocation"]
    scores: dict[str, int] = {}
    weights: dict[str, int] = {}
    epsilon: int = 0
    floor: int = 0
    gamma: int = 0


class TrackExpected(Strict, frozen=True, kw_only=True):
    """What one track shows; fields that are left out are not looked at."""

    reason: str
    arm: str = "none"
    tickets: dict[str, int] | None = None
    shares: Shares | None = None
    offered: list[str] | None = None
    offers: dict[str, bool] = {}
    candidates: int | None = None
    ticket_of: list[str] | None = None


class RowExpected(TrackExpected, frozen=True, kw_only=True):
    """A slot's verdict; without `ghost` the tracks must be equal."""

    slot: str
    flags: list[str] = []
    ghost: TrackExpected | None = None
    epoch: int | None = None
    epoch_s: int = 86400
    redraw: int | None = None
    drawn_by: str | None = None
    objections: dict[str, str] = {}


class Member(Strict, frozen=True, kw_only=True):
    """Whether a unit belongs to a share of tickets, by the parts of its word."""

    of: list[str]
    share: int
    member: bool


class Expect(Strict, frozen=True, kw_only=True):
    error: str | None = None
    attributes: dict[str, AttributeExpected | Literal["invalid"]] | None = None
    unknown_attributes: list[str] = []
    unknown_placements: list[str] = []
    rows: list[RowExpected] | None = None
    holdouts: list[Member] = []


class Case(Strict, frozen=True, kw_only=True):
    id: str
    description: str
    expect: Expect
    request: dict[str, Any] = {}
    raw: dict[str, str] = {}
    text: str | None = None
    text_hex: str | None = None
    pad_to_bytes: int = 0
    manifest: dict[str, Any] = {}


class Base(Strict, frozen=True, kw_only=True):
    """What all cases of a theme share."""

    request: dict[str, Any] = {}
    manifest: dict[str, Any] = {}


class Theme(Strict, frozen=True, kw_only=True):
    theme: str
    title: str
    policy: str
    base: Base = field(default_factory=Base)
    cases: list[Case]


class Entry(Strict, frozen=True, kw_only=True):
    """A line of the index."""

    file: str
    theme: str
    title: str
    policy: str
    cases: int


class Index(Strict, frozen=True, kw_only=True):
    format: int
    vectors: str
    cases: int
    themes: list[Entry]


def read_theme(path: Path) -> Theme:
    return msgspec.json.decode(path.read_bytes(), type=Theme)


@cache
def themes() -> tuple[Theme, ...]:
    """All themes, in the order of their files."""
    return tuple(read_theme(path) for path in sorted(CASES.glob("*.json")))


def index() -> Index:
    """The index as it should be, from the files themselves."""
    entries = [
        Entry(file=f"cases/{path.name}", theme=one.theme, title=one.title, policy=one.policy,
              cases=len(one.cases))
        for path, one in zip(sorted(CASES.glob("*.json")), themes(), strict=True)
    ]  # fmt: skip
    total = sum(entry.cases for entry in entries)
    return Index(format=FORMAT, vectors="vectors.json", cases=total, themes=entries)
