"""A bundle as a readable listing: what is offered to whom, at what cost, within which limits.

Everything here is read back from the bundle itself, never from the catalog it was made
of.  So a listing says what an edge will really do, also for a bundle whose catalog is
gone, and reviewing one is reviewing what was signed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.choosing import CANDIDATE_LIMIT
from edge.decision.hashing import T
from edge.decision.notes import OfferNote
from edge.decision.rule import Node
from policy_compiler.emit import GAMMA_ONE
from policy_compiler.explain_models import allocations, models
from policy_compiler.explain_shop import attributes, clocks, economics
from policy_compiler.explain_words import (
    DEPTH_ONE,
    MICROS,
    Words,
    duration,
    percent_of_ppm,
    plain,
    share,
    written,
)
from policy_compiler.listed import (
    OfferListed,
    PlacementListed,
    PolicyListed,
    Rules,
    RungListed,
    SizeListed,
)

FOREVER_S = 1 << 51
LOSS_LIMIT = 1 << 24
PROJECTIONS = ("edge", "browser")
UNITS = ("visitor", "customer")
PARTS = {
    "text": "names and texts", "heap": "names and texts", "notes": "titles, creatives, rules",
    "attribute": "attributes", "break": "attributes", "word": "attributes", "zone": "time zones",
    "shift": "time zones", "constraint": "clauses", "range": "clauses", "clause": "clauses",
    "literal": "clauses", "offer": "offers", "place": "offers", "limit": "offers", "cap": "offers",
    "disclosure": "offers", "rung": "sizes and costs", "cost": "sizes and costs",
    "amount": "sizes and costs", "placement": "placements", "budget": "placements",
    "allocation": "allocations", "allocbin": "allocations", "allocarm": "allocations",
    "share": "allocations", "head": "head",
}  # fmt: skip


def list_policy(bundle: Bundle) -> PolicyListed:
    """Everything that the bundle holds, in tie order."""
    return PolicyListed(
        bundle=bundle.digest.hex(),
        tenant=bundle.tenant,
        title=bundle.notes.title,
        currency=bundle.notes.currency,
        projection=PROJECTIONS[bundle.head(t.HEAD_PROJECTION)],
        global_holdout=_holdout(bundle.head(t.HEAD_GLOBAL_SHARE), bundle.head(t.HEAD_GLOBAL_UNIT)),
        global_salt=bundle.text(bundle.head(t.HEAD_GLOBAL_SALT)),
        economics=economics(bundle),
        clocks=clocks(bundle),
        attributes=attributes(bundle),
        placements=[_placement(bundle, row) for row in range(bundle.rows["placement"])],
        offers=[_offer(bundle, row) for row in range(bundle.rows["offer"])],
        models=models(bundle),
        sizes=_sizes(bundle),
        size_bytes=bundle.size_bytes,
    )


def rules_of(bundle: Bundle) -> dict[str, Rules]:
    """Offer -> its rule trees."""
    names = [bundle.text(row) for row in bundle.tables.offer_name]
    return {
        name: Rules(
            eligible=note.eligible,
            applicable=note.applicable,
            suitable=note.suitable,
            daypart=note.daypart,
        )
        for name, note in zip(names, bundle.notes.offers, strict=True)
    }


# --- offers -------------------------------------------------------------------


def _offer(bundle: Bundle, row: int) -> OfferListed:
    tables, note = bundle.tables, bundle.notes.offers[row]
    places = _places(bundle, row)
    from_s, until_s = tables.offer_from_s[row], tables.offer_until_s[row]
    scope, budget = tables.offer_scope[row], tables.offer_budget[row]
    arms, sizes = bundle.arms(row), dict(enumerate(note.sizes))
    return OfferListed(
        id=bundle.text(tables.offer_name[row]),
        title=note.title,
        kind=note.kind,
        placements=[bundle.placement_name(place) for place in places],
        rungs=[_rung(bundle, arm - 1, sizes.get(at, {})) for at, arm in enumerate(arms)],
        paused=from_s == until_s,
        from_s=_bound(from_s),
        until_s=_bound(until_s),
        eligible=_text(note.eligible),
        applicable=_text(note.applicable),
        suitable=_text(note.suitable),
        daypart=_text(note.daypart),
        scope="" if scope < 0 else Words(bundle).attribute(scope),
        caps=_caps(bundle, row),
        redemption=_redemption(note),
        terms=_terms(bundle, row),
        alone_among=_group(bundle, row),
        budget="" if budget < 0 else bundle.notes.budgets[budget],
        texts=note.creatives,
    )


def _text(rule: Node | None) -> str:
    """The rule as written; dayparts and thresholds are made by the compiler, part by part."""
    return "" if rule is None else written(rule)


def _bound(time_s: int) -> int | None:
    return time_s if abs(time_s) < FOREVER_S else None


def _group(bundle: Bundle, row: int) -> list[str]:
    groups = bundle.tables.offer_group
    others = [o for o in range(bundle.rows["offer"]) if groups[o] == groups[row] and o != row]
    return sorted(bundle.text(bundle.tables.offer_name[o]) for o in others) if groups[row] else []


def _caps(bundle: Bundle, row: int) -> list[str]:
    tables = bundle.tables
    caps = tables.limit_cap[tables.offer_limit[row] : tables.offer_limit[row + 1]]
    return [_cap(bundle, cap) for cap in caps]


def _cap(bundle: Bundle, cap: int) -> str:
    tables = bundle.tables
    count, period_s = tables.cap_count[cap], tables.cap_period_s[cap]
    place = tables.cap_placement[cap]
    times = "once" if count == 1 else f"{count} times"
    when = f"in {duration(period_s)}" if period_s else "ever"
    where = "" if place < 0 else f" at {bundle.placement_name(place)}"
    strict = ", withheld where the count is uncertain" if tables.cap_strict[cap] else ""
    return f"shown at most {times} {when}{where}{strict}"


def _redemption(note: OfferNote) -> list[str]:
    said: list[str] = []
    if note.per_customer is not None:
        period_s = note.per_customer_period_s
        when = f" in {duration(period_s)}" if period_s else ""
        said.append(f"at most {note.per_customer} per customer{when}")
    if note.total is not None:
        said.append(f"at most {note.total:,} in all")
    if note.recheck:
        said.append(f"{', '.join(note.recheck)} checked again")
    return said


def _terms(bundle: Bundle, row: int) -> list[str]:
    tables = bundle.tables
    flags = tables.offer_flags[row]
    laws = tables.disclosure_text[tables.offer_disclosure[row] : tables.offer_disclosure[row + 1]]
    said = []
    if flags & t.TOKEN:
        said.append(f"token valid for {duration(tables.offer_expires_s[row])}")
    said.append("stacks with other offers" if flags & t.STACKABLE else "does not stack")
    if flags & t.WITHOUT_IDENTITY:
        said.append("also without consent to identity")
    said.append(f"off when the policy is older than {duration(tables.offer_max_age_s[row])}")
    if laws:
        said.append(f"price notice in {', '.join(bundle.text(text) for text in laws)}")
    return said


# --- sizes and their costs ----------------------------------------------------


def _rung(bundle: Bundle, row: int, sizes: dict[str, str]) -> RungListed:
    tables, words = bundle.tables, Words(bundle)
    expected = tables.rung_expected_cost[row]
    return RungListed(
        id=bundle.text(tables.rung_name[row]),
        costs=_costs(bundle, row),
        sizes=sizes,
        limits=_limits(bundle, row),
        depth=plain((Decimal(tables.rung_depth[row]) / DEPTH_ONE).quantize(Decimal("0.01"))),
        expected_cost=words.money(expected * bundle.head(t.HEAD_SCORE_UNIT)) if expected else "",
    )


def _costs(bundle: Bundle, row: int) -> str:
    tables, words = bundle.tables, Words(bundle)
    flags, base = tables.rung_limits[row], _base(bundle, row)
    parts = []
    if fixed := tables.rung_fixed[row]:
        parts.append(words.money(fixed))
    if rate := tables.rung_rate_ppm[row]:
        parts.append(f"{percent_of_ppm(rate)} of {base}")
    if tables.rung_cost[row] >= 0:
        parts.append(words.table(tables.rung_cost[row]))
    said = " plus ".join(parts) or "nothing"
    if flags & t.MOST:
        said += f", at most {words.money(tables.rung_most[row])}"
    if flags & t.WITHIN_BASE and (tables.rung_fixed[row] or tables.rung_cost[row] >= 0):
        said += f", at most {base}"
    if handling := tables.rung_handling[row]:
        said += f"; plus {words.money(handling)} handling"
    return said


def _base(bundle: Bundle, row: int) -> str:
    scope = bundle.tables.offer_scope[bundle.tables.rung_offer[row]]
    value = bundle.head(t.HEAD_VALUE)
    named = scope if scope >= 0 else value
    return "the order" if named < 0 else Words(bundle).attribute(named)


def _limits(bundle: Bundle, row: int) -> list[str]:
    """The guardrails, in words."""
    tables, words, flags = bundle.tables, Words(bundle), bundle.tables.rung_limits[row]
    said = {
        t.CEILING: lambda: f"never costs more than {words.money(tables.rung_ceiling[row])}",
        t.CEILING_PPM: lambda: (
            f"never costs more than {percent_of_ppm(tables.rung_ceiling_ppm[row])}"
            f" of {_base(bundle, row)}"
        ),
        t.FLOOR: lambda: f"leaves a margin of {words.money(tables.rung_floor[row])} or more",
        t.FLOOR_PPM: lambda: (
            f"leaves a margin of {percent_of_ppm(tables.rung_floor_ppm[row])} of the order or more"
        ),
    }
    return [say() for flag, say in said.items() if flags & flag]


# --- placements ---------------------------------------------------------------


def _placement(bundle: Bundle, row: int) -> PlacementListed:
    tables, note = bundle.tables, bundle.notes.placements[row]
    model = tables.placement_model[row]
    return PlacementListed(
        name=bundle.placement_name(row),
        title=note.title,
        channel=note.channel,
        slots=tables.placement_slots[row],
        rank=tables.placement_rank[row],
        box=f"{note.width} x {note.height} px" if note.width else "",
        policy=_policy(bundle, row),
        epoch_s=tables.placement_epoch_s[row],
        segment=_segment(bundle, row),
        keyed_on=UNITS[tables.placement_unit[row]],
        holdout=_holdout(tables.placement_share[row], tables.placement_share_unit[row]),
        choice_salt=bundle.text(tables.placement_salt[row]),
        holdout_salt=bundle.text(tables.placement_share_salt[row]),
        model=None if model < 0 else model,
        weights=allocations(bundle, row),
    )


def _segment(bundle: Bundle, row: int) -> str:
    allocation = bundle.tables.placement_allocation[row]
    attribute = -1 if allocation < 0 else bundle.tables.allocation_attribute[allocation]
    return "" if attribute < 0 else Words(bundle).attribute(attribute)


def _least(bundle: Bundle, row: int) -> str:
    """The floor, and what holds where so many candidates cannot all have it."""
    floor = bundle.tables.placement_floor[row]
    if not floor:
        return ""
    said = f", every candidate at least {share(floor)}"
    if floor * (CANDIDATE_LIMIT + 1) <= T:
        return said
    offered = [o for o in range(bundle.rows["offer"]) if row in _places(bundle, o)]
    most = 1 + min(sum(len(bundle.arms(offer)) for offer in offered), CANDIDATE_LIMIT)
    return said if floor * most <= T else f"{said}, or an equal part (1 of {most} if all may)"


def _places(bundle: Bundle, offer: int) -> Sequence[int]:
    tables = bundle.tables
    return tables.place_placement[tables.offer_place[offer] : tables.offer_place[offer + 1]]


def _policy(bundle: Bundle, row: int) -> str:
    tables = bundle.tables
    param, least = tables.placement_param[row], _least(bundle, row)
    if (loss := tables.placement_loss[row]) < LOSS_LIMIT:
        most = Words(bundle).money(loss * bundle.head(t.HEAD_SCORE_UNIT))
        least += f", none that is {most} worse than nothing"
    again = f", drawn anew every {duration(tables.placement_epoch_s[row])}"
    match tables.placement_policy[row]:
        case t.GREEDY:
            return "always the best"
        case t.EPSILON:
            return f"the best, but {share(param)} of the time any candidate{least}{again}"
        case t.INVERSE_GAP:
            gamma = Decimal(param * MICROS) / (GAMMA_ONE * bundle.head(t.HEAD_SCORE_UNIT))
            weight = plain(gamma.quantize(Decimal("0.001")))
            return f"the better, the more often (gamma {weight}){least}{again}"
    return f"in fixed shares{again}"


def _holdout(tickets: int, unit: int) -> str:
    return f"{share(tickets)} of {UNITS[unit]}s" if tickets else ""


# --- sizes --------------------------------------------------------------------


def _sizes(bundle: Bundle) -> list[SizeListed]:
    """Bytes of the file by what they hold, largest first."""
    found: Counter[str] = Counter()
    for name in t.COLUMNS:
        column = getattr(bundle.tables, name)
        size = column.nbytes if isinstance(column, memoryview) else 0
        found[PARTS.get(t.table_of(name), "models")] += size
    found["layout"] = bundle.size_bytes - found.total()
    return [SizeListed(part=part, size_bytes=size) for part, size in found.most_common() if size]
