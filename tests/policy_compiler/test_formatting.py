"""Canonical formatting: what becomes uniform, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_compiler.compiling import compile_catalog
from policy_compiler.formatting import Unreadable, formatted
from policy_compiler.yaml_text import read_nodes
from policy_compiler.yaml_values import block, plain
from tests.support.parts import ROOT

EXAMPLES = [*sorted((ROOT / "examples").glob("*/catalog/*.yaml"))]
STARTERS = [*sorted((ROOT / "control_plane" / "cli" / "starter").glob("*.yaml"))]


def values(text: str) -> object:
    top, found = read_nodes(text.removeprefix("\ufeff"), "")
    assert top is not None and not found
    return plain(top)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a:   1\n", "a: 1\n"),
        ("a: 1", "a: 1\n"),
        ("a: 1  \n\n\n\nb: 2\n\n\n", "a: 1\n\nb: 2\n"),
        ("\n\na: 1\n", "a: 1\n"),
        ("\ufeffa: 1\r\nb: 2\r\n", "a: 1\nb: 2\n"),
        ("a: 1 # why\n#why not\nb: 2\n", "a: 1  # why\n# why not\nb: 2\n"),
        ("a: 1    # lined up\nbb: 2   # with it\n", "a: 1    # lined up\nbb: 2   # with it\n"),
        ("a: {b: 1,c: [ 2,3 ] }\n", "a: {b: 1, c: [2, 3]}\n"),
        ("a: {b:   1}\n", "a: {b: 1}\n"),
        ("a: {}\nb: [ ]\n", "a: {}\nb: []\n"),
        ("a:\n    b:\n        c: 1\n", "a:\n  b:\n    c: 1\n"),
        ("a:\n- b: 1\n  c: 2\n- d: 3\n", "a:\n  - b: 1\n    c: 2\n  - d: 3\n"),
        ("a:\n  -   b: 1\n      c: 2\n", "a:\n  - b: 1\n    c: 2\n"),
        ("a:\n    # of b\n    b: 1\n    # of nothing\n", "a:\n  # of b\n  b: 1\n  # of nothing\n"),
        ("a:\n- # first\n  b: 1\n", None),
        ("a:\n      {b: 1,\n       c: 2}\n", "a:\n  {b: 1,\n   c: 2}\n"),
        ("a:\n    b: |\n        one\n          two  \n\n\n        three\n",
         "a:\n  b: |\n      one\n        two  \n\n\n      three\n"),
        ("a: 'it''s'\nb: \"# no comment\"\nc: x#y\n", "a: 'it''s'\nb: \"# no comment\"\nc: x#y\n"),
        ("a: &x {b: 1}\nc: *x\n", None),
        ("w:\n  [ 1,  2,  # a\n    3,  4 ] # b\n", "w:\n  [ 1,  2,  # a\n    3,  4 ]  # b\n"),
        ("", "\n"),
    ],
)  # fmt: skip
def test_form(before: str, after: str | None) -> None:
    """None: whatever comes out, with the same values."""
    found = formatted(before)
    assert after is None or found == after
    assert values(found) == values(before)
    assert formatted(found) == found


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "- 1\n", "a: 1\n---\nb: 2\n"])
def test_what_the_compiler_cannot_read_is_not_touched(text: str) -> None:
    with pytest.raises(Unreadable):
        formatted(text)


@pytest.mark.parametrize("file", [*EXAMPLES, *STARTERS], ids=lambda f: f"{f.parts[-3]}-{f.name}")
def test_the_project_s_own_catalogs_are_in_form(file: Path) -> None:
    text = file.read_bytes().decode()
    assert formatted(text) == text


def test_a_rumpled_catalog_gives_the_same_bundle_and_keeps_its_comments(tmp_path: Path) -> None:
    rumpled, ironed = tmp_path / "rumpled", tmp_path / "ironed"
    for folder in (rumpled, ironed):
        folder.mkdir()
    for file in (ROOT / "examples" / "store" / "catalog").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        worse = text.replace("\n", "  \n\n\n").replace(": {", ":   { ").replace("- {id", "-   {id")
        now = formatted(worse)
        (rumpled / file.name).write_bytes(worse.encode())
        (ironed / file.name).write_bytes(now.encode())
        words = [line.split("# ", 1)[1].strip() for line in text.splitlines() if "# " in line]
        assert all(each in now for each in words)
        assert "-   {" not in now
    assert compile_catalog(ironed).data == compile_catalog(rumpled).data


# --- properties ---------------------------------------------------------------

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-999, 999), st.decimals(-99, 99, places=2),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
)  # fmt: skip
KEYS = st.text("abcdef", min_size=1, max_size=3)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)
        ),
        max_leaves=12,
    ),
    min_size=1, max_size=4,
)  # fmt: skip
NOISE = st.lists(st.sampled_from(["", "# a note", "#tight", "   "]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(tree=TREES, noise=NOISE, indent=st.sampled_from([1, 2, 3]), crlf=st.booleans())
def test_any_tree_keeps_values_and_comments_and_formatting_again_changes_nothing(
    tree: dict[str, object], noise: list[str], indent: int, crlf: bool
) -> None:
    lines = block(tree, 0).split("\n")
    text = []
    for number, line in enumerate(lines):
        depth = len(line) - len(line.lstrip(" "))
        if number < len(noise):
            text.append(noise[number])
        text.append(" " * (depth * indent if indent != 1 else depth) + line.lstrip(" "))
    before = ("\r\n" if crlf else "\n").join(text) + "\n"
    top, found = read_nodes(before, "")
    if top is None or found:  # a deeper indent does not suit every list behind a dash
        with pytest.raises(Unreadable):
            formatted(before)
        return
    after = formatted(before)
    assert values(after) == plain(top)
    assert after.count("# a note") == before.count("# a note")
    assert after.count("# tight") == before.count("#tight")
    assert formatted(after) == after


@pytest.mark.parametrize("text", ["offers:\n  ?    a\n  :    1\n", "? a\n: 1\n"])
def test_a_key_behind_a_question_mark_is_refused_and_never_called_canonical(text: str) -> None:
    with pytest.raises(Unreadable, match="no canonical form"):
        formatted(text)
    assert formatted("what?: 1\nwhy: {? a : 1}\n") == "what?: 1\nwhy: {a: 1}\n"
