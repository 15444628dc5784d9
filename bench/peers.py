"""The synthetic policy in other engines' configuration formats.

Each offer becomes what a user of that engine would write for it: one flag whose rule is
the offer's, whose value names the rung.  Costs, guardrails, caps and scores have no place
in these formats and are left out, which favours them.

GrowthBook: SDK payload, features with MongoDB-like conditions
    (docs.growthbook.io/lib/build-your-own).
Eppo: universal flag configuration, allocations with rules of conditions
    (the open-source SDKs' test data, `ufc/flags-v1.json`).
JSON: the checked rule tree and the rung as they are, without the words for people.
"""

from __future__ import annotations

from typing import Any

import msgspec

from policy_compiler.plan import Plan
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
            "ceiling": str(offer.guardrails.ceiling),
            "rungs": [
                {
                    "id": r.id,
                    "percent": str(r.percent),
                    "cap": str(r.cap),
                    "score": str(r.expected_profit),
                }
                for r in offer.rungs
            ],
        }
        for offer in plan.offers
    ]
    return msgspec.json.encode({"offers": offers})


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
            "defaultValue": "none",
            "rules": [
                {
                    "id": f"fr_{offer.id}",
                    "condition": _growthbook(plan.tiers[offer.id].whole()),
                    "force": offer.rungs[0].id,
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


def eppo(plan: Plan) -> bytes:
    flags = {
        offer.id: {
            "key": offer.id,
            "enabled": True,
            "variationType": "STRING",
            "variations": {rung.id: {"key": rung.id, "value": rung.id} for rung in offer.rungs},
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
