"""What an arm is worth for this cart, compared with showing nothing.

Scores are integers in the bundle's score unit (`HEAD_SCORE_UNIT` micros), at most
2^24 in size; showing nothing scores 0.

A model is an additive scorecard.  Its sum for an arm is

    constant + base terms + (sensitivity terms * depth of the rung) // 256
             + the arm's constant + arm terms

and for nothing just constant + base terms.  Link `identity`: the sum, without what
nothing has too, is the score, minus the budget multiplier times the rung's expected
cost.  Link `logistic`: the sum is a logit in 1/64 steps; a table of 1,024 entries
turns it into a probability in 1/65536, and

    score = (p(arm) * (margin - incentive - handling) - p(none) * margin) >> 16
          - (multiplier * min((p(arm) * incentive) >> 16, 2^24)) >> 16

all money in score units.  Every shift floors.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from . import tables as t
from .guardrails import Cart
from .situation import Situation, bin_at
from .tables import Ints, Tables

if TYPE_CHECKING:
    from .bundle import Bundle

SCORE_LIMIT = 1 << 24


class Shared(Struct, frozen=True):
    """What a model says of this situation whatever the arm: its sum for showing nothing,
    and what a unit of depth is worth.
    """

    none: int
    sensitivity: int


def score(
    bundle: Bundle, situation: Situation, cart: Cart, model: int, arm: int, incentive: int,
    multiplier: int,
) -> int:  # fmt: skip
    """Score of an arm; `incentive` in micros, `multiplier` Q16.  Without a model: 0."""
    if model < 0:
        return 0
    shared = shared_by_arms(bundle.tables, situation, model)
    own = deviation(bundle.tables, situation, model, arm)
    return worth(bundle.tables, cart, model, arm, shared, own, incentive, multiplier)


def worth(
    tables: Tables, cart: Cart, model: int, arm: int, shared: Shared, own: int, incentive: int,
    multiplier: int,
) -> int:  # fmt: skip
    """The same, from the model's sums: the shared ones, and the arm's deviation `own`."""
    own += shared.sensitivity * tables.rung_depth[arm - 1] >> 8
    if tables.model_link[model] == t.IDENTITY:
        return clamp(own - (multiplier * tables.rung_expected_cost[arm - 1] >> 16))
    unit, margin = tables.head[t.HEAD_SCORE_UNIT], cart.margin or 0
    return economics_of(tables, margin // unit, shared.none)(
        own, incentive // unit, tables.rung_handling[arm - 1] // unit, multiplier
    )


def economics_of(tables: Tables, margin: int, none: int) -> Callable[[int, int, int, int], int]:
    """The score of link `logistic` for one cart: of what an arm adds to the logit, its cost,
    its handling and its multiplier.  Money in score units.
    """
    responses = tables.response
    without = response(tables, none) * margin

    def economics(own: int, cost: int, handling: int, multiplier: int) -> int:
        logit = none + own + 512
        p_arm = responses[0 if logit < 0 else 1023 if logit > 1023 else logit]
        value = (p_arm * (margin - cost - handling) - without) >> 16
        if multiplier:
            value -= multiplier * min(p_arm * cost >> 16, SCORE_LIMIT) >> 16
        return value if -SCORE_LIMIT <= value <= SCORE_LIMIT else clamp(value)

    return economics


def response(tables: Tables, logit: int) -> int:
    """Response probability in 1/65536 for a logit in 1/64 steps."""
    at = logit + 512
    return tables.response[0 if at < 0 else 1023 if at > 1023 else at]


def shared_by_arms(tables: Tables, situation: Situation, model: int) -> Shared:
    base = _shared_terms(tables, situation, model, t.BASE)
    sensitivity = _shared_terms(tables, situation, model, t.SENSITIVITY)
    return Shared(tables.model_constant[model] + base, sensitivity)


def _shared_terms(tables: Tables, situation: Situation, model: int, role: int) -> int:
    terms = [x for x in terms_of(tables, model) if tables.term_role[x] == role]
    return sum(weight(tables, situation, x, 0) for x in terms)


def deviation(tables: Tables, situation: Situation, model: int, arm: int) -> int:
    """The arm's constant and its own terms."""
    roles = tables.term_role
    terms = [x for x in terms_of(tables, model) if roles[x] == t.ARM]
    own = sum(weight(tables, situation, x, arm) for x in terms)
    return bias(tables, model, arm) + own


def terms_of(tables: Tables, model: int) -> range:
    return range(tables.model_term[model], tables.model_term[model + 1])


def bias(tables: Tables, model: int, arm: int) -> int:
    """The arm's constant in this model, 0 if it has none."""
    first, last = tables.model_bias[model], tables.model_bias[model + 1]
    row = find(tables.bias_arm, arm, first, last)
    return 0 if row < 0 else tables.bias_weight[row]


def weight(tables: Tables, situation: Situation, term: int, arm: int) -> int:
    """The term's weight in this situation for this arm (0: shared), 0 if it has none."""
    row = find(tables.row_arm, arm, tables.term_row[term], tables.term_row[term + 1])
    if row < 0:
        return 0
    return tables.weight_value[tables.row_weight[row] + term_bin(tables, situation, term)]


def term_bin(tables: Tables, situation: Situation, term: int) -> int:
    """Which of the term's weights applies: left bin * width + right bin."""
    left, right = tables.term_left[term], tables.term_right[term]
    starts = tables.term_left_bin
    at = bin_at(tables.leftbin_bin, starts[term], starts[term + 1], situation.cells[left])
    if right < 0:
        return at
    starts = tables.term_right_bin
    cell = situation.cells[right]
    other = bin_at(tables.rightbin_bin, starts[term], starts[term + 1], cell)
    return at * tables.term_width[term] + other


def find(column: Ints, value: int, first: int, last: int) -> int:
    """Row of a value in an ascending run of a column, or -1."""
    row = bisect_left(column, value, first, last)
    return row if row < last and column[row] == value else -1


def clamp(value: int) -> int:
    """Within +-2^24."""
    return max(-SCORE_LIMIT, min(SCORE_LIMIT, value))


def clamped(values: list[int]) -> list[int]:
    """Each of them within +-2^24."""
    if values and (min(values) < -SCORE_LIMIT or max(values) > SCORE_LIMIT):
        return [clamp(value) for value in values]
    return values
