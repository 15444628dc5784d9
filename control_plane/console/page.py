"""What the console's page shows, put together: one Struct per panel.

The templates get a `Page` and nothing else; each field is documented here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from control_plane.accounts.actor import Permission
from control_plane.console import charts
from control_plane.console.figures import BARS, Figures, PlacementFigures, read_figures
from control_plane.console.guard import Visit
from control_plane.console.snapshots import Snapshots
from control_plane.measurement.profit import METHOD, ORDERS_MIN, Incremental
from control_plane.services import Services
from control_plane.signing import Signing
from edge.decision import tables as t
from edge.decision.bundle import Bundle

ARMS_SHOWN = 10
HISTORY_SHOWN = 12
POLICIES = ("greedy", "epsilon", "inverse gap", "allocation, learned")


class ProfitRow(Struct, frozen=True, kw_only=True):
    """One comparison of treated and held-out units."""

    title: str
    found: Incremental
    verdict: str
    whisker: charts.Whisker | None


class ArmRow(Struct, frozen=True, kw_only=True):
    """An arm of a placement; `weights` are its shares in percent, per segment."""

    arm: str
    title: str
    colour: int
    exposures: int
    clicks: int
    weights: list[float]


class PlacementCard(Struct, frozen=True, kw_only=True):
    """`left_out`: arms with exposures that the table has no room for."""

    name: str
    title: str
    policy: str
    segments: list[str]
    arms: list[ArmRow]
    left_out: int
    exposures: int
    held_out: int
    chart: charts.Stack

    @property
    def is_quiet(self) -> bool:
        """Nothing happened here, and nothing is allocated that could be shown."""
        return not (self.arms or self.held_out or self.chart.blocks)


class PolicyCard(Struct, frozen=True, kw_only=True):
    live: Signing
    offers: int
    arms: int
    placements: int
    offer_titles: dict[str, str]
    paused: tuple[str, ...]


class HistoryRow(Struct, frozen=True, kw_only=True):
    signing: Signing
    is_live: bool
    can_roll_back: bool


class Tile(Struct, frozen=True, kw_only=True):
    """`kind`: count or money (in currency units)."""

    title: str
    value: float
    kind: str
    note: str
    line: charts.Line


class Page(Struct, frozen=True, kw_only=True):
    """`total` is the first of `rows` that is known; `reach` the end of their common axis.
    `quiet` are the titles of placements where nothing happened, which have no card.
    `policy` is None before the first publish; `token` belongs into every form.  `may` is what
    `who` is allowed; `can_log_out` is false in the open console; `names` is what people are
    called, by the id of their actor.
    """

    shop: str
    channel: str
    currency: str
    now_s: int
    token: str
    who: str
    may: frozenset[Permission]
    can_log_out: bool
    names: dict[str, str]
    method: str
    orders_least: int
    total: ProfitRow
    rows: list[ProfitRow]
    reach: float
    tiles: list[Tile]
    bars: int
    bar_s: int
    placements: list[PlacementCard]
    quiet: list[str]
    policy: PolicyCard | None
    history: list[HistoryRow]
    quarantine: list[tuple[str, int]]
    dropped: int
    is_rolled_back: bool
    can_publish: bool
    learn_every_s: int


def build_page(services: Services, snapshots: Snapshots, visit: Visit) -> Page:
    """Read everything.  Blocks."""
    assert visit.actor is not None
    settings, now_s = services.settings, int(time.time())
    bundle, live = services.publisher.live_bundle(), services.publisher.live()
    names = [bundle.placement_name(row) for row in _by_rank(bundle)] if bundle else []

    def compute() -> Figures:
        with services.database.reading() as connection:
            tenant, attribution_s = settings.tenant, settings.attribution_s
            return read_figures(connection, tenant, names, attribution_s, now_s)

    figures = snapshots.get(tuple(names), compute)
    found = [figures.profit, *(figures.placements[name].profit for name in names)]
    reach = charts.reach_of(found)
    titles = ["All placements", *(_placement_title(bundle, name) for name in names)]
    rows = [_profit_row(*pair, reach) for pair in zip(titles, found, strict=True)]
    cards = [_card(bundle, name, figures.placements[name]) for name in names if bundle]
    history = services.publisher.history(HISTORY_SHOWN)
    return Page(
        shop=bundle.notes.title if bundle else settings.tenant,
        channel=settings.channel,
        currency=bundle.notes.currency if bundle else "",
        now_s=now_s,
        token=visit.token,
        who=visit.actor.name,
        may=visit.actor.permissions,
        can_log_out=visit.session is not None,
        names=services.accounts.users.names(),
        method=METHOD,
        orders_least=ORDERS_MIN,
        total=next((row for row in rows if row.found.is_known), rows[0]),
        rows=[rows[0], *(row for row in rows[1:] if row.found.treated.units)],
        reach=reach,
        tiles=_tiles(figures),
        bars=BARS,
        bar_s=figures.window.bar_s,
        placements=[card for card in cards if not card.is_quiet],
        quiet=[card.title for card in cards if card.is_quiet],
        policy=_policy(bundle, live) if bundle and live else None,
        history=_history(history, live),
        quarantine=figures.quarantine,
        dropped=figures.dropped,
        is_rolled_back=services.publisher.is_rolled_back(),
        can_publish=services.catalog.is_set,
        learn_every_s=settings.learn_every_s,
    )


def _by_rank(bundle: Bundle) -> list[int]:
    rank = bundle.tables.placement_rank
    return sorted(range(bundle.rows["placement"]), key=lambda row: (rank[row], row))


def _placement_title(bundle: Bundle | None, name: str) -> str:
    return bundle.notes.placements[bundle.placement_rows[name]].title if bundle else name


def _profit_row(title: str, found: Incremental, reach: float) -> ProfitRow:
    return ProfitRow(
        title=title,
        found=found,
        verdict=charts.verdict_of(found),
        whisker=charts.whisker(found, reach),
    )


def _tiles(figures: Figures) -> list[Tile]:
    totals = figures.totals
    seen = totals.exposures or 1
    return [
        Tile(
            title="Exposures",
            value=totals.exposures,
            kind="count",
            note=f"and {totals.ghosts:,} seen by held-out visitors",
            line=charts.line(totals.exposure_series),
        ),
        Tile(
            title="Clicks",
            value=totals.clicks,
            kind="count",
            note=f"{totals.clicks / seen:.1%} of exposures",
            line=charts.line(totals.click_series),
        ),
        Tile(
            title="Orders",
            value=totals.orders,
            kind="count",
            note=f"of {totals.decisions:,} decisions logged",
            line=charts.line(totals.order_series),
        ),
        Tile(
            title="Revenue",
            value=totals.revenue_micros / 1_000_000,
            kind="money",
            note="as customers paid it",
            line=charts.line(totals.revenue_series),
        ),
    ]


# --- placements ---------------------------------------------------------------


def _card(bundle: Bundle, name: str, figures: PlacementFigures) -> PlacementCard:
    row = bundle.placement_rows[name]
    segments, weights = shares_of(bundle, row)
    offered = [arm for arm in weights if arm not in {count.arm for count in figures.arms}]
    arms = [count.arm for count in figures.arms] + offered
    colours = charts.colours_of(arms)
    counts = {count.arm: count for count in figures.arms}
    titles = {arm: arm_title(bundle, arm) for arm in {*arms, *figures.series}}
    rows = [
        ArmRow(
            arm=arm,
            title=titles[arm],
            colour=colours[arm],
            exposures=counts[arm].exposures if arm in counts else 0,
            clicks=counts[arm].clicks if arm in counts else 0,
            weights=weights.get(arm, [0.0] * len(segments)),
        )
        for arm in arms
    ]
    return PlacementCard(
        name=name,
        title=bundle.notes.placements[row].title,
        policy=POLICIES[bundle.tables.placement_policy[row]],
        segments=segments,
        arms=rows[:ARMS_SHOWN],
        left_out=len(rows[ARMS_SHOWN:]),
        exposures=sum(count.exposures for count in figures.arms),
        held_out=figures.held_out,
        chart=charts.stack(figures.series, colours, titles),
    )


def arm_title(bundle: Bundle, arm: str) -> str:
    """`Title of the offer · rung`; the arm's name if the live policy has no such arm."""
    if arm == "none":
        return "No offer"
    number = bundle.arm_rows.get(arm)
    if number is None:
        return arm
    offer = bundle.tables.rung_offer[number - 1]
    return f"{bundle.notes.offers[offer].title} · {arm.partition('/')[2]}"


