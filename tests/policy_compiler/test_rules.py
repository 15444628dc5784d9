"""Rules: what they become, and how they use each other."""

from __future__ import annotations

import time
from decimal import Decimal

import msgspec
import pytest

from policy_compiler.rules import check_rules
from policy_compiler.source import source_of_objects
from policy_compiler.tree import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Has,
    In,
    Node,
    Not,
    Or,
    StartsWith,
    attributes_of,
    leaves_and_depth,
    parts_of,
)
from tests.policy_compiler.rule_samples import check, refused, tree


def bare(node: Node) -> Node:
    """Without texts and places, to compare."""
    match node:
        case And() | Or():
            return type(node)(parts=tuple(bare(part) for part in node.parts))
        case Not():
            return Not(part=bare(node.part))
        case Conditional():
            test, then, otherwise = (bare(part) for part in parts_of(node))
            return Conditional(test=test, then=then, otherwise=otherwise)
        case _:
            return msgspec.structs.replace(node, text="", start=0, end=0)


NEW = Compare(attribute="customer.is_new", op="==", value=True)


def total(op: str, value: int) -> Node:
    return Compare(attribute="cart.total", op=op, value=value)  # type: ignore[arg-type]


# --- what rules become --------------------------------------------------------

TREES: dict[str, Node] = {
    "customer.is_new": NEW,
    "!customer.is_new": Not(part=NEW),
    "customer.is_new == false": Compare(attribute="customer.is_new", op="==", value=False),
    "true != customer.is_new": Compare(attribute="customer.is_new", op="!=", value=True),
    "true": Constant(value=True),
    "cart.total >= 50.00": total(">=", 5000),
    "cart.total >= 50.1": total(">=", 5010),
    "cart.total >= 50.100": total(">=", 5010),
    "cart.total == .5": total("==", 50),
    "cart.total == 1.5e1": total("==", 1500),
    "cart.total == 0.29": total("==", 29),
    "cart.total > -0.01": total(">", -1),
    "cart.total > - 0.01": total(">", -1),
    "cart.total != -0.0": total("!=", 0),
    "50.00 <= cart.total": total(">=", 5000),
    "50.00 > cart.total": total("<", 5000),
    "50.00 == cart.total": total("==", 5000),
    "cart.total < 9999999999999.99": total("<", 10**15 - 1),
    "cart.weight == 0.125": Compare(attribute="cart.weight", op="==", value=125),
    "cart.items == 0x10": Compare(attribute="cart.items", op="==", value=16),
    "cart.items > -999999999999999": Compare(
        attribute="cart.items", op=">", value=-999999999999999
    ),
    "shop.hour < 12": Compare(attribute="shop.hour", op="<", value=12),
    'geo.country == "US"': Compare(attribute="geo.country", op="==", value="US"),
    "geo.country != 'a\\u00e9\\n'": Compare(attribute="geo.country", op="!=", value="aé\n"),
    'geo.place.city == r"\\d"': Compare(attribute="geo.place.city", op="==", value="\\d"),
    'geo.country == """a"b"""': Compare(attribute="geo.country", op="==", value='a"b'),
    "geo . country == '😀'": Compare(attribute="geo.country", op="==", value="😀"),
    'cart.updated_at > timestamp("2026-01-01T00:00:00Z")': Compare(
        attribute="cart.updated_at", op=">", value=1767225600
    ),
    'timestamp("2026-01-01T01:00:00.000+01:00") < cart.updated_at': Compare(
        attribute="cart.updated_at", op=">", value=1767225600
    ),
    "cart.updated_at >= timestamp(5)": Compare(attribute="cart.updated_at", op=">=", value=5),
    'geo.country in ["US", "CA", "US"]': In(attribute="geo.country", values=("US", "CA")),
    "cart.items in [3, -1, - 2]": In(attribute="cart.items", values=(3, -1, -2)),
    "cart.total in [5.00, 6.5]": In(attribute="cart.total", values=(500, 650)),
    "cart.updated_at in [timestamp(1)]": In(attribute="cart.updated_at", values=(1,)),
    '"vip" in customer.segments': AnyOf(attribute="customer.segments", values=("vip",)),
    'sets.intersects(customer.segments, ["a", "b", "a"])': AnyOf(
        attribute="customer.segments", values=("a", "b")
    ),
    'sets.intersects(["vip"], customer.roles)': AnyOf(attribute="customer.roles", values=("vip",)),
    'customer.segments.exists(s, s in ["a", "b"])': AnyOf(
        attribute="customer.segments", values=("a", "b")
    ),
    'customer.segments.exists(x, x == "a" || "b" == x || x in ["a", "c"])': AnyOf(
        attribute="customer.segments", values=("a", "b", "c")
    ),
    "has(customer.tier)": Has(attribute="customer.tier"),
    "has(geo.place.city)": Has(attribute="geo.place.city"),
    "has(customer.segments)": Has(attribute="customer.segments"),
    'geo.country.startsWith("U")': StartsWith(attribute="geo.country", prefix="U"),
    'customer.tier.startsWith("gold")': In(attribute="customer.tier", values=("gold", "golden")),
    'customer.tier.endsWith("en")': In(attribute="customer.tier", values=("golden",)),
    'customer.tier.contains("l")': In(
        attribute="customer.tier", values=("gold", "golden", "silver")
    ),
    "age_s(cart.updated_at) > 3600": Compare(
        attribute="age_s(cart.updated_at)", op=">", value=3600
    ),
    "cart.total - cart.discount >= 20.00": Compare(
        attribute="cart.total - cart.discount", op=">=", value=2000
    ),
    "cart.total + cart.discount >= 20.00": Compare(
        attribute="cart.discount + cart.total", op=">=", value=2000
    ),
    "cart.items - cart.lines in [1, 2]": In(attribute="cart.items - cart.lines", values=(1, 2)),
    "customer.is_new ? cart.total > 1.0 : !customer.is_new": Conditional(
        test=NEW, then=total(">", 100), otherwise=Not(part=NEW)
    ),
    "customer.is_new && (customer.is_new && customer.is_new)": And(parts=(NEW, NEW, NEW)),
    "customer.is_new || customer.is_new || false": Or(parts=(NEW, NEW, Constant(value=False))),
    "customer.is_new && customer.is_new || true": Or(
        parts=(And(parts=(NEW, NEW)), Constant(value=True))
    ),
    "customer.is_new // why\n&& true": And(parts=(NEW, Constant(value=True))),
}


