"""Edits in the text of a catalog: what they change, and that nothing else does."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_compiler.editing import Edit, EditRefused, add_item, parse_path, remove, set_value
from policy_compiler.nodes import Mapping
from policy_compiler.source import read_catalog
from policy_compiler.yaml_text import read_nodes
from policy_compiler.yaml_values import flow, plain
from tests.support.parts import ROOT

OFFERS = """\
# What we offer.
offers:
  # The first one.
  - id: welcome
    title: Welcome   # shown in reports
    placements: [hero, cart]
    rungs:
      # small
      - {id: p5, percent: 5.00}
      - id: p10    # large
        percent: 10

    guardrails: {ceiling: 15.00}
  # The second one.
  - id: delivery
    title: Free delivery
"""
MORE = "offers:\n  - {id: gift, title: A gift}\nattributes:\n  cart.total: {type: int}\n"
TEXTS = {"a.yaml": OFFERS, "b.yaml": MORE}


def edited(edit: Edit) -> str:
    """The edited file; undoing the edit gives the very texts from before."""
    after = edit.apply(TEXTS)
    assert edit.undo(after) == TEXTS
    return after[edit.file]


def changed_lines(edit: Edit) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came."""
    before, after = TEXTS[edit.file].splitlines(), edited(edit).splitlines()
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return before, after


@pytest.mark.parametrize(
    ("path", "value", "went", "came"),
    [
        ("offers[welcome].title", "Hello", ["    title: Welcome   # shown in reports"],
         ["    title: Hello   # shown in reports"]),
        ("offers[0].rungs[p10].percent", Decimal("12.50"), ["        percent: 10"],
         ["        percent: 12.50"]),
        ("offers[welcome].rungs[p5].percent", 6, ["      - {id: p5, percent: 5.00}"],
         ["      - {id: p5, percent: 6}"]),
        ("offers[welcome].placements", ["cart"], ["    placements: [hero, cart]"],
         ["    placements: [cart]"]),
        ("offers[welcome].placements[1]", "mail", ["    placements: [hero, cart]"],
         ["    placements: [hero, mail]"]),
        ("offers[welcome].guardrails.margin_floor", Decimal("1.00"),
         ["    guardrails: {ceiling: 15.00}"],
         ["    guardrails: {ceiling: 15.00, margin_floor: 1.00}"]),
        ("offers[delivery].priority", 3, [], ["    priority: 3"]),
        ("offers[delivery].eligible", 'a.b == "x: y"', [], ['    eligible: "a.b == \\"x: y\\""']),
        ("offers[delivery].caps", [{"count": 3}], [], ["    caps:", "      - count: 3"]),
        ("offers[2].title", "Gift", ["  - {id: gift, title: A gift}"],
         ["  - {id: gift, title: Gift}"]),
        ('attributes["cart.total"].maximum', 9, ["  cart.total: {type: int}"],
         ["  cart.total: {type: int, maximum: 9}"]),
        ('attributes["cart.items"]', {"type": "int"}, [], ["  cart.items: {type: int}"]),
    ],
)  # fmt: skip
def test_setting_changes_only_the_line_of_the_field(
    path: str, value: Any, went: list[str], came: list[str]
) -> None:
    assert changed_lines(set_value(TEXTS, path, value)) == (went, came)


@pytest.mark.parametrize(
    ("path", "went", "came"),
    [
        ("offers[welcome].title", ["    title: Welcome   # shown in reports"], []),
        ("offers[welcome].id", ["  - id: welcome", "    title: Welcome   # shown in reports"],
         ["  - title: Welcome   # shown in reports"]),
        ("offers[welcome].rungs[p5]", ["      - {id: p5, percent: 5.00}"], []),
        ("offers[welcome].rungs[1]", ["      - id: p10    # large", "        percent: 10"], []),
        ("offers[welcome].placements[0]", ["    placements: [hero, cart]"],
         ["    placements: [cart]"]),
        ("offers[welcome].placements[1]", ["    placements: [hero, cart]"],
         ["    placements: [hero]"]),
        ("offers[welcome].guardrails.ceiling", ["    guardrails: {ceiling: 15.00}"],
         ["    guardrails: {}"]),
        ("offers[delivery]", ["  - id: delivery", "    title: Free delivery"], []),
        ("offers[gift]", ["  - {id: gift, title: A gift}"], None),
    ],
)  # fmt: skip
def test_removing_takes_the_field_or_item_alone(
    path: str, went: list[str], came: list[str] | None
) -> None:
    lost, new = changed_lines(remove(TEXTS, path))
    if came is None:  # the last item of its list: an empty list stays
        assert "[]" in "".join(new)
    else:
        assert (lost, new) == (went, came)


