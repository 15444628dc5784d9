"""Edits of single offers leave all other lines alone; merges keep what either side did."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.drafting.edits import (
    ValueEdit,
    edit_values,
    offer_of,
    put_offer,
    remove_offer,
)
from control_plane.drafting.merging import merge
from control_plane.errors import Refused

TEXT = """\
# What we sell with.
offers:
  # the old faithful
  - id: ten   # do not rename
    title: "Ten"
    rungs:
      - {id: a, percent: 10.00}
  - id: five
    title: Five
"""
FILES = {"offers.yaml": TEXT.encode(), "shop.yaml": b"shop: {tenant: t}\r\n"}


def lines_changed(after: dict[str, bytes]) -> list[str]:
    found = difflib.ndiff(TEXT.splitlines(), after["offers.yaml"].decode().splitlines())
    return [line for line in found if line[0] in "+-"]


def edit(op: Any, path: str, value: Any = None) -> ValueEdit:
    return ValueEdit(op=op, path=path, value=value)


def test_a_value_is_set_in_its_line() -> None:
    after = edit_values(FILES, [edit("set", "offers[ten].rungs[a].percent", 12.5)])
    assert lines_changed(after) == [
        "-       - {id: a, percent: 10.00}",
        "+       - {id: a, percent: 12.5}",
    ]
    assert after["shop.yaml"] is FILES["shop.yaml"]


def test_all_edits_or_none() -> None:
    edits = [edit("set", "offers[ten].title", "X"), edit("remove", "offers[seven]")]
    with pytest.raises(Refused) as refused:
        edit_values(FILES, edits)
    assert refused.value.name == "edit-refused" and refused.value.help


def test_an_offer_is_written_field_by_field() -> None:
    same = {"title": "Ten", "rungs": [{"id": "a", "percent": 10.0}]}
    assert put_offer(FILES, "ten", same) == FILES
    after = put_offer(FILES, "ten", same | {"title": "Tenner", "priority": 3})
    assert lines_changed(after) == [
        '-     title: "Ten"',
        "+     title: Tenner",
        "+     priority: 3",
    ]
    assert offer_of(after, "ten") == {
        "id": "ten", "title": "Tenner", "rungs": [{"id": "a", "percent": Decimal("10.00")}],
        "priority": 3,
    }  # fmt: skip
    assert lines_changed(put_offer(FILES, "five", {})) == ["-     title: Five"]


def test_a_new_offer_goes_to_the_end_and_can_be_taken_out_again() -> None:
    after = put_offer(FILES, "new", {"title": "New", "placements": ["hero"]})
    assert [line[0] for line in lines_changed(after)] == ["+", "+", "+"]
    assert remove_offer(after, "new") == FILES


@pytest.mark.parametrize(
    ("offer", "fields"), [("ten", {"id": "eleven"}), ("10", {}), ("ten", {"title": 1e300})]
)
def test_what_cannot_be_written_is_refused(offer: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        put_offer(FILES, offer, fields)
    assert refused.value.name == "edit-refused"


@pytest.mark.parametrize("data", [b"offers: [", b"\xff\xfe ten", b"[" * 5_000 + b" ten offers"])
def test_a_file_that_cannot_be_read_refuses_edits_and_says_so(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        put_offer({"offers.yaml": data}, "ten", {"title": "x"})
    assert refused.value.name == "edit-refused"


def test_there_is_no_such_offer_to_remove() -> None:
    with pytest.raises(Refused) as refused:
        remove_offer(FILES, "seven")
    assert refused.value.name == "unknown-offer"


# --- merging ------------------------------------------------------------------

BASE = {"a.yaml": b"1\n2\n3\n4\n5\n6\n", "b.yaml": b"b\n"}


def test_changes_of_other_lines_and_files_go_together() -> None:
    mine = {**BASE, "a.yaml": b"one\n2\n3\n4\n5\n6\n", "new.yaml": b"n\n"}
    theirs = {"a.yaml": b"1\n2\n3\n4\nfive\nand more\n6\n"}
    merged = merge(BASE, mine, theirs)
    assert merged.conflicts == []
    assert merged.files == {"a.yaml": b"one\n2\n3\n4\nfive\nand more\n6\n", "new.yaml": b"n\n"}


def test_changes_of_one_line_conflict_until_somebody_decides() -> None:
    mine, theirs = (
        {**BASE, "a.yaml": b"1\n2\nX\n4\n5\n6\n"},
        {**BASE, "a.yaml": b"1\n2\nY\n4\n5\n6\n"},
    )
    (conflict,) = merge(BASE, mine, theirs).conflicts
    assert (conflict.path, conflict.line) == ("a.yaml", 3)
    assert merge(BASE, mine, theirs, {"a.yaml": "mine"}).files == mine
    assert merge(BASE, mine, theirs, {"a.yaml": "theirs"}).files == theirs


def test_removing_what_another_changed_conflicts() -> None:
    mine, theirs = {"b.yaml": b"b\n"}, {**BASE, "a.yaml": b"1\n"}
    (conflict,) = merge(BASE, mine, theirs).conflicts
    assert (conflict.path, conflict.line) == ("a.yaml", 0)
    assert merge(BASE, mine, theirs, {"a.yaml": "mine"}).files == mine


texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n"]), max_size=8).map(b"".join)


@given(texts, texts, texts)
def test_a_merge_keeps_what_one_side_alone_did(base: bytes, mine: bytes, theirs: bytes) -> None:
    def merged(*sides: bytes) -> Any:
        old, ours, others = ({"f.yaml": side} for side in sides)
        return merge(old, ours, others)

    assert merged(base, mine, base).files == {"f.yaml": mine}
    assert merged(base, base, theirs).files == {"f.yaml": theirs}
    assert merged(base, mine, mine).files == {"f.yaml": mine}
    one, other = merged(base, mine, theirs), merged(base, theirs, mine)
    assert one.files == other.files and bool(one.conflicts) == bool(other.conflicts)