@pytest.mark.parametrize("rule", TREES)
def test_a_rule_becomes_its_tree(rule: str) -> None:
    assert bare(tree(rule)) == TREES[rule]


@pytest.mark.parametrize("rule", TREES)
def test_every_node_has_its_own_piece_of_the_rule(rule: str) -> None:
    waiting = [tree(rule)]
    while waiting:
        node = waiting.pop()
        assert node.text == rule[node.start : node.end]
        assert node.text.count("(") == node.text.count(")")
        waiting += parts_of(node)


def test_leaves_speak_the_words_of_the_rule() -> None:
    node = tree(
        'customer.is_new && (50.00 <= cart.total || !("vip" in customer.segments))'
        ' && has ( geo.country ) && customer.segments.exists(s, s == "a") && cart.items > - 5'
    )
    texts = [each.text for each in parts_of(node)]
    assert texts == [
        "customer.is_new",
        '(50.00 <= cart.total || !("vip" in customer.segments))'[1:-1],
        "has ( geo.country )",
        'customer.segments.exists(s, s == "a")',
        "cart.items > - 5",
    ]
    inner = parts_of(parts_of(node)[1])
    assert [each.text for each in inner] == [
        "50.00 <= cart.total",
        '!("vip" in customer.segments)',
    ]


def test_trees_travel_as_messagepack() -> None:
    for rule in TREES:
        node = tree(rule)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(node), type=Node) == node


def test_long_chains_stay_flat() -> None:
    node = tree(" && ".join(["customer.is_new"] * 700))
    assert leaves_and_depth(node) == (700, 2)


def test_equal_expressions_share_one_derived_attribute() -> None:
    rule = (
        "age_s(cart.updated_at) > 5 && age_s( cart.updated_at ) < 9"
        " && cart.total + cart.discount > 1.0 && cart.discount + cart.total < 3.0"
    )
    checked = check(rule)
    assert list(checked.derived) == ["age_s(cart.updated_at)", "cart.discount + cart.total"]
    node = checked.offers["o"].eligible
    assert node and attributes_of(node) == set(checked.derived)


def test_derived_attributes_inherit_what_restricts_their_operands() -> None:
    checked = check("age_s(cart.updated_at) > 5 && cart.items - cart.lines > 0")
    age, gap = checked.derived.values()
    assert age.derived and age.derived.age_s == "cart.updated_at"
    assert (age.type, age.labels, age.purpose) == ("int", ["personal"], ["a", "b"])
    assert gap.derived and gap.derived.difference == ("cart.items", "cart.lines")
    assert (gap.type, gap.source) == ("int", "client")


