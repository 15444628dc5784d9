"""From the plan to the columns of a bundle, and from there to bytes.

One function per table, in the order of `edge.decision.tables.Tables`.  Rows are
written in the plan's order, shared things (texts, constraints) once, in an order that
depends on the catalog alone: the same catalog gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from edge.decision import tables as t
from edge.decision.bundle import write_bundle
from edge.decision.hashing import T, key_of
from edge.decision.tables import Tables
from policy_compiler import zones
from policy_compiler.catalog import Attribute, Catalog, Holdout, Offer, Placement
from policy_compiler.costs import cost_of, limits_of, micros, ppm_at_most, ppm_of_percent
from policy_compiler.notes import notes_of
from policy_compiler.plan import COUNTRY, Plan, arms_at, bounds_of, operands, segments_of
from policy_compiler.scorecards import arms_of_key, bins_of, bins_of_term, quantised, responses
from policy_compiler.vocabulary import TYPES, Cells

SOURCES = {"edge": t.EDGE, "signed": t.SIGNED, "client": t.CLIENT}
UNITS = {"visitor": t.VISITOR, "customer": t.CUSTOMER}
ROUNDINGS = {"down": t.DOWN, "half_up": t.HALF_UP, "half_even": t.HALF_EVEN}
POLICIES = {
    "greedy": t.GREEDY,
    "epsilon": t.EPSILON,
    "inverse_gap": t.INVERSE_GAP,
    "allocation": t.ALLOCATION,
}
ROLES = {"base": t.BASE, "sensitivity": t.SENSITIVITY, "arm": t.ARM}
FOREVER = 1 << 52
DEPTH_ONE = 256
GAMMA_ONE = 1 << 24


class Columns:
    """Columns under construction: lists by name, list heads that close themselves."""

    def __init__(self) -> None:
        self.lists: dict[str, list[int]] = {}
        self.texts: dict[str, int] = {}
        self.heap = bytearray()

    def add(self, table: str, **values: int) -> None:
        """One row, or some of its columns."""
        for name, value in values.items():
            self.lists.setdefault(f"{table}_{name}", []).append(value)

    def head(self, column: str, target: str) -> None:
        """Close a row's list: the target column's length so far is where it ends."""
        self.lists.setdefault(column, [0]).append(len(self.lists.get(target, [])))

    def text(self, value: str) -> int:
        if value not in self.texts:
            self.texts[value] = len(self.texts)
            self.heap += value.encode()
            self.lists.setdefault("text_start", [0]).append(len(self.heap))
        return self.texts[value]


def emit(plan: Plan, projection: int = t.EDGE_PROJECTION) -> bytes:
    """The bundle's bytes.  Raises `ValueError` for a number that no column holds."""
    columns = Columns()
    columns.lists["head"] = _head(columns, plan, projection)
    rows = {name: row for row, name in enumerate(plan.attributes)}
    _attributes(columns, plan, rows)
    _clauses(columns, plan, rows)
    _offers(columns, plan, rows)
    _placements(columns, plan)
    _models(columns, plan, rows)
    _allocations(columns, plan, rows)
    for name in sorted(plan.catalog.budgets):
        columns.add("budget", key=key_of(f"budget/{name}"))
    notes = notes_of(plan)
    return write_bundle(Tables(heap=bytes(columns.heap), notes=notes, **columns.lists))


def _head(columns: Columns, plan: Plan, projection: int) -> list[int]:
    shop, names = plan.catalog.shop, list(plan.attributes)
    economics, low_high = shop.economics, zones.horizon(shop.horizon_years)
    discloses = any(offer.price_disclosure for offer in plan.offers) and COUNTRY in names
    head = {
        t.HEAD_PROJECTION: projection,
        t.HEAD_TENANT: columns.text(shop.tenant),
        t.HEAD_SCORE_UNIT: micros(shop.score_unit),
        t.HEAD_MINOR: 10 ** (6 - shop.currency.minor_digits),
        t.HEAD_ROUNDING: ROUNDINGS[shop.currency.rounding],
        t.HEAD_GLOBAL_SHARE: share(shop.global_holdout.share),
        t.HEAD_GLOBAL_UNIT: UNITS[shop.global_holdout.unit],
        t.HEAD_GLOBAL_SALT: columns.text(shop.global_holdout.salt),
        t.HEAD_VALUE: names.index(economics.order_value) if economics.order_value else -1,
        t.HEAD_VALUE_OTHERWISE: micros(economics.order_value_otherwise),
        t.HEAD_MARGIN: names.index(economics.margin) if economics.margin else -1,
        t.HEAD_MARGIN_PPM: ppm_at_most(economics.margin_percent),
        t.HEAD_HORIZON_FROM: low_high[0],
        t.HEAD_HORIZON_UNTIL: low_high[1],
        t.HEAD_COUNTRY: names.index(COUNTRY) if discloses else -1,
    }
    return [head.get(index, 0) for index in range(t.HEAD_SIZE)]


