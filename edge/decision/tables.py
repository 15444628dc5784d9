"""The columns of a bundle, and how they are read.

`Tables` is the drawing: a field per column, in order of section id, with its
kind.  Columns form tables (`offer_key`, `offer_group`, ... are the table
`offer`), and tables point at each other by row number.  There are five kinds
of column:

    plain    a number within stated bounds
    ref      row of another table
    maybe    row of another table, or -1
    start    list heads: one entry more than the table has rows, ascending from
             0 to the length of the other table; row i owns [start[i], start[i+1])
    blob     bytes: the text heap, or MessagePack that only hosts and
             explanations read; a decision never does

How the tables are read:

* An **attribute** value falls into a *cell*.  bool: 0, 1.  Numbers and
  timestamps: how many of its breakpoints are <= the value.  Strings: the row of
  the value among its words, or one last cell for any other string; if flag
  ORDERED is set, 2i+1 for the i-th word and 2i for strings between words (so
  that a prefix is a run of cells).  Sets have no cell but a mask of words.
* A **constraint** accepts cells of one attribute (kind CELLS: ranges of cells;
  ANY_OF / NONE_OF: ranges of words of a set; PRESENT; ABSENT).  A **clause** is
  a conjunction of constraints, an **offer** is eligible if any of its clauses
  holds.
* **Arms**: 0 is "none", arm i > 0 is row i-1 of `rung`.  Rows are in tie order.
* A **model** is a sum of weights; a **term** finds its weight through the bins
  of one or two attributes.  Bin tables have one entry per cell and a last one
  for an attribute without value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, get_type_hints

from msgspec import Struct

SAFE = 1 << 53

BOOL, INT, DECIMAL, STRING, SET, TIMESTAMP = range(6)
EDGE, SIGNED, CLIENT, COMPUTED = range(4)
NO_OP, AGE, SUM, DIFFERENCE, HOUR, WEEKDAY = range(6)
PERSONAL, CONFIDENTIAL, ENUMERATED, ORDERED, MONEY = 1, 2, 4, 8, 16
CELLS, ANY_OF, NONE_OF, PRESENT, ABSENT = range(5)
STACKABLE, WITHOUT_IDENTITY, TOKEN = 1, 2, 4
CEILING, CEILING_PPM, FLOOR, FLOOR_PPM, MOST, WITHIN_BASE = 1, 2, 4, 8, 16, 32
GREEDY, EPSILON, INVERSE_GAP, ALLOCATION = range(4)
VISITOR, CUSTOMER = range(2)
IDENTITY, LOGISTIC = range(2)
BASE, SENSITIVITY, ARM = range(3)
DOWN, HALF_UP, HALF_EVEN = range(3)
EDGE_PROJECTION, BROWSER_PROJECTION = range(2)

(
    HEAD_PROJECTION,
    HEAD_TENANT,  # text
    HEAD_SCORE_UNIT,  # micros
    HEAD_MINOR,  # micros of the currency's minor unit
    HEAD_ROUNDING,
    HEAD_GLOBAL_SHARE,
    HEAD_GLOBAL_UNIT,
    HEAD_GLOBAL_SALT,  # text
    HEAD_VALUE,  # attribute with the order value, or -1
    HEAD_VALUE_OTHERWISE,  # micros, while that is absent
    HEAD_MARGIN,  # attribute with the cart's margin, or -1
    HEAD_MARGIN_PPM,  # of the order value, while that is absent
    HEAD_HORIZON_FROM,
    HEAD_HORIZON_UNTIL,
    HEAD_COUNTRY,  # attribute that price disclosure reads, or -1
    HEAD_SIZE,
) = range(16)

Ints = Sequence[int]


class Kind(Struct, frozen=True):
    """How a column is checked: see the module's text."""

    name: str
    target: str = ""
    low: int = -SAFE + 1
    high: int = SAFE - 1


def plain(low: int = 0, high: int = SAFE - 1) -> Kind:
    return Kind("plain", low=low, high=high)


def ref(table: str) -> Kind:
    return Kind("ref", table)


def maybe(table: str) -> Kind:
    return Kind("maybe", table)


def start(table: str) -> Kind:
    return Kind("start", table)


BLOB = Kind("blob", low=0, high=255)
U32 = plain(0, (1 << 32) - 1)
TICKETS = plain(0, 1 << 20)
MONEY_MICROS = plain(-SAFE + 1)
Q24 = plain(-(1 << 24), 1 << 24)