def test_sums_and_differences_know_their_range() -> None:
    checked = check("cart.total - cart.discount > 1.0 && cart.total + cart.discount > 1.0")
    ranges = {name: (each.minimum, each.maximum) for name, each in checked.derived.items()}
    assert ranges == {
        "cart.total - cart.discount": (Decimal(-100), Decimal(5000)),
        "cart.discount + cart.total": (Decimal(0), Decimal(5100)),
    }


# --- named rules --------------------------------------------------------------


def test_a_named_rule_is_replaced_by_its_tree_at_the_users_place() -> None:
    rules = {"loyal": "customer.tier in ['gold'] && !rules.fresh", "fresh": "customer.is_new"}
    rule = "cart.items > 1 || rules.loyal"
    node = tree(rule, rules)
    loyal = parts_of(node)[1]
    assert bare(loyal) == And(
        parts=(In(attribute="customer.tier", values=("gold",)), Not(part=NEW))
    )
    assert loyal.text == rules["loyal"]
    assert rule[loyal.start : loyal.end] == "rules.loyal"
    assert [part.text for part in parts_of(loyal)] == ["customer.tier in ['gold']", "!rules.fresh"]
    assert all(rule[p.start : p.end] == "rules.loyal" for p in parts_of(loyal))


def test_rules_in_a_circle_are_named_once_and_break_their_users_silently() -> None:
    rules = {"a": "rules.b", "b": "rules.c", "c": "rules.a", "d": "rules.d", "e": "customer.is_new"}
    found = refused("rules.a && rules.e && rules.d", rules)
    assert [(each.code, each.path) for each in found] == [("P212", "rules.a"), ("P212", "rules.d")]
    assert "a -> b -> c -> a" in found[0].message


def test_a_broken_named_rule_is_told_once_however_many_use_it() -> None:
    rules = {"a": "cart.nothing > 1", "b": "rules.a && true", "c": "rules.b || rules.a"}
    found = refused("rules.c && rules.a", rules)
    assert [(each.code, each.path) for each in found] == [("P202", "rules.a")]


def test_a_long_chain_of_named_rules_needs_no_stack() -> None:
    rules = {"r0": "customer.is_new"} | {f"r{i}": f"rules.r{i - 1}" for i in range(1, 3000)}
    assert bare(tree("rules.r2999", rules)) == NEW


def test_named_rules_that_double_do_not_explode() -> None:
    rules = {"r0": "customer.is_new"}
    rules |= {f"r{i}": f"rules.r{i - 1} && rules.r{i - 1}" for i in range(1, 40)}
    started = time.perf_counter()
    found = refused("rules.r39", rules)
    assert time.perf_counter() - started < 3
    assert [(each.code, each.path) for each in found] == [("P210", "rules.r13")]


def test_named_rules_cannot_nest_beyond_the_limit_together() -> None:
    rules = {"r0": "customer.is_new"}
    rules |= {f"r{i}": f"true {'&&' if i % 2 else '||'} rules.r{i - 1}" for i in range(1, 40)}
    assert [each.path for each in refused("rules.r39", rules)] == ["rules.r30"]


def test_mentions_of_rules_in_texts_and_comments_are_no_uses() -> None:
    rules = {"a": 'geo.country == "rules.a" // rules.a'}
    assert tree("rules.a", rules).text == 'geo.country == "rules.a"'


def test_attributes_may_differ_in_ways_that_protobuf_would_merge() -> None:
    names = ["a.b_c", "a.bc", "a.b__c", "a.b_1", "a.b1", "a_b.c", "a.b.d", "m0.x", "m1.x"]
    objects = {
        "attributes": {name: {"type": "int"} for name in names if name != "a.b.d"},
        "offers": [{"id": "o", "eligible": " && ".join(f"{n} == 1" for n in names[:6])}],
    }
    checked = check_rules(source_of_objects(objects))
    assert checked.diagnostics == []
    node = checked.offers["o"].eligible
    assert node and attributes_of(node) == set(names[:6])


def test_a_long_circle_is_told_by_its_ends() -> None:
    names = [f"r{number:04}" for number in range(2_000)]
    texts = {
        name: f"rules.{after}" for name, after in zip(names, [*names[1:], names[0]], strict=True)
    }
    (told,) = [each.message for each in refused("rules.r0000", texts) if each.code == "P212"]
    assert told.startswith("The named rules go in a circle: r0000 -> r0001 -> ")
    assert "(1,992 more)" in told and told.endswith("-> r0000.") and len(told) < 200