def share(value: Decimal) -> int:
    """A share between 0 and 1 as tickets out of T, to the nearest."""
    return int((value * T).to_integral_value())


def _attributes(columns: Columns, plan: Plan, rows: Mapping[str, int]) -> None:
    used_zones = sorted({z for a in plan.attributes.values() for z in _zone_names(a)})
    for name, attribute in plan.attributes.items():
        cells = plan.cells[name]
        low, high = bounds_of(attribute)
        left, right = ([rows[x] for x in operands(attribute)] + [-1, -1])[:2]
        zone = [used_zones.index(z) for z in _zone_names(attribute)]
        columns.add(
            "attribute",
            name=columns.text(name),
            type=TYPES[attribute.type],
            scale=attribute.scale,
            source=t.COMPUTED if attribute.derived else SOURCES[attribute.source],
            flags=_flags(plan, name, attribute, cells),
            low=low,
            high=high,
            op=_operation(attribute),
            left=left,
            right=right,
            zone=zone[0] if zone else -1,
        )
        columns.lists.setdefault("break_value", []).extend(cells.breaks)
        columns.lists.setdefault("word_text", []).extend(columns.text(w) for w in cells.words)
        columns.head("attribute_break", "break_value")
        columns.head("attribute_word", "word_text")
    for name in used_zones:
        for instant, offset in zones.shifts(name, *zones.horizon(plan.catalog.shop.horizon_years)):
            columns.add("shift", instant=instant, offset_s=offset)
        columns.head("zone_shift", "shift_instant")


def _zone_names(attribute: Attribute) -> list[str]:
    derived = attribute.derived
    return [z for z in (derived.hour, derived.weekday) if z] if derived else []


def _operation(attribute: Attribute) -> int:
    derived = attribute.derived
    if derived is None:
        return t.NO_OP
    given = {
        t.AGE: derived.age_s,
        t.SUM: derived.sum,
        t.DIFFERENCE: derived.difference,
        t.HOUR: derived.hour,
        t.WEEKDAY: derived.weekday,
    }
    return next(op for op, value in given.items() if value)


def _flags(plan: Plan, name: str, attribute: Attribute, cells: Cells) -> int:
    sources = [attribute, *(plan.attributes[x] for x in operands(attribute))]
    labels = {label for source in sources for label in source.labels}
    return (
        (t.PERSONAL if "personal" in labels else 0)
        | (t.CONFIDENTIAL if "confidential" in labels else 0)
        | (t.ENUMERATED if attribute.values is not None else 0)
        | (t.ORDERED if cells.ordered else 0)
        | (t.MONEY if attribute.money else 0)
    )


def _clauses(columns: Columns, plan: Plan, rows: Mapping[str, int]) -> None:
    clauses = [clause for offer in plan.offers for clause in plan.clauses[offer.id]]
    literals = sorted({literal for clause in clauses for literal in clause})
    number = {literal: row for row, literal in enumerate(literals)}
    for literal in literals:
        columns.add("constraint", attribute=rows[literal.attribute], kind=literal.kind)
        for low, high in runs(literal.mask):
            columns.add("range", low=low, high=high)
        columns.head("constraint_range", "range_low")
    for clause in clauses:
        for row in sorted(number[literal] for literal in clause):
            columns.add("literal", constraint=row)
        columns.head("clause_literal", "literal_constraint")


def runs(mask: int) -> list[tuple[int, int]]:
    """The runs of set bits, as (first, last)."""
    found, position = [], 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        length = (~mask & (mask + 1)).bit_length() - 1
        found.append((position + skip, position + skip + length - 1))
        mask >>= length
        position += skip + length
    return found


