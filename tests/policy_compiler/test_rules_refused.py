"""Every way a rule can be wrong, and the bounds of rules."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from policy_compiler.rules import check_rules
from policy_compiler.source import source_of_objects
from policy_compiler.tree import leaves_and_depth
from tests.policy_compiler.rule_samples import ATTRIBUTES, refused, tree
from tests.policy_compiler.samples import offer_with, read_and_check, write_catalog

REFUSED: list[tuple[str, str, str, str]] = [
    # rule, code, text that begins at the place, words of message and help
    ("customer.is_new &&", "P201", "", "<EOF>"),
    ("customer.is_new customer.is_new", "P201", "customer.is_new", "mismatched"),
    ("geo.country == 'US", "P201", "'US", "cannot|recognition"),
    ("", "P201", "", "Broken rule"),
    ("   ", "P201", "", "Broken rule"),
    ("cart.totl > 1.0", "P202", "cart.totl", "Did you mean `cart.total`"),
    ("crt.total > 1.0", "P202", "crt.total", "Did you mean `cart.total`"),
    ("nothing", "P202", "nothing", "is not an attribute"),
    ("geo.place.town == 'x'", "P202", "geo.place.town", "geo.place.city"),
    ("has(geo.place)", "P202", "has\\(geo", "geo.place.city"),
    ("cart == cart", "P202", "cart", "cart.total"),
    ("cart > 1", "P202", "> 1", "group of attributes"),
    ("cart.total >= 5", "P203", ">=", "decimal\\(2\\).*Write 5.00"),
    ("cart.weight >= -5", "P203", ">=", "Write -5.000"),
    ("cart.items > 5.5", "P203", ">", "Write a whole number such as 5"),
    ("cart.items == '7'", "P203", "==", "Write a whole number such as 7"),
    ("cart.items == 5u", "P203", "==", "type uint"),
    ("geo.country == 5", "P203", "==", 'Write "5"'),
    ("customer.is_new == 1", "P203", "==", "true or false"),
    ("cart.updated_at > '2026'", "P203", ">", "timestamp\\("),
    ("cart.total == geo.country", "P203", "==", "a decimal\\(2\\).*a string"),
    ("geo.country == null", "P203", "==", "has\\(geo.country\\)"),
    ("customer.segments == 'a'", "P203", "==", '"x" in customer.segments'),
    ("'x' in geo.country", "P203", "in", "nothing is `in` it"),
    ("age_s(cart.total) > 5", "P203", "\\(", "timestamp"),
    ("cart.total in [1, 2]", "P203", "in", "Write 1.00"),
    ("cart.total && customer.is_new", "P203", "&&", "joins conditions"),
    ("!cart.items", "P203", "!", "joins conditions"),
    ("customer.is_new ? 1 : customer.is_new", "P203", "\\?", ""),
    ("cart.total", "P204", "cart.total", "double"),
    ("cart.items + 1", "P204", "cart.items", "int"),
    ("[customer.is_new]", "P204", "", "list"),
    ("cart.total > cart.discount", "P205", "cart.total", "cart.total - cart.discount > 0.00"),
    ("cart.items == cart.lines", "P205", "cart.items", "cart.items - cart.lines == 0"),
    ("geo.country == customer.tier", "P205", "geo.country", "Compare each with a constant"),
    ("1 == 1", "P205", "1 == 1", "Both sides are constants"),
    ("geo.country < 'a'", "P205", "geo.country", "does not order"),
    ("customer.is_new < true", "P205", "customer.is_new", "does not order"),
    ("customer.segments == ['a']", "P205", "customer.segments", "sets.intersects"),
    ("cart.items * 2 > 3", "P205", "cart.items", "move constants"),
    ("cart.items + 1 > 3", "P205", "cart.items", "move constants"),
    ("-cart.items > 3", "P205", "-cart.items", "Arithmetic"),
    ("cart.items + cart.lines + cart.items > 3", "P205", "cart.items", "Arithmetic"),
    ("shop.hour - cart.items > 3", "P205", "shop.hour", "itself derived"),
    ("size(customer.segments) > 1", "P205", "size", '"x" in customer.segments'),
    ("geo.country.matches('U.')", "P205", "geo.country", "`matches`"),
    ("geo.country.endsWith('U')", "P205", "geo.country", "`values`"),
    ("geo.country.startsWith(geo.place.city)", "P205", "geo.country", "needs a constant"),
    ("geo.country.strtsWith('U')", "P205", "\\(", "Did you mean `startsWith`"),
    ("foo(1)", "P205", "\\(", "no function `foo`"),
    ("dyn(cart.total) == 5", "P205", "dyn", "instead of converting"),
    ("string(cart.items) == '5'", "P205", "string", "instead of converting"),
    ("customer.segments.all(s, s == 'a')", "P205", "customer", "`all`"),
    ("customer.segments.exists(s, s.startsWith('a'))", "P205", "s.starts", "compared with const"),
    ("customer.segments.exists(s, true)", "P205", "true", "compared with const"),
    ("customer.segments.map(s, s) == ['a']", "P205", "customer", "`map`"),
    ("customer.segments[0] == 'a'", "P205", "customer", "index"),
    ("geo.country in customer.segments", "P205", "geo.country", "Only constants"),
    ("customer.segments in [['a']]", "P205", "customer", "sets.intersects"),
    ("customer.is_new in [true]", "P205", "customer", "Write `==`"),
    ("has(cart)", "P205", "cart\\)", "needs an attribute"),
    ("has(rules.loyal)", "P205", "has", "not for rules"),
    ("has(rules.x)", "P211", "rules.x", "no rule `x`"),
    ("has(cart.totl)", "P202", "cart.totl", "`cart.total`"),
    ("{'a': true}['a']", "P205", "", "index"),
    ("cart.updated_at > timestamp(geo.country)", "P205", "", "Two attributes|not an attribute"),
    ("cart.updated_at - timestamp(1) > duration('1h')", "P205", "", "attribute"),
    ("customer.tier == 'glod'", "P206", "'glod'", "Did you mean `gold`"),
    ("customer.tier in ['gold', 'x']", "P206", "'x'", "There is: `gold`"),
    ("'boss' in customer.roles", "P206", "'boss'", "There is: `staff`"),
    ("customer.tier.contains('zz')", "P206", "'zz'", "No value"),
    ("cart.total > 5.001", "P207", "5.001", "Write 5.00"),
    ("cart.total > 1e-300", "P207", "1e-300", "fraction digits"),
    ("cart.total > 1e20", "P208", "1e20", "too large"),
    ("cart.total > 1e400", "P208", "1e400", "too large"),
    ("cart.total > 10000000000000.00", "P208", "1000", "too large"),
    ("cart.items > 1000000000000000", "P208", "1000", "too large"),
    ("cart.items > 99999999999999999999", "P208", "9999", "too large"),
    ("cart.total \x00 > 5.00", "P201", ".u0000", r"U\+0000"),
    ("rules.lyal", "P211", "rules.lyal", "Did you mean `loyal`"),
    ("geo.country in []", "P213", "\\[\\]", "empty"),
    ("cart.items in [1, 'a']", "P213", "'a'", "an int"),
    ("cart.items in [1, cart.lines]", "P213", "cart.lines", "written out"),
    ("cart.updated_at > timestamp('yesterday')", "P214", "timestamp", "date, time and zone"),
    ("cart.updated_at > timestamp('2026-01-01T00:00:00')", "P214", "timestamp", "zone"),
    ("cart.updated_at > timestamp('2026-13-01T00:00:00Z')", "P214", "timestamp", "exist"),
    ("cart.updated_at > timestamp('2026-01-01T00:00:00.5Z')", "P214", "timestamp", "fraction"),
    ("cart.updated_at > timestamp('0001-01-01T00:00:00+23:59')", "P214", "timestamp", ""),
    ("cart.updated_at > timestamp(-1)", "P214", "timestamp", "1970"),
]


@pytest.mark.parametrize(("rule", "code", "at", "words"), REFUSED)
def test_a_rule_is_refused_with_its_place_and_help(
    rule: str, code: str, at: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "offers.yaml"
    file.write_text(
        json.dumps(
            {
                "offers": [{"id": "o", "eligible": rule}],
                "attributes": ATTRIBUTES,
                "rules": {"loyal": "customer.is_new"},
            },
            ensure_ascii=False,
        )
    )
    source, checked = read_and_check(file)
    (found,) = checked.diagnostics
    assert found.code == code, found
    assert re.search(words, f"{found.message} {found.help}"), found
    assert checked.offers["o"].eligible is None
    line = source.texts["offers.yaml"].split("\n")[found.line - 1]
    assert re.match(at, line[found.column - 1 :].replace('\\"', '"')), line[found.column - 1 :]


def test_all_that_is_wrong_with_a_rule_is_told_at_once() -> None:
    rule = "cart.total > 5 && cart.nothing == 1 && (geo.country == 5 || !rules.nope)"
    assert sorted(each.code for each in refused(rule)) == ["P202", "P203", "P203", "P211"]
    rule = "cart.total > 5.001 && (customer.tier == 'x' || cart.items * 2 > 1) ? true : 1 == 1"
    assert sorted(each.code for each in refused(rule)) == ["P205", "P205", "P206", "P207"]


def test_a_broken_declaration_is_not_blamed_on_the_rules_that_use_it() -> None:
    objects = {
        "attributes": {"cart.total": {"type": "decimall"}, "cart.items": {"type": "int"}},
        "offers": [{"id": "o", "eligible": "cart.total > 5.0 && cart.items > 1"}],
    }
    source = source_of_objects(objects)
    checked = check_rules(source)
    assert "P112" in [each.code for each in source.diagnostics]
    assert checked.diagnostics == [] and checked.offers["o"].eligible is None


def test_rules_of_an_offer_that_is_broken_elsewhere_are_checked_all_the_same(
    tmp_path: Path,
) -> None:
    text = offer_with("priority: high", "suitable: cart.items > 5.5")
    source, checked = read_and_check(write_catalog(tmp_path / "c", offers=text))
    assert [each.code for each in source.diagnostics] == ["P112"]
    assert [(each.code, each.path) for each in checked.diagnostics] == [
        ("P203", "offers[0].suitable")
    ]


def test_the_three_tiers_are_kept_apart(tmp_path: Path) -> None:
    text = offer_with("eligible: customer.is_new", "suitable: cart.items > 5")
    _, checked = read_and_check(write_catalog(tmp_path / "c", offers=text))
    tiers = checked.offers["welcome"]
    assert tiers.eligible and tiers.eligible.text == "customer.is_new"
    assert tiers.applicable is None
    assert tiers.suitable and tiers.suitable.text == "cart.items > 5"


def test_one_text_used_twice_is_told_at_both_places(tmp_path: Path) -> None:
    text = offer_with("eligible: cart.totl > 1.0", "suitable: cart.totl > 1.0")
    _, checked = read_and_check(write_catalog(tmp_path / "c", offers=text))
    assert [(each.line, each.path) for each in checked.diagnostics] == [
        (8, "offers[0].eligible"),
        (9, "offers[0].suitable"),
    ]


def test_places_inside_a_folded_block_are_right(tmp_path: Path) -> None:
    rule = "eligible: >-\n      customer.is_new\n      && cart.totl >= 50.00"
    _, checked = read_and_check(write_catalog(tmp_path / "c", offers=offer_with(rule)))
    (found,) = checked.diagnostics
    assert (found.line, found.column) == (10, 10)
    assert "column 20 of the rule" in found.message


# --- bounds -------------------------------------------------------------------

DEEP = {
    "brackets": "(" * 7000 + "true" + ")" * 7000,
    "lists": "[" * 14_000,
    "not": "!" * 14_000 + "customer.is_new",
    "minus": "-" * 14_000 + "1 == 1",
    "plus": "cart.items" + " + 1" * 3000 + " > 1",
    "dots": "cart" + ".a" * 7000 + " > 1",
    "ternaries": "true ? true : " * 1000 + "true",
    "nested ternaries": "true ? " * 1000 + "true" + " : true" * 1000,
    "calls": "has(" * 3000 + ")" * 3000,
    "not and brackets": "!(true && " * 16 + "customer.is_new" + ")" * 16,
}


@pytest.mark.parametrize("shape", DEEP)
def test_deep_rules_are_refused_before_anyone_recurses(shape: str) -> None:
    started = time.perf_counter()
    assert [each.code for each in refused(DEEP[shape])] == ["P210"]
    assert time.perf_counter() - started < 1


def test_thirty_levels_are_not_too_deep() -> None:
    operators = [" && (customer.is_new || ", " || (customer.is_new && "]
    parts = "".join(f"customer.is_new{operators[i % 2]}" for i in range(13))
    rule = parts + "customer.is_new" + ")" * 13
    assert leaves_and_depth(tree(rule))[1] <= 30
    brackets = "(" * 30 + "customer.is_new" + ")" * 30
    assert leaves_and_depth(tree(brackets)) == (1, 1)


def test_long_rules_are_refused_by_their_bytes() -> None:
    exact = "geo.country == '" + "é" * 7491 + "'"
    assert len(exact.encode()) == 14_999
    assert tree(exact + " ")
    assert [each.code for each in refused(exact + "  ")] == ["P209"]


def test_the_longest_rules_are_quick_to_check() -> None:
    rule = " || ".join(f"cart.items == {i}" for i in range(600))
    rule = rule[: rule.rfind(" || ", 0, 14_900)]
    started = time.perf_counter()
    assert leaves_and_depth(tree(rule))[0] > 500
    assert time.perf_counter() - started < 2
