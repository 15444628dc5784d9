"""Rules and requests from a seed, over the attributes of `rule_inputs.py`.

Rules use every form of the rule language: what `oracle.py` compares with an independent
evaluator.  A request says of every attribute what is sent, and what that *means*: a
value, `ABSENT`, or `ERROR` for whatever must not be used.
"""

from __future__ import annotations

from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from msgspec import Struct

from tests.support.rule_inputs import (
    INPUTS,
    NAMED_RULES,
    NOW_S,
    OUTSIDE_S,
    SENT,
    ZONE,
    Json,
    Meant,
    State,
    has,
)


class Context(Struct, frozen=True):
    """A request's attributes as JSON, and what they mean; derived ones included."""

    sent: dict[str, Json]
    meant: dict[str, Meant]
    contextual: bool
    now_s: int


# --- rules --------------------------------------------------------------------


def rule(random: Random) -> str:
    """A rule's text: one to nine conditions, joined in any way."""
    return _joined(random, random.choice((1, 2, 3, 3, 4, 4, 5, 6, 7, 9)))


def condition(random: Random) -> str:
    if random.random() < 0.06:
        return random.choice(("true", "false", *(f"rules.{name}" for name in NAMED_RULES)))
    of = random.choice(INPUTS)
    write = has if random.random() < 0.15 else random.choice(of.forms)
    return write(random, of)


def _joined(random: Random, conditions: int) -> str:
    if conditions == 1:
        text = condition(random)
        return f"!({text})" if random.random() < 0.25 else text
    if conditions >= 3 and random.random() < 0.3:
        text = "({}) ? ({}) : ({})".format(*_split(random, conditions, 3))
    else:
        glue = random.choice((" && ", " || "))
        text = glue.join(f"({part})" for part in _split(random, conditions, 2))
    return f"!({text})" if random.random() < 0.3 else text


def _split(random: Random, conditions: int, parts: int) -> list[str]:
    cuts = sorted(random.sample(range(1, conditions), parts - 1))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, conditions], strict=True)]
    return [_joined(random, size) for size in sizes]


# --- requests -----------------------------------------------------------------


def context(random: Random) -> Context:
    """A request: each attribute is absent, invalid, or has a value; some know nobody."""
    contextual = random.random() < 0.25
    now_s = NOW_S if random.random() < 0.9 else random.choice((OUTSIDE_S, NOW_S + 40_000))
    sent: dict[str, Json] = {}
    meant: dict[str, Meant] = {}
    for each in SENT:
        chance = random.random()
        if chance < 0.14:
            meant[each.name] = State.ABSENT
        elif chance < 0.26:
            sent[each.name], meant[each.name] = random.choice(each.bad), State.ERROR
        else:
            sent[each.name], meant[each.name] = random.choice(each.good)
        if contextual and each.personal:
            meant[each.name] = State.ERROR
    return Context(sent, meant | _derived(meant, now_s), contextual, now_s)


def _derived(meant: dict[str, Meant], now_s: int) -> dict[str, Meant]:
    local = datetime.fromtimestamp(now_s, ZoneInfo(ZONE))
    outside = now_s >= OUTSIDE_S
    return {
        "clock.hour": State.ERROR if outside else local.hour,
        "day.number": State.ERROR if outside else local.isoweekday(),
        "rest.total": _difference(meant["spend.total"], meant["saved.total"]),
    }


def _difference(left: Meant, right: Meant) -> Meant:
    """Without both there is none; it is absent only if nothing worse is the matter."""
    if isinstance(left, float) and isinstance(right, float):
        return left - right
    return State.ERROR if State.ERROR in (left, right) else State.ABSENT


def rules_and_contexts(seed: int, rules: int, contexts: int) -> tuple[list[str], list[Context]]:
    random = Random(seed)
    return [rule(random) for _ in range(rules)], [context(random) for _ in range(contexts)]
