"""What must hold between the columns of a bundle, beyond each column's own kind.

Every check is one function with one sentence; `check_meaning` runs them in
order.  Together with the column kinds they guarantee that a decision over any
well-formed request neither fails nor reads outside a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise, repeat
from operator import le, lt, ne, sub

from . import tables as t
from .bounds import integers_stay_exact
from .errors import BundleError
from .tables import Ints, Tables, cell_count


def check_meaning(tables: Tables, rows: dict[str, int]) -> None:
    """Raise `BundleError` at the first thing that does not hold."""
    for check in CHECKS:
        if problem := check(tables, rows):
            raise BundleError("MEANING", problem)


Problem = str | None


def texts_are_utf8(tables: Tables, rows: dict[str, int]) -> Problem:
    starts = tables.text_start
    if bytes(tables.heap).isascii():
        return None
    try:
        for low, high in pairwise(starts):
            bytes(tables.heap[low:high]).decode()
    except UnicodeDecodeError as error:
        return f"text at {error.start} is not UTF-8"
    return None


def the_head_is_complete(tables: Tables, rows: dict[str, int]) -> Problem:
    head = tables.head
    if len(head) != t.HEAD_SIZE:
        return f"head has {len(head)} numbers, not {t.HEAD_SIZE}"
    bounds = {
        t.HEAD_PROJECTION: (0, 1),
        t.HEAD_TENANT: (0, rows["text"] - 1),
        t.HEAD_SCORE_UNIT: (1, 10**9),
        t.HEAD_MINOR: (1, 10**6),
        t.HEAD_ROUNDING: (0, 2),
        t.HEAD_GLOBAL_SHARE: (0, 1 << 20),
        t.HEAD_GLOBAL_UNIT: (0, 1),
        t.HEAD_GLOBAL_SALT: (0, rows["text"] - 1),
        t.HEAD_VALUE: (-1, rows["attribute"] - 1),
        t.HEAD_VALUE_OTHERWISE: (0, t.SAFE - 1),
        t.HEAD_MARGIN: (-1, rows["attribute"] - 1),
        t.HEAD_MARGIN_PPM: (0, 1 << 20),
        t.HEAD_COUNTRY: (-1, rows["attribute"] - 1),
    }
    bad = [i for i, (low, high) in bounds.items() if not low <= head[i] <= high]
    return f"head[{bad[0]}] is {head[bad[0]]}" if bad else None


def words_of_chance_have_no_control_bytes(tables: Tables, rows: dict[str, int]) -> Problem:
    used = {tables.head[t.HEAD_TENANT], tables.head[t.HEAD_GLOBAL_SALT]}
    for column in (tables.placement_name, tables.placement_share_salt, tables.placement_salt):
        used.update(column)
    starts = tables.text_start
    for row in used:
        text = bytes(tables.heap[starts[row] : starts[row + 1]])
        if not text or min(text) < 0x20:
            return f"text {row} is part of a word and is empty or holds a control byte"
    return None


def breakpoints_and_words_ascend(tables: Tables, rows: dict[str, int]) -> Problem:
    starts = tables.text_start
    for row in range(rows["attribute"]):
        numbers = _slice(tables.attribute_break, row, tables.break_value)
        texts = [
            bytes(tables.heap[starts[w] : starts[w + 1]])
            for w in _slice(tables.attribute_word, row, tables.word_text)
        ]
        if not (_strictly_ascending(numbers) and _strictly_ascending(texts)):
            return f"attribute {row}: breakpoints or words do not ascend"
        if cell_count(tables, row) > 65535:
            return f"attribute {row} has more than 65535 cells"
    return None


def derived_attributes_read_plain_numbers(tables: Tables, rows: dict[str, int]) -> Problem:
    for row, op in enumerate(tables.attribute_op):
        left, right = tables.attribute_left[row], tables.attribute_right[row]
        needs = {t.AGE: [left], t.SUM: [left, right], t.DIFFERENCE: [left, right]}.get(op, [])
        numbers = (t.TIMESTAMP,) if op == t.AGE else (t.INT, t.DECIMAL)
        for operand in needs:
            if operand < 0 or tables.attribute_op[operand] != t.NO_OP:
                return f"attribute {row} derives from {operand}, which is no plain attribute"
            if tables.attribute_type[operand] not in numbers:
                return f"attribute {row} derives from {operand}, which has the wrong type"
        if op in (t.HOUR, t.WEEKDAY) and tables.attribute_zone[row] < 0:
            return f"attribute {row} needs a zone"
        if op != t.NO_OP and tables.attribute_type[row] not in (t.INT, t.DECIMAL):
            return f"attribute {row} is derived and no number"
    return None


def booleans_are_0_or_1(tables: Tables, rows: dict[str, int]) -> Problem:
    for row, kind in enumerate(tables.attribute_type):
        bounds = tables.attribute_low[row], tables.attribute_high[row]
        if kind == t.BOOL and not 0 <= bounds[0] <= bounds[1] <= 1:
            return f"attribute {row} is a boolean from {bounds[0]} to {bounds[1]}"
    return None


def zones_ascend(tables: Tables, rows: dict[str, int]) -> Problem:
    for zone in range(rows["zone"]):
        if not _strictly_ascending(_slice(tables.zone_shift, zone, tables.shift_instant)):
            return f"zone {zone}: instants do not ascend"
    return None


def constraints_fit_their_attribute(tables: Tables, rows: dict[str, int]) -> Problem:
    limits = [_constraint_limit(tables, a) for a in range(rows["attribute"])]
    if not all(map(le, tables.range_low, tables.range_high)):
        return "a range ends before it begins"
    for row, attribute in enumerate(tables.constraint_attribute):
        kind = tables.constraint_kind[row]
        is_set = tables.attribute_type[attribute] == t.SET
        if (kind in (t.ANY_OF, t.NONE_OF) and not is_set) or (kind == t.CELLS and is_set):
            return f"constraint {row} has kind {kind} on attribute {attribute}"
        highs = _slice(tables.constraint_range, row, tables.range_high)
        if max(highs, default=-1) >= limits[attribute]:
            return f"constraint {row} has a range outside attribute {attribute}"
    return None


def _constraint_limit(tables: Tables, attribute: int) -> int:
    if tables.attribute_type[attribute] == t.SET:
        return tables.attribute_word[attribute + 1] - tables.attribute_word[attribute]
    return cell_count(tables, attribute)


def rungs_belong_to_their_offers(tables: Tables, rows: dict[str, int]) -> Problem:
    starts = tables.offer_rung
    counts = list(map(sub, starts[1:], starts))
    owners = list(chain.from_iterable(map(repeat, range(rows["offer"]), counts)))
    if 0 in counts or owners != list(tables.rung_offer):
        return "there is an offer that does not own its rungs, or has none"
    return None


def money_is_counted_in_numbers(tables: Tables, rows: dict[str, int]) -> Problem:
    for row in [tables.head[t.HEAD_VALUE], tables.head[t.HEAD_MARGIN], *tables.offer_scope]:
        if row >= 0 and tables.attribute_type[row] != t.DECIMAL:
            return f"attribute {row} is used as money and is no decimal"
    return None


def cost_tables_have_an_amount_per_cell(tables: Tables, rows: dict[str, int]) -> Problem:
    for row, attribute in enumerate(tables.cost_attribute):
        amounts = _slice(tables.cost_amount, row, tables.amount_micros)
        cells = cell_count(tables, attribute)
        if tables.attribute_type[attribute] == t.SET or len(amounts) != cells + 1:
            return f"cost table {row} has {len(amounts)} amounts for {cells} cells and no value"
    return None


def terms_have_a_weight_per_bin(tables: Tables, rows: dict[str, int]) -> Problem:
    for row in range(rows["term"]):
        left, right = tables.term_left[row], tables.term_right[row]
        left_bins = _slice(tables.term_left_bin, row, tables.leftbin_bin)
        right_bins = _slice(tables.term_right_bin, row, tables.rightbin_bin)
        width = tables.term_width[row]
        if not _bins_fit(tables, left, left_bins) or (
            right >= 0 and not _bins_fit(tables, right, right_bins)
        ):
            return f"term {row} does not have a bin per cell"
        if (right < 0 and (len(right_bins) or width != 1)) or max(right_bins, default=0) >= width:
            return f"term {row} has a right bin outside its width"
        size = (max(left_bins) + 1) * width
        arms = _slice(tables.term_row, row, tables.row_arm)
        if not _strictly_ascending(arms) or max(arms, default=0) > rows["rung"]:
            return f"term {row} has rows for unknown arms"
        if tables.term_role[row] != t.ARM and list(arms) != [0]:
            return f"term {row} is shared and needs exactly one row, of arm 0"
        first, last = tables.term_row[row], tables.term_row[row + 1]
        starts = tables.row_weight[first : last + 1]
        if any(map(ne, starts, range(starts[0], starts[0] + size * (last - first) + 1, size))):
            return f"term {row} does not have {size} weights in each row"
    return None


def _bins_fit(tables: Tables, attribute: int, bins: Ints) -> bool:
    return (
        tables.attribute_type[attribute] != t.SET and len(bins) == cell_count(tables, attribute) + 1
    )


def models_know_their_arms(tables: Tables, rows: dict[str, int]) -> Problem:
    for row in range(rows["model"]):
        arms = _slice(tables.model_bias, row, tables.bias_arm)
        if not _strictly_ascending(arms) or max(arms, default=0) > rows["rung"]:
            return f"model {row} has constants for unknown arms"
    logistic = any(link == t.LOGISTIC for link in tables.model_link)
    if len(tables.response) != (1024 if logistic else 0):
        return f"{len(tables.response)} responses"
    return None


def allocations_have_a_share_per_arm(tables: Tables, rows: dict[str, int]) -> Problem:
    for row, attribute in enumerate(tables.allocation_attribute):
        bins = _slice(tables.allocation_bin, row, tables.allocbin_row)
        if (attribute >= 0 and not _bins_fit(tables, attribute, bins)) or (
            attribute < 0 and list(bins) != [0]
        ):
            return f"allocation {row} does not have a row per cell"
        arms = _slice(tables.allocation_arm, row, tables.allocarm_arm)
        if not _strictly_ascending(arms) or max(arms, default=0) > rows["rung"]:
            return f"allocation {row} names unknown arms"
        shares = _slice(tables.allocation_share, row, tables.share_weight)
        if len(shares) != (max(bins) + 1) * len(arms):
            return f"allocation {row} has {len(shares)} shares"
    return None


def placements_have_what_their_policy_reads(tables: Tables, rows: dict[str, int]) -> Problem:
    for row, policy in enumerate(tables.placement_policy):
        if policy == t.ALLOCATION and tables.placement_allocation[row] < 0:
            return f"placement {row} has no allocation"
    return None


def keys_name_one_thing(tables: Tables, rows: dict[str, int]) -> Problem:
    for column in (
        tables.offer_key,
        tables.rung_key,
        tables.placement_key,
        tables.cap_key,
        tables.budget_key,
    ):
        if len(set(column)) != len(column):
            return "two objects of one kind share a key"
    return None


def _slice(starts: Ints, row: int, values: Ints) -> Ints:
    return values[starts[row] : starts[row + 1]]


def _strictly_ascending(values: Sequence) -> bool:
    return all(map(lt, values, values[1:]))


CHECKS: tuple[Callable[[Tables, dict[str, int]], Problem], ...] = (
    texts_are_utf8,
    the_head_is_complete,
    words_of_chance_have_no_control_bytes,
    breakpoints_and_words_ascend,
    booleans_are_0_or_1,
    derived_attributes_read_plain_numbers,
    zones_ascend,
    constraints_fit_their_attribute,
    rungs_belong_to_their_offers,
    money_is_counted_in_numbers,
    cost_tables_have_an_amount_per_cell,
    terms_have_a_weight_per_bin,
    models_know_their_arms,
    allocations_have_a_share_per_arm,
    placements_have_what_their_policy_reads,
    keys_name_one_thing,
    integers_stay_exact,
)
