"""The baseline: every rule a compiled Python function, asked one after the other.

    naive = Naive(policy)
    facts = naive.read(request JSON)           a tuple, one value per attribute
    offers = naive.eligible(facts)
    scored = naive.score(facts, offers)
    choice = naive.choose(scored, naive.ticket(facts))

It is what a careful programmer writes without an index: rules are generated as source
and compiled once, attributes are looked up by position, money is integers, tables are
lists, nothing is computed twice.  It must give the bundle's decision to the last ticket.

This module is also run inside Pyodide.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from bench.plain import Constraint, PlainTerm, Policy

T, Q24, LIMIT = 1 << 20, 1 << 24, 1 << 24
Facts = tuple[Any, ...]
Scored = tuple[int, int]
"""Arm and score."""
Choice = tuple[int, list[int], list[int]]
"""The arm, and the arms that could be drawn with their tickets (none first)."""
NUMBERS = {"bool", "int", "decimal", "timestamp"}


class Rules:
    """Reading requests, and the rules."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.names = [*policy.types, *policy.ages]
        self.place = {name: at for at, name in enumerate(self.names)}
        self.rules = compiled([offer.rule for offer in policy.offers], self.place)

    def read(self, text: bytes) -> Facts:
        """The request's attributes, as rules read them; last the visitor, nonce and time."""
        request = msgspec.json.decode(text)
        given = request["attributes"]
        facts = [_value(kind, given[name]) for name, kind in self.policy.types.items()]
        now_s = request["now_s"]
        facts += [now_s - given[stamp] for stamp in self.policy.ages.values()]
        return (*facts, request["visitor"], request["nonce"], now_s)

    def eligible(self, facts: Facts) -> list[int]:
        """Rows of the offers whose rule is true."""
        return [row for row, rule in enumerate(self.rules) if rule(facts)]


class Naive(Rules):
    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.arms = [offer.arm for offer in policy.offers]
        self.cart = self.place["cart.total"]
        self.base, self.sensitivity, self.own = (
            [(self._bin_of(term), term) for term in policy.terms if term.role == role]
            for role in range(3)
        )

    def _bin_of(self, term: PlainTerm) -> Callable[[Facts], int]:
        at, crossed = self.place[term.attribute], self.place.get(term.crossed)
        cuts, values, width = term.cuts, {v: i for i, v in enumerate(term.values)}, term.width
        if cuts:
            return lambda facts: bisect_right(cuts, facts[at])
        if crossed is not None:
            return lambda facts: values.get(facts[at], len(values)) * width + facts[crossed]
        if values:
            return lambda facts: values.get(facts[at], len(values))
        return lambda facts: facts[at]

    def score(self, facts: Facts, offers: list[int]) -> list[Scored]:
        """Arms within their ceiling, with their scores in score units."""
        policy, unit = self.policy, self.policy.score_unit
        value = facts[self.cart] * 10_000
        minor = value // policy.minor_micros
        margin = minor * policy.margin_ppm // 1_000_000 * policy.minor_micros // unit
        shared = policy.constant + sum(term.shared[at(facts)] for at, term in self.base)
        sensitivity = sum(term.shared[at(facts)] for at, term in self.sensitivity)
        tables = [(term.own, at(facts)) for at, term in self.own]
        p_none = self._response(shared)
        found = []
        for row in offers:
            arm = self.arms[row]
            # half up; the shop's mode
            incentive = (minor * arm.rate_ppm * 2 + 1_000_000) // 2_000_000 * policy.minor_micros
            incentive = min(incentive, arm.most_micros, value)
            if incentive > arm.ceiling_micros:
                continue
            own = (sensitivity * arm.depth >> 8) + arm.bias
            for weights, at in tables:
                own += weights[row][at]
            gain = margin - incentive // unit - arm.handling_micros // unit
            score = self._response(shared + own) * gain - p_none * margin >> 16
            score = max(-LIMIT, min(LIMIT, score))
            if score >= -policy.loss:
                found.append((row + 1, score))
        return found

    def _response(self, logit: int) -> int:
        return self.policy.response[max(0, min(1023, logit + 512))]

    def choose(self, scored: list[Scored], ticket: int) -> Choice:
        """Inverse gap over none and the 31 best, and the unit's draw."""
        if not scored:
            return 0, [], []
        policy = self.policy
        best = sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:31]
        arms = [(0, 0), *sorted(best)]
        top = max(range(len(arms)), key=lambda i: (arms[i][1], -arms[i][0]))
        floor, count = min(policy.floor, T // len(arms)), len(arms)
        highest = arms[top][1]
        shares = [
            max(floor, T * Q24 // (count * Q24 + policy.gamma * (highest - score)))
            for _, score in arms
        ]
        shares[top] = 0
        shares[top] = T - sum(shares)
        rows = [arm for arm, _ in arms]
        for arm, share in zip(rows, shares, strict=True):
            if ticket < share:
                return arm, rows, shares
            ticket -= share
        raise AssertionError("shares sum to T")

    def ticket(self, facts: Facts) -> int:
        policy, (visitor, nonce, now_s) = self.policy, facts[-3:]
        offset = word("epoch", policy.place, policy.salt, visitor) % policy.epoch_s
        epoch = (now_s + offset) // policy.epoch_s
        return word("choose", policy.place, policy.salt, visitor, str(epoch), nonce) >> 12


def word(*parts: str) -> int:
    return int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:4], "big")


def _value(kind: str, content: Any) -> Any:
    if kind == "decimal":
        whole, _, cents = content.partition(".")
        return int(whole) * 100 + int(cents.ljust(2, "0"))
    return set(content) if kind == "set" else content


def compiled(rules: list[list[Constraint]], place: dict[str, int]) -> list[Callable[[Facts], bool]]:
    """A function per rule, in one module, 500 at a time."""
    found: list[Callable[[Facts], bool]] = []
    for start in range(0, len(rules), 500):
        run = [f"lambda f: {source(rule, place)}" for rule in rules[start : start + 500]]
        found += eval(compile(f"[{', '.join(run)}]", "rules", "eval"))
    return found


def source(rule: list[Constraint], place: dict[str, int]) -> str:
    """A rule as a Python expression over `f`."""
    parts = [_source(each, f"f[{place[each.attribute]}]") for each in rule]
    return " and ".join(parts) or "True"


def _source(constraint: Constraint, value: str) -> str:
    first = constraint.values[0]
    match constraint.test:
        case "in":
            text = f"{value} in {set(constraint.values)!r}"
        case "holds":
            text = f"{first!r} in {value}"
        case "==" if isinstance(first, bool):
            text = value if first else f"(not {value})"
        case test:
            text = f"{value} {test} {first!r}"
    return f"not {text}" if constraint.negated else text
