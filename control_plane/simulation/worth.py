"""What each arm truly earns: the truth's probabilities times the live policy's arithmetic.

    profit(type, arm) = P(order | arm) * mean over order values of (margin - cost of the offer)

The cost is what redemption itself would charge for such a cart, refusals included, so a
truth file need not repeat what the catalog says.  Arms are those that a visitor of the
type can get.  All of it is for the judge of a simulation; the engine sees none of it.
"""

from __future__ import annotations

from decimal import Decimal

from control_plane.appraisal import CartFacts, appraise
from control_plane.errors import Refused
from control_plane.outcomes import NONE
from control_plane.truth import Truth, VisitorType
from edge.decision.beacon import unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_fields
from edge.decision.token import Token

QUANTILES = 40
MICROS = 1_000_000


def true_profits(bundle: Bundle, truth: Truth, kind: VisitorType, now_s: int) -> dict[str, float]:
    """Arm -> expected profit of a visit in currency units, "none" among them."""
    arms = arms_for(bundle, truth, kind, now_s)
    return {arm: _profit(bundle, truth, kind, arm, now_s) for arm in arms}


def arms_for(bundle: Bundle, truth: Truth, kind: VisitorType, now_s: int) -> list[str]:
    """The arms that this type's visitors can get at the truth's placement, "none" first."""
    asked = {
        "visitor": "judge",
        "customer": "judge",
        "nonce": "judge",
        "consent": "full",
        "now_s": now_s,
        "placements": [truth.placement],
        "attributes": kind.vouched(now_s),
        "state": {"caps": [], "kept": []},
    }
    block = ManifestBlock(digest=bytes(32), issued_s=now_s, expires_s=now_s + 60)
    request = encode_fields(bundle, asked).data
    (row, *_) = unpack_verdict(decide(bundle, pack_manifest(block), request))
    return [bundle.arm_name(arm) for arm, _ in row.ghost.listed] or [NONE]


def _profit(bundle: Bundle, truth: Truth, kind: VisitorType, arm: str, now_s: int) -> float:
    values = [truth.order.value_at((i + 0.5) / QUANTILES) for i in range(QUANTILES)]
    redeems = float(kind.redeems)
    left = [
        float(truth.order.margin_of(value))
        - redeems * _cost(bundle, truth, kind, arm, value, now_s)
        for value in values
    ]
    return kind.probability(arm) * sum(left) / len(left)


def _cost(
    bundle: Bundle, truth: Truth, kind: VisitorType, arm: str, value: Decimal, now_s: int
) -> float:
    """Currency units; 0 where redemption would refuse."""
    if arm == NONE:
        return 0.0
    offer, rung = arm.split("/")
    token = Token(
        tenant=bundle.tenant,
        id="0" * 32,
        offer=offer,
        rung=rung,
        placement=truth.placement,
        subject="judge",
        issued_s=now_s,
        expires_s=now_s + 60,
        bundle=bundle.digest.hex(),
    )
    cart = CartFacts(str(value), str(truth.order.margin_of(value)), dict(kind.vouched(now_s)))
    try:
        return appraise(bundle, token, cart, [], now_s).cost_micros / MICROS
    except Refused:
        return 0.0