def _offers(columns: Columns, plan: Plan, rows: Mapping[str, int]) -> None:
    groups = {name: row for row, name in enumerate(sorted(plan.catalog.groups), 1)}
    budgets = {name: row for row, name in enumerate(sorted(plan.catalog.budgets))}
    places = {name: row for row, name in enumerate(plan.placements)}
    clauses = 0
    for row, offer in enumerate(plan.offers):
        start_s, until_s = window(plan.catalog, offer)
        columns.add(
            "offer",
            name=columns.text(offer.id),
            key=key_of(f"offer/{offer.id}"),
            from_s=start_s,
            until_s=until_s,
            max_age_s=offer.max_policy_age_s,
            expires_s=offer.expires_after_s,
            group=groups[offer.group] if offer.group else 0,
            flags=_offer_flags(offer),
            scope=rows[offer.scope] if offer.scope else -1,
            budget=budgets[offer.budget] if offer.budget else -1,
        )
        clauses += len(plan.clauses[offer.id])
        columns.lists.setdefault("offer_clause", [0]).append(clauses)
        for place in sorted(places[name] for name in offer.placements):
            columns.add("place", placement=place)
        columns.head("offer_place", "place_placement")
        _caps(columns, offer, places)
        for country in sorted(offer.price_disclosure):
            columns.add("disclosure", text=columns.text(country))
        columns.head("offer_disclosure", "disclosure_text")
        _rungs(columns, plan, offer, row, rows)


def _offer_flags(offer: Offer) -> int:
    allowed = offer.without_identity == "allow"
    return offer.stackable * t.STACKABLE | allowed * t.WITHOUT_IDENTITY | offer.token * t.TOKEN


def window(catalog: Catalog, offer: Offer) -> tuple[int, int]:
    """The offer's window in Unix seconds; a paused offer has an empty one."""
    if offer.paused:
        return 0, 0
    zone = offer.window.zone or catalog.shop.zone
    start, until = offer.window.start, offer.window.until
    return (
        zones.instant_of(start, zone) if start else -FOREVER,
        zones.instant_of(until, zone) if until else FOREVER,
    )


def cap_key(offer: str, index: int) -> int:
    """Caps are named by their offer and their place in its list."""
    return key_of(f"cap/{offer}/{index}")


def _caps(columns: Columns, offer: Offer, places: Mapping[str, int]) -> None:
    for index, cap in enumerate(offer.caps):
        if cap.placement is not None and cap.placement not in places:
            continue  # not in this projection; the others keep their keys
        columns.add("limit", cap=len(columns.lists.get("cap_key", [])))
        columns.add(
            "cap",
            key=cap_key(offer.id, index),
            period_s=cap.period_s,
            count=cap.count,
            placement=places[cap.placement] if cap.placement else -1,
            strict=int(cap.strict),
        )
    columns.head("offer_limit", "limit_cap")


def _rungs(columns: Columns, plan: Plan, offer: Offer, row: int, rows: Mapping[str, int]) -> None:
    unit, guards = plan.catalog.shop.score_unit, offer.guardrails
    for rung in offer.rungs:
        cost = cost_of(offer, rung)
        columns.add(
            "rung",
            name=columns.text(rung.id),
            key=key_of(f"arm/{offer.id}/{rung.id}"),
            offer=row,
            depth=int((rung.depth * DEPTH_ONE).to_integral_value()),
            limits=limits_of(cost, guards),
            fixed=cost.fixed,
            rate_ppm=cost.rate_ppm,
            most=cost.most or 0,
            cost=-1 if cost.table is None else len(columns.lists.get("cost_attribute", [])),
            ceiling=micros(guards.ceiling or Decimal(0)),
            ceiling_ppm=ppm_at_most(guards.ceiling_percent or Decimal(0)),
            floor=micros(guards.margin_floor or Decimal(0)),
            floor_ppm=ppm_of_percent(guards.margin_floor_percent or Decimal(0)),
            handling=micros(rung.fixed_cost),
            expected_cost=int(((rung.expected_cost or Decimal(0)) / unit).to_integral_value()),
        )
        if table := cost.table:
            cells, attribute = plan.cells[table.attribute], plan.attributes[table.attribute]
            bins = bins_of(attribute, cells, table.cuts, table.values)
            rest = -1 if table.otherwise is None else micros(table.otherwise)
            amounts = [micros(c) for c in (table.costs or list(table.values.values()))]
            amounts += [rest] * (max(bins) + 1 - len(amounts))
            columns.lists.setdefault("amount_micros", []).extend(amounts[b] for b in bins)
            columns.add("cost", attribute=rows[table.attribute])
            columns.head("cost_amount", "amount_micros")
    columns.head("offer_rung", "rung_key")


