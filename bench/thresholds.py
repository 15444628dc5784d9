"""A policy of the benchmark in which every offer has a threshold of its own on one attribute.

    thresholds(10_000, requests=170)   -> Workload

The policy of `workload(10_000)` whose offer i also wants `count.c4 >= i + 1`, and visitors
with any `count.c4` from 0 to 10,000: nearly every one falls into a cell that nobody fell
into before.  A catalog may have 1,024 cells per attribute, the format 65,535; so this is
written into the tables: what is measured is the kernel where what it remembers is no help.
"""

from __future__ import annotations

from random import Random

import msgspec
from msgspec import structs

from bench.plain import Constraint, Policy
from bench.workload import Workload, workload
from edge.decision import tables as t
from edge.decision.bundle import open_bundle, write_bundle
from edge.decision.tables import COLUMNS, Tables

ATTRIBUTE = "count.c4"
"""The scorecard does not read it."""
Columns = dict[str, list[int]]


def thresholds(offers: int, *, requests: int) -> Workload:
    load = workload(offers, requests=requests)
    bundle = open_bundle(load.bundle)
    columns = {name: list(getattr(bundle.tables, name)) for name in COLUMNS}
    _add(columns, bundle.attribute_rows[ATTRIBUTE], offers)
    blobs = {name: bytes(columns.pop(name)) for name in ("heap", "notes")}
    random = Random(3)
    return Workload(
        offers=offers,
        bundle=write_bundle(Tables(**columns, **blobs)),
        policy=_plain(load.policy),
        requests=tuple(_moved(text, random.randint(0, offers)) for text in load.requests),
    )


def _add(columns: Columns, row: int, offers: int) -> None:
    """Breakpoints 1 to `offers`, so that a value is its cell; and a constraint per offer."""
    starts = columns["attribute_break"]
    old = columns["break_value"][starts[row] : starts[row + 1]]
    columns["break_value"][starts[row] : starts[row + 1]] = range(1, offers + 1)
    for later in range(row + 1, len(starts)):
        starts[later] += offers - len(old)
    columns["attribute_high"][row] = offers
    _renumber(columns, row, old, offers)
    first = len(columns["constraint_kind"])
    columns["constraint_attribute"] += [row] * offers
    columns["constraint_kind"] += [t.CELLS] * offers
    columns["range_low"] += range(1, offers + 1)
    columns["range_high"] += [offers] * offers
    last = columns["constraint_range"][-1]
    columns["constraint_range"] += range(last + 1, last + offers + 1)
    _add_literals(columns, first)


def _renumber(columns: Columns, row: int, old: list[int], last: int) -> None:
    """The cells of the constraints that were there."""
    for constraint, attribute in enumerate(columns["constraint_attribute"]):
        if attribute != row:
            continue
        starts = columns["constraint_range"]
        for i in range(starts[constraint], starts[constraint + 1]):
            low, high = columns["range_low"][i], columns["range_high"][i]
            columns["range_low"][i] = old[low - 1] if low else 0
            columns["range_high"][i] = old[high] - 1 if high < len(old) else last


def _add_literals(columns: Columns, first: int) -> None:
    """To every clause of offer i the constraint `first` + i."""
    heads, old = columns["clause_literal"], columns["literal_constraint"]
    literals: list[int] = []
    new_heads = [0]
    clauses = columns["offer_clause"]
    for offer in range(len(clauses) - 1):
        for clause in range(clauses[offer], clauses[offer + 1]):
            literals += [*old[heads[clause] : heads[clause + 1]], first + offer]
            new_heads.append(len(literals))
    columns["clause_literal"], columns["literal_constraint"] = new_heads, literals


def _plain(policy: Policy) -> Policy:
    offers = [
        structs.replace(
            offer,
            rule=[*offer.rule, Constraint(attribute=ATTRIBUTE, test=">=", values=[row + 1])],
        )
        for row, offer in enumerate(policy.offers)
    ]
    return structs.replace(policy, offers=offers)


def _moved(text: bytes, value: int) -> bytes:
    request = msgspec.json.decode(text)
    request["attributes"][ATTRIBUTE] = value
    return msgspec.json.encode(request)
