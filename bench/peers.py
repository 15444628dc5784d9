"""The synthetic policy in other engines' configuration formats.

Each offer becomes what a user of that engine would write for it: one flag whose rule is
the offer's, whose value names the rung and holds the offer's 16 learned weights (in steps
of 1/64 of a logit, as whole numbers), since that is what has to reach the edge for a
decision.  Costs, guardrails, caps and keys have no place in these formats and are left
out, which favours them; that they would need code to score with the weights, too.

GrowthBook: SDK payload, features with MongoDB-like conditions
    (docs.growthbook.io/lib/build-your-own).
Eppo: universal flag configuration, allocations with rules of conditions
    (the open-source SDKs' test data, `ufc/flags-v1.json`).
JSON: the checked rule tree and the rung as they are, without the words for people.
"""

from __future__ import annotations

from typing import Any

import msgspec

from policy_compiler.catalog import Offer
from policy_compiler.plan import Plan
from policy_compiler.scorecards import LOGIT_STEPS
from policy_compiler.tree import And, AnyOf, Compare, Conditional, Constant, Has, In, Node, Not, Or

GROWTHBOOK = {"==": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
EPPO = {"<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE"}
Json = Any


def plain_json(plan: Plan) -> bytes:
    """Everything that decides, as JSON objects."""
    offers = [
        {
            "id": offer.id,
            "priority": offer.priority,
            "rule": _bare(plan.tiers[offer.id].whole()),
            "placements": offer.placements,
            "ceiling_percent": str(offer.guardrails.ceiling_percent),
            "rungs": [
                {
                    "id": r.id,
                    "percent": str(r.percent),
                    "cap": str(r.cap),
                }
                for r in offer.rungs
            ],
            "weights": weights_of(plan, offer),
        }
        for offer in plan.offers
    ]
    return msgspec.json.encode({"offers": offers})


def weights_of(plan: Plan, offer: Offer) -> list[int]:
    """The offer's own weights, in steps: its constant, then those of each term."""
    arm = f"{offer.id}/{offer.rungs[0].id}"
    (model,) = (each for name, each in plan.models.items() if name)
    found = [model.arms[arm], *(w for term in model.terms for w in term.arms[arm])]
    return [int(weight * LOGIT_STEPS) for weight in found]


def _bare(node: Node) -> Json:
    """A rule tree without texts and places."""
    match node:
        case And() | Or():
            return {type(node).__name__.lower(): [_bare(part) for part in node.parts]}
        case Not():
            return {"not": _bare(node.part)}
        case Conditional():
            return {"if": [_bare(node.test), _bare(node.then), _bare(node.otherwise)]}
        case Constant():
            return node.value
        case Has():
            return {"has": node.attribute}
        case Compare():
            return [node.attribute, node.op, node.value]
        case In() | AnyOf():
            return [node.attribute, "in", list(node.values)]
        case _:
            return [node.attribute, "startsWith", node.prefix]


def growthbook(plan: Plan) -> bytes:
    features = {
        offer.id: {
            "defaultValue": None,
            "rules": [
                {
                    "id": f"fr_{offer.id}",
                    "condition": _growthbook(plan.tiers[offer.id].whole()),
                    "force": _value(plan, offer),
                }
            ],
        }
        for offer in plan.offers
    }
    return msgspec.json.encode({"features": features})


def _growthbook(node: Node) -> Json:
    match node:
        case And():
            return {"$and": [_growthbook(part) for part in node.parts]}
        case Or():
            return {"$or": [_growthbook(part) for part in node.parts]}
        case Not():
            return {"$not": _growthbook(node.part)}
        case Compare():
            return {node.attribute: {GROWTHBOOK[node.op]: node.value}}
        case AnyOf():
            return {node.attribute: {"$elemMatch": {"$in": list(node.values)}}}
        case In():
            return {node.attribute: {"$in": list(node.values)}}
        case _:
            raise ValueError(f"the synthetic policy has no {type(node).__name__}")


def _value(plan: Plan, offer: Offer) -> Json:
    return {"rung": offer.rungs[0].id, "weights": weights_of(plan, offer)}


def _eppo_value(plan: Plan, offer: Offer) -> Json:
    """A variation; its JSON is a text there."""
    value = msgspec.json.encode(_value(plan, offer)).decode()
    return {"key": offer.rungs[0].id, "value": value}


def eppo(plan: Plan) -> bytes:
    flags = {
        offer.id: {
            "key": offer.id,
            "enabled": True,
            "variationType": "JSON",
            "variations": {offer.rungs[0].id: _eppo_value(plan, offer)},
            "allocations": [
                {
                    "key": f"{offer.id}-allocation",
                    "rules": [{"conditions": _eppo(plan.tiers[offer.id].whole())}],
                    "splits": [{"variationKey": offer.rungs[0].id, "shards": []}],
                    "doLog": True,
                }
            ],
            "totalShards": 10000,
        }
        for offer in plan.offers
    }
    return msgspec.json.encode({"flags": flags})


def _eppo(node: Node, negated: bool = False) -> list[Json]:
    match node:
        case And():
            return [condition for part in node.parts for condition in _eppo(part)]
        case Not():
            return _eppo(node.part, not negated)
        case Compare() if node.op in EPPO and not negated:
            return [_condition(node.attribute, EPPO[node.op], node.value)]
        case Compare():
            one_of = (node.op == "==") != negated
            return [_condition(node.attribute, "ONE_OF" if one_of else "NOT_ONE_OF", [node.value])]
        case In() | AnyOf():
            return [_condition(node.attribute, "NOT_ONE_OF" if negated else "ONE_OF", node.values)]
        case _:
            raise ValueError(f"the synthetic policy has no {type(node).__name__}")


def _condition(attribute: str, operator: str, value: Json) -> Json:
    if isinstance(value, list | tuple):
        value = [str(each) for each in value]
    return {"attribute": attribute, "operator": operator, "value": value}