class Tables(Struct, kw_only=True):
    """Every column, in order of section id (the first is 1)."""

    head: Annotated[Ints, plain(-SAFE + 1)] = ()
    heap: Annotated[Ints, BLOB] = b""
    text_start: Annotated[Ints, start("heap")] = (0,)

    attribute_name: Annotated[Ints, ref("text")] = ()
    attribute_type: Annotated[Ints, plain(0, 5)] = ()
    attribute_scale: Annotated[Ints, plain(0, 6)] = ()
    attribute_source: Annotated[Ints, plain(0, 3)] = ()
    attribute_flags: Annotated[Ints, plain(0, 31)] = ()
    attribute_low: Annotated[Ints, plain(-SAFE + 1)] = ()
    attribute_high: Annotated[Ints, plain(-SAFE + 1)] = ()
    attribute_op: Annotated[Ints, plain(0, 5)] = ()
    attribute_left: Annotated[Ints, maybe("attribute")] = ()
    attribute_right: Annotated[Ints, maybe("attribute")] = ()
    attribute_zone: Annotated[Ints, maybe("zone")] = ()
    attribute_break: Annotated[Ints, start("break")] = (0,)
    attribute_word: Annotated[Ints, start("word")] = (0,)
    break_value: Annotated[Ints, plain(-SAFE + 1)] = ()
    word_text: Annotated[Ints, ref("text")] = ()
    zone_shift: Annotated[Ints, start("shift")] = (0,)
    shift_instant: Annotated[Ints, plain(-SAFE + 1)] = ()
    shift_offset_s: Annotated[Ints, plain(-86400, 86400)] = ()

    constraint_attribute: Annotated[Ints, ref("attribute")] = ()
    constraint_kind: Annotated[Ints, plain(0, 4)] = ()
    constraint_range: Annotated[Ints, start("range")] = (0,)
    range_low: Annotated[Ints, plain(0, 65535)] = ()
    range_high: Annotated[Ints, plain(0, 65535)] = ()
    clause_literal: Annotated[Ints, start("literal")] = (0,)
    literal_constraint: Annotated[Ints, ref("constraint")] = ()

    offer_name: Annotated[Ints, ref("text")] = ()
    offer_key: Annotated[Ints, U32] = ()
    offer_clause: Annotated[Ints, start("clause")] = (0,)
    offer_rung: Annotated[Ints, start("rung")] = (0,)
    offer_place: Annotated[Ints, start("place")] = (0,)
    offer_limit: Annotated[Ints, start("limit")] = (0,)
    offer_disclosure: Annotated[Ints, start("disclosure")] = (0,)
    offer_from_s: Annotated[Ints, plain(-SAFE + 1)] = ()
    offer_until_s: Annotated[Ints, plain(-SAFE + 1)] = ()
    offer_max_age_s: Annotated[Ints, U32] = ()
    offer_expires_s: Annotated[Ints, U32] = ()
    offer_group: Annotated[Ints, plain(0, 65535)] = ()
    offer_flags: Annotated[Ints, plain(0, 7)] = ()
    offer_scope: Annotated[Ints, maybe("attribute")] = ()
    offer_budget: Annotated[Ints, maybe("budget")] = ()
    place_placement: Annotated[Ints, ref("placement")] = ()
    limit_cap: Annotated[Ints, ref("cap")] = ()
    disclosure_text: Annotated[Ints, ref("text")] = ()
    cap_key: Annotated[Ints, U32] = ()
    cap_period_s: Annotated[Ints, U32] = ()
    cap_count: Annotated[Ints, plain(0, 65535)] = ()
    cap_placement: Annotated[Ints, maybe("placement")] = ()
    cap_strict: Annotated[Ints, plain(0, 1)] = ()

    rung_name: Annotated[Ints, ref("text")] = ()
    rung_key: Annotated[Ints, U32] = ()
    rung_offer: Annotated[Ints, ref("offer")] = ()
    rung_depth: Annotated[Ints, plain(-65536, 65536)] = ()
    rung_limits: Annotated[Ints, plain(0, 63)] = ()
    rung_fixed: Annotated[Ints, MONEY_MICROS] = ()
    rung_rate_ppm: Annotated[Ints, plain(0, 1 << 20)] = ()
    rung_most: Annotated[Ints, MONEY_MICROS] = ()
    rung_cost: Annotated[Ints, maybe("cost")] = ()
    rung_ceiling: Annotated[Ints, MONEY_MICROS] = ()
    rung_ceiling_ppm: Annotated[Ints, plain(0, 1 << 20)] = ()
    rung_floor: Annotated[Ints, MONEY_MICROS] = ()
    rung_floor_ppm: Annotated[Ints, plain(0, 1 << 20)] = ()
    rung_handling: Annotated[Ints, MONEY_MICROS] = ()
    rung_expected_cost: Annotated[Ints, plain(0, 1 << 24)] = ()
    cost_attribute: Annotated[Ints, ref("attribute")] = ()
    cost_amount: Annotated[Ints, start("amount")] = (0,)
    amount_micros: Annotated[Ints, plain(-1)] = ()

    placement_name: Annotated[Ints, ref("text")] = ()
    placement_key: Annotated[Ints, U32] = ()
    placement_slots: Annotated[Ints, plain(1, 16)] = ()
    placement_rank: Annotated[Ints, plain(0, 65535)] = ()
    placement_policy: Annotated[Ints, plain(0, 3)] = ()
    placement_param: Annotated[Ints, plain(0, 1 << 20)] = ()
    placement_floor: Annotated[Ints, TICKETS] = ()
    placement_loss: Annotated[Ints, plain(0, 1 << 24)] = ()
    placement_share: Annotated[Ints, TICKETS] = ()
    placement_share_unit: Annotated[Ints, plain(0, 1)] = ()
    placement_share_salt: Annotated[Ints, ref("text")] = ()
    placement_unit: Annotated[Ints, plain(0, 1)] = ()
    placement_salt: Annotated[Ints, ref("text")] = ()
    placement_epoch_s: Annotated[Ints, plain(1, (1 << 32) - 1)] = ()
    placement_model: Annotated[Ints, maybe("model")] = ()
    placement_allocation: Annotated[Ints, maybe("allocation")] = ()

    model_link: Annotated[Ints, plain(0, 1)] = ()
    model_constant: Annotated[Ints, Q24] = ()
    model_bias: Annotated[Ints, start("bias")] = (0,)
    model_term: Annotated[Ints, start("term")] = (0,)
    bias_arm: Annotated[Ints, plain(1)] = ()
    bias_weight: Annotated[Ints, Q24] = ()
    term_role: Annotated[Ints, plain(0, 2)] = ()
    term_left: Annotated[Ints, ref("attribute")] = ()
    term_right: Annotated[Ints, maybe("attribute")] = ()
    term_left_bin: Annotated[Ints, start("leftbin")] = (0,)
    term_right_bin: Annotated[Ints, start("rightbin")] = (0,)
    term_width: Annotated[Ints, plain(1, 1025)] = ()
    term_row: Annotated[Ints, start("row")] = (0,)
    leftbin_bin: Annotated[Ints, plain(0, 1024)] = ()
    rightbin_bin: Annotated[Ints, plain(0, 1024)] = ()
    row_arm: Annotated[Ints, plain(0)] = ()
    row_weight: Annotated[Ints, start("weight")] = (0,)
    weight_value: Annotated[Ints, Q24] = ()
    response: Annotated[Ints, plain(0, 65535)] = ()

    allocation_attribute: Annotated[Ints, maybe("attribute")] = ()
    allocation_bin: Annotated[Ints, start("allocbin")] = (0,)
    allocation_arm: Annotated[Ints, start("allocarm")] = (0,)
    allocation_share: Annotated[Ints, start("share")] = (0,)
    allocbin_row: Annotated[Ints, plain(0, 1024)] = ()
    allocarm_arm: Annotated[Ints, plain(0)] = ()
    share_weight: Annotated[Ints, plain(0, 1 << 20)] = ()
    budget_key: Annotated[Ints, U32] = ()

    notes: Annotated[Ints, BLOB] = b""
    """MessagePack `Notes`: titles, creatives, rule trees, provenance."""


def _columns() -> dict[str, Kind]:
    hints = get_type_hints(Tables, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in Tables.__struct_fields__}


COLUMNS = _columns()


def cell_count(tables: Tables, attribute: int) -> int:
    kind = tables.attribute_type[attribute]
    if kind in (BOOL, SET):
        return 2 if kind == BOOL else 0
    if kind == STRING:
        words = tables.attribute_word[attribute + 1] - tables.attribute_word[attribute]
        ordered = tables.attribute_flags[attribute] & ORDERED
        return 2 * words + 1 if ordered else words + 1
    return tables.attribute_break[attribute + 1] - tables.attribute_break[attribute] + 1


def table_of(column: str) -> str:
    """The table a column belongs to: the part of its name before the first `_`."""
    return column.split("_", 1)[0]