def shares_of(bundle: Bundle, placement: int) -> tuple[list[str], dict[str, list[float]]]:
    """Segments of a placement's allocation, and per arm its share in each, in percent.

    Both empty where nothing is allocated.  Arms without weight anywhere are left out.
    """
    tables, row = bundle.tables, bundle.tables.placement_allocation[placement]
    if row < 0 or tables.placement_policy[placement] != t.ALLOCATION:
        return [], {}
    segments = [*bundle.notes.placements[placement].segments, "others"]
    arms = _owned(tables.allocation_arm, tables.allocarm_arm, row)
    weights = _owned(tables.allocation_share, tables.share_weight, row)
    by_segment = [weights[i * len(arms) : (i + 1) * len(arms)] for i in range(len(segments))]
    totals = [sum(segment) or 1 for segment in by_segment]
    shares = {
        bundle.arm_name(arm): [
            100 * segment[at] / total for segment, total in zip(by_segment, totals, strict=True)
        ]
        for at, arm in enumerate(arms)
    }
    named = segments if len(segments) > 1 else ["everybody"]
    return named, {arm: values for arm, values in shares.items() if any(values)}


def _owned(starts: Sequence[int], values: Sequence[int], row: int) -> Sequence[int]:
    return values[starts[row] : starts[row + 1]]


# --- policy and history -------------------------------------------------------


def _policy(bundle: Bundle, live: Signing) -> PolicyCard:
    names = [bundle.text(row) for row in bundle.tables.offer_name]
    titles = [note.title for note in bundle.notes.offers]
    return PolicyCard(
        live=live,
        offers=bundle.rows["offer"],
        arms=bundle.rows["rung"],
        placements=bundle.rows["placement"],
        offer_titles=dict(sorted(zip(names, titles, strict=True), key=lambda pair: pair[1])),
        paused=live.manifest.paused.offers,
    )


def _history(signings: Sequence[Signing], live: Signing | None) -> list[HistoryRow]:
    """The newest signing of the live bundle is live; only other bundles can be rolled back to."""
    now = live.bundle if live else ""
    newest = next((each for each in signings if each.bundle == now), None)
    return [
        HistoryRow(signing=each, is_live=each is newest, can_roll_back=each.bundle != now)
        for each in signings
    ]