def test_adding_appends_to_the_list() -> None:
    rung = {"id": "p15", "percent": Decimal("15.0")}
    _, came = changed_lines(add_item(TEXTS, "offers[welcome].rungs", rung))
    assert came == ["      - id: p15", "        percent: 15.0"]
    _, came = changed_lines(add_item(TEXTS, "offers[welcome].placements", "mail"))
    assert came == ["    placements: [hero, cart, mail]"]


@pytest.mark.parametrize(
    ("path", "word"),
    [("offers[gone].title", "nothing at"), ("offers[0].a.b", "nothing at"), ("", "no path"),
     ("offers..x", "no path"), ("shop.title", "nothing at")],
)  # fmt: skip
def test_what_is_not_there_is_refused(path: str, word: str) -> None:
    with pytest.raises(EditRefused, match=word):
        set_value(TEXTS, path, 1)


def test_a_value_that_two_objects_share_is_refused() -> None:
    texts = {"a.yaml": "rules:\n  a: &x true\n  b: *x\n"}
    with pytest.raises(EditRefused, match="alias"):
        set_value(texts, "rules.b", "false")


def test_an_edit_of_another_text_is_refused() -> None:
    edit = set_value(TEXTS, "offers[welcome].title", "Hello")
    with pytest.raises(EditRefused, match="changed meanwhile"):
        edit.apply({**TEXTS, "a.yaml": "# new\n" + OFFERS})


def test_paths_are_those_of_diagnostics() -> None:
    assert parse_path('offers[3].caps[0]["a.b"].c') == ["offers", 3, "caps", 0, "a.b", "c"]
    assert parse_path("offers[win-back].rungs[a.1]") == ["offers", "win-back", "rungs", "a.1"]


# --- properties, on files of the example store --------------------------------


def nodes(text: str) -> Mapping:
    top, found = read_nodes(text, "")
    assert top is not None and not found
    return top


STORE = {
    file.name: file.read_bytes().decode()
    for file in sorted((ROOT / "examples" / "store" / "catalog").glob("*.yaml"))
    if file.stem in ("shop", "models", "offers-delivery")
}


def paths_of(value: Any, path: str) -> list[str]:
    """Every path below, to objects, lists and values."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            word = key if key.replace("_", "a").isalnum() else f'["{key}"]'
            joined = f"{path}.{word}" if path and not word.startswith("[") else path + word
            found += paths_of(inner, joined)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths_of(inner, f"{path}[{index}]")
    return found


WHOLE = {key: value for text in STORE.values() for key, value in plain(nodes(text)).items()}
PATHS = [path for path in paths_of(WHOLE, "") if "." in path or "[" in path]
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-99, 99), st.decimals(-99, 99, places=2),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("abc.d", min_size=1), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


def read(text: str) -> Any:
    return plain(nodes(text))


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


@settings(max_examples=25, deadline=None)
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_any_value_can_be_set_anywhere_and_undone_to_the_byte(path: str, value: Any) -> None:
    edit = set_value(STORE, path, value)
    after = edit.apply(STORE)
    assert edit.undo(after) == STORE
    assert [name for name in STORE if after[name] != STORE[name]] in ([], [edit.file])
    untouched = STORE[edit.file][: edit.start], STORE[edit.file][edit.start + len(edit.before) :]
    assert after[edit.file].startswith(untouched[0]) and after[edit.file].endswith(untouched[1])
    lost = comments(edit.before)
    assert len(comments(after[edit.file])) >= len(comments(STORE[edit.file])) - len(lost)


@settings(max_examples=25, deadline=None)
@given(path=st.sampled_from(PATHS))
def test_anything_can_be_removed_and_undone_to_the_byte(path: str) -> None:
    edit = remove(STORE, path)
    after = edit.apply(STORE)
    assert edit.undo(after) == STORE
    assert read(after[edit.file]) != read(STORE[edit.file])


@settings(max_examples=25, deadline=None)
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_setting_and_setting_back_gives_the_same_values(path: str, value: Any) -> None:
    once = set_value(STORE, path, value).apply(STORE)
    old = value_at(path)
    back = set_value(once, path, old).apply(once)
    assert {name: read(text) for name, text in back.items()} == {
        name: read(text) for name, text in STORE.items()
    }


def value_at(path: str) -> Any:
    value: Any = deepcopy(WHOLE)
    for step in parse_path(path):
        value = value[step]
    return value


@given(VALUES)
def test_values_are_written_as_the_reader_takes_them(value: Any) -> None:
    assert read(f"k: {flow(value)}\n") == {"k": value}


def test_an_edited_catalog_says_so_where_it_is_read(tmp_path: Path) -> None:
    folder = ROOT / "examples" / "store" / "catalog"
    texts = {file.name: file.read_bytes().decode() for file in folder.glob("*.yaml")}
    edit = set_value(texts, "shop.title", "Another name")
    for name, text in edit.apply(texts).items():
        (tmp_path / name).write_bytes(text.encode())
    catalog = read_catalog(tmp_path).catalog
    assert catalog is not None and catalog.shop.title == "Another name"
