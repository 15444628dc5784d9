"""A list of offers read item by item is the tree that a reader of the whole file sees."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy_compiler.samples import OFFER
from tests.support.parts import ROOT
from tests.support.trees import seen_split, seen_whole

CATALOGS = sorted((ROOT / "examples").glob("*/catalog/*.yaml"))
LINES = (
    "  - id: a",
    "  - {id: b, title: 'x'}",
    "  -",
    "  - plain text",
    "    over lines",
    "    title: one",
    '    title: "open',
    "    body: |",
    "      literal",
    "  # shallow comment",
    "# comment",
    "    # deep comment",
    "",
    "   ",
    "    list: [1,",
    "      2]",
    "    more: &anchor 3",
    "    same: *anchor",
    "    <<: {a: 1}",
    "    'closing' : 1\"",
    "    - inner",
    "\t- tab",
    " - shallower",
    "other: 1",
    "offers:",
    "- outer",
    "---",
    "%YAML 1.1",
    "    carriage: 1\r",
    "    next: \x85 1",
)


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: f"{file.parts[-3]}/{file.name}")
def test_an_example_is_the_same_tree_split_or_whole(file):
    text = file.read_text(encoding="utf-8")
    split_tree = seen_split(text)
    assert split_tree in (None, seen_whole(text))
    assert split_tree is not None or "\noffers:" not in f"\n{text}"


@pytest.mark.parametrize("indent", [0, 1, 2, 5])
def test_dashes_may_stand_at_any_depth(indent):
    text = "shop: {}\noffers: # all\n\n" + "".join(
        f"{' ' * indent}- id: o{i}\n{' ' * indent}  title: 'x'\n# note\n" for i in range(3)
    )
    assert seen_split(text) == seen_whole(text) is not None


@pytest.mark.parametrize(
    "rest",
    [
        "  - id: 'over\n  - the dash'\n",
        "  - [a,\n  - b]\n",
        "  - &a {id: a}\n  - *a\n",
        "  - id: a\nrules: {}\n",
        "  - id: a\n   title: shallow\n",
        "  - id: a\noffers:\n  - id: b\n",
        "  - id: a\n...\n",
        "  []\n",
        "",
    ],
)
def test_what_only_a_reader_of_the_whole_can_judge_is_not_split(rest):
    assert seen_split("offers:\n" + rest) is None


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=8), st.sampled_from(["offers:", "offers: #"]))
def test_whatever_the_lines_a_split_file_is_the_tree_of_the_whole(lines, key):
    text = "\n".join(["shop: {}", key, *lines, ""])
    found = seen_split(text)
    assert found is None or found == seen_whole(text)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_damaged_catalog_is_the_same_split_or_whole(chance: random.Random):
    text = list(OFFER + OFFER.partition("\n")[2].replace("welcome", "return"))
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text))
        text[at : at + chance.randrange(2)] = chance.choice("'\"[]{}:-#\n &*|>%\t,x")
    spoiled = "".join(text)
    found = seen_split(spoiled)
    assert found is None or found == seen_whole(spoiled)
