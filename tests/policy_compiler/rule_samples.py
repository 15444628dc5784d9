"""Attributes for rules, and rules checked alone."""

from __future__ import annotations

from collections.abc import Mapping

from policy_compiler.diagnostics import Diagnostic
from policy_compiler.rules import CheckedRules, check_rules
from policy_compiler.source import source_of_objects
from policy_compiler.tree import Node

ATTRIBUTES: dict[str, dict[str, object]] = {
    "cart.total": {"type": "decimal", "scale": 2, "money": True, "maximum": 5000},
    "cart.discount": {"type": "decimal", "scale": 2, "minimum": 0, "maximum": 100},
    "cart.weight": {"type": "decimal", "scale": 3},
    "cart.items": {"type": "int"},
    "cart.lines": {"type": "int", "source": "edge"},
    "cart.updated_at": {"type": "timestamp", "labels": ["personal"], "purpose": ["a", "b"]},
    "customer.is_new": {"type": "bool"},
    "customer.segments": {"type": "set"},
    "customer.roles": {"type": "set", "values": ["staff", "vip"]},
    "customer.tier": {"type": "string", "values": ["gold", "golden", "silver"]},
    "geo.country": {"type": "string"},
    "geo.place.city": {"type": "string"},
    "shop.hour": {"type": "int", "derived": {"hour": "UTC"}},
}


def check(rule: str, rules: Mapping[str, str] | None = None) -> CheckedRules:
    objects = {
        "attributes": ATTRIBUTES,
        "rules": dict(rules or {}),
        "offers": [{"id": "o", "eligible": rule}],
    }
    return check_rules(source_of_objects(objects))


def tree(rule: str, rules: Mapping[str, str] | None = None) -> Node:
    checked = check(rule, rules)
    assert checked.diagnostics == []
    node = checked.offers["o"].eligible
    assert node is not None
    return node


def refused(rule: str, rules: Mapping[str, str] | None = None) -> list[Diagnostic]:
    checked = check(rule, rules)
    assert checked.offers["o"].eligible is None
    return checked.diagnostics