def _placements(columns: Columns, plan: Plan) -> None:
    models = list(plan.models)
    allocated = 0
    for name, placement in plan.placements.items():
        choice, holdout = placement.choice, placement.holdout
        allocates = choice.policy == "allocation"
        columns.add(
            "placement",
            name=columns.text(name),
            key=key_of(f"placement/{name}"),
            slots=placement.slots,
            rank=placement.rank,
            policy=POLICIES[choice.policy],
            param=_param(plan.catalog, placement),
            floor=share(choice.floor),
            loss=min(1 << 24, int(choice.explore_loss / plan.catalog.shop.score_unit)),
            unit=UNITS[choice.unit],
            salt=columns.text(choice.salt),
            epoch_s=choice.epoch_s,
            model=models.index(placement.model or ""),
            allocation=allocated if allocates else -1,
            **_holdout(columns, holdout),
        )
        allocated += allocates


def _holdout(columns: Columns, holdout: Holdout) -> dict[str, int]:
    return {
        "share": share(holdout.share),
        "share_unit": UNITS[holdout.unit],
        "share_salt": columns.text(holdout.salt),
    }


def _param(catalog: Catalog, placement: Placement) -> int:
    choice = placement.choice
    if choice.policy == "epsilon":
        return share(choice.epsilon)
    if choice.policy == "inverse_gap":
        return int((choice.gamma * catalog.shop.score_unit * GAMMA_ONE).to_integral_value())
    return 0


def _models(columns: Columns, plan: Plan, rows: Mapping[str, int]) -> None:
    unit = plan.catalog.shop.score_unit
    for model in plan.models.values():
        link = t.LOGISTIC if model.link == "logistic" else t.IDENTITY
        columns.add("model", link=link, constant=quantised(model.constant, model, unit))
        biases = {a: w for key, w in model.arms.items() for a in arms_of_key(key, plan.arms)}
        for arm in sorted(biases):
            columns.add("bias", arm=arm, weight=quantised(biases[arm], model, unit))
        columns.head("model_bias", "bias_arm")
        for term in model.terms:
            left, right = bins_of_term(term, plan.attributes, plan.cells)
            columns.add(
                "term",
                role=ROLES[term.role],
                left=rows[term.attribute],
                right=rows[term.cross] if term.cross else -1,
                width=max(right, default=0) + 1,
            )
            columns.lists.setdefault("leftbin_bin", []).extend(left)
            columns.lists.setdefault("rightbin_bin", []).extend(right)
            columns.head("term_left_bin", "leftbin_bin")
            columns.head("term_right_bin", "rightbin_bin")
            named = {a: w for k, w in term.arms.items() for a in arms_of_key(k, plan.arms)}
            by_arm = named if term.role == "arm" else {0: term.weights}
            for arm in sorted(by_arm):
                columns.add("row", arm=arm)
                weights = [quantised(w, model, unit) for w in by_arm[arm]]
                columns.lists.setdefault("weight_value", []).extend(weights)
                columns.head("row_weight", "weight_value")
            columns.head("term_row", "row_arm")
        columns.head("model_term", "term_role")
    if any(model.link == "logistic" for model in plan.models.values()):
        columns.lists["response"] = responses()


def _allocations(columns: Columns, plan: Plan, rows: Mapping[str, int]) -> None:
    for name, placement in plan.placements.items():
        choice = placement.choice
        if choice.policy != "allocation":
            continue
        segments = segments_of(plan, placement)
        arms = [0, *(plan.arms[arm] for arm in arms_at(plan, name))]
        columns.add("allocation", attribute=rows[choice.segment] if choice.segment else -1)
        columns.lists.setdefault("allocbin_row", []).extend(_segment_rows(plan, placement))
        columns.head("allocation_bin", "allocbin_row")
        columns.lists.setdefault("allocarm_arm", []).extend(arms)
        columns.head("allocation_arm", "allocarm_arm")
        names = ["none", *arms_at(plan, name)]
        for segment in (*segments, "*"):
            weights = _weights(choice.allocation, segment, names)
            columns.lists.setdefault("share_weight", []).extend(weights)
        columns.head("allocation_share", "share_weight")


def _segment_rows(plan: Plan, placement: Placement) -> list[int]:
    segment = placement.choice.segment
    if segment is None:
        return [0]
    rest = len(segments_of(plan, placement))
    cells = plan.cells[segment]
    own = {}
    for row, value in enumerate(segments_of(plan, placement)):
        own[row if cells.type == t.BOOL else cells.word(value).bit_length() - 1] = row
    return [own.get(cell, rest) for cell in range(cells.count)] + [rest]


def _weights(
    allocation: Mapping[str, Mapping[str, int]] | None, segment: str, names: Sequence[str]
) -> list[int]:
    """Weights of a segment's row; without an allocation every arm weighs the same."""
    if allocation is None:
        return [1] * len(names)
    row = allocation.get(segment, allocation.get("*", {}))
    return [row.get(name, 0) for name in names]
