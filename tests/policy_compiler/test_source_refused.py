"""Every way a catalog's files can be wrong, and bombs among them."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_compiler.diagnostics import Diagnostic
from policy_compiler.source import Source, read_catalog
from tests.policy_compiler.samples import (
    ATTRIBUTES,
    OFFER,
    PLACEMENTS,
    SHOP,
    codes,
    offer_with,
    write_catalog,
)


def read(tmp_path: Path, **files: str | None) -> Source:
    return read_catalog(write_catalog(tmp_path / "catalog", **files))


def only(source: Source) -> Diagnostic:
    assert len(source.diagnostics) == 1, source.diagnostics
    assert source.catalog is None
    return source.diagnostics[0]


def test_several_errors_of_several_objects_show_at_once(tmp_path: Path) -> None:
    offers = offer_with("priority: high", "prority: 5", "rungs: [{id: a, percent: x, capp: 3}]")
    attributes = ATTRIBUTES.replace("type: int}", "type: integer}")
    source = read(tmp_path, offers=offers, attributes=attributes, placements="placements: {p: 5}")
    assert [(each.code, each.path) for each in source.diagnostics] == [
        ("P112", 'attributes["cart.items"].type'),
        ("P112", "offers[0].priority"),
        ("P110", "offers[0].prority"),
        ("P112", "offers[0].rungs[0].percent"),
        ("P110", "offers[0].rungs[0].capp"),
        ("P112", "placements.p"),
    ]
    helps = [each.help for each in source.diagnostics]
    assert "`int`" in helps[0] and "`priority`" in helps[2] and "`cap`" in helps[4]


def test_a_broken_object_hides_no_whole_one(tmp_path: Path) -> None:
    source = read(tmp_path, placements=PLACEMENTS + "  broken: {title: 5}\n")
    assert set(source.parts.placements) == {"hero"}
    assert source.named["placements"] == {"hero", "broken"}
    assert source.parts.offers[0].id == "welcome"


def test_a_key_given_in_two_files_names_both_places(tmp_path: Path) -> None:
    found = only(read(tmp_path, zz="attributes:\n  cart.items: {type: int}\n"))
    assert (found.code, found.file, found.line, found.column) == ("P105", "zz.yaml", 2, 3)
    assert "attributes.yaml:4:3" in found.message


def test_missing_sections_are_named(tmp_path: Path) -> None:
    source = read(tmp_path, shop=None, offers=None)
    assert [(each.code, each.path) for each in source.diagnostics] == [
        ("P111", "offers"),
        ("P111", "shop"),
    ]


def test_an_unreadable_file_raises_no_errors_about_what_it_may_hold(tmp_path: Path) -> None:
    source = read(tmp_path, attributes="attributes: [")
    assert source.unreadable
    assert codes(source.diagnostics) == ["P104"]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("rules:\n  a: [1\n", "P104", 3, 1),
        ("rules:\n\ta: b\n", "P104", 2, 1),
        ("rules: {}\n---\nrules: {}\n", "P104", 2, 1),
        ('rules: {a: "\\U00110000"}\n', "P104", 1, 1),
        ("rules: {a: \x00}\n", "P104", 1, 12),
        ("- a\n", "P112", 1, 1),
        ("just text\n", "P112", 1, 1),
        ("rules: text\n", "P112", 1, 8),
        ("offers: {}\n", "P112", 1, 9),
        ("rulez: {}\n", "P110", 1, 1),
        ("rules: {a: b, a: c}\n", "P105", 1, 15),
        ("rules: {? [a] : b}\n", "P108", 1, 11),
        ("rules: {a: !!binary YQ==}\n", "P108", 1, 12),
        ("rules: {a: !!int x}\n", "P108", 1, 12),
        ("groups: !odd {}\n", "P108", 1, 9),
        ("groups: {<<: [1]}\n", "P107", 1, 15),
        ("groups: &a {b: *a}\n", "P107", 1, 16),
        ("budgets: {b: {amount: .nan}}\n", "P109", 1, 23),
        ("budgets: {b: {amount: 1e999999}}\n", "P109", 1, 23),
        ("budgets: {b: {amount: 0.0000000000001}}\n", "P109", 1, 23),
        (f"budgets: {{b: {{amount: {'9' * 5000}}}}}\n", "P109", 1, 23),
        ("budgets: {b: {amount: true}}\n", "P112", 1, 23),
        ("budgets: {b: {amount: 1, period_s: 1.0}}\n", "P112", 1, 36),
        ("budgets: {b: {amount: }}\n", "P112", 1, 22),
        ("rules: {a: 5}\n", "P112", 1, 12),
        ("rules: {a: [b]}\n", "P112", 1, 12),
        ("rules: {a-b: c.d}\n", "P113", 1, 9),
        ("rules: {package: c.d}\n", "P113", 1, 9),
        ("groups: {none: {}}\n", "P113", 1, 10),
        (f"groups: {{{'g' * 65}: {{}}}}\n", "P113", 1, 10),
    ],
)
def test_a_broken_file_is_told_with_its_place(
    text: str, code: str, line: int, column: int, tmp_path: Path
) -> None:
    found = only(read(tmp_path, broken=text))
    assert (found.code, found.file, found.line, found.column) == (
        code,
        "broken.yaml",
        line,
        column,
    )


@pytest.mark.parametrize(
    "name",
    [
        "total",
        "Cart.total",
        "cart.",
        ".total",
        "cart.true",
        "in.cart",
        "rules.x",
        "1cart.x",
        "a-b.c",
    ]
    + ["sets.x", "timestamp.x", "cart..x", "cart.1", f"cart.{'x' * 60}"],
)
def test_attributes_with_unusable_names_are_refused(name: str, tmp_path: Path) -> None:
    found = only(read(tmp_path, more=f'attributes: {{"{name}": {{type: int}}}}'))
    assert found.code == "P113"


def test_offers_and_rungs_with_unusable_names_are_refused(tmp_path: Path) -> None:
    text = OFFER.replace("id: welcome", "id: Welcome").replace("id: ten", "id: a/b")
    found = read(tmp_path, offers=text).diagnostics
    assert [(each.code, each.path) for each in found] == [
        ("P113", "offers[0].id"),
        ("P113", "offers[0].rungs[0].id"),
    ]


def test_bytes_that_are_not_utf_8_are_told_with_their_place(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "catalog")
    (folder / "latin.yaml").write_bytes(b"groups:\n  caf" + b"\xe9: {}\n")
    found = only(read_catalog(folder))
    assert (found.code, found.line, found.column) == ("P103", 2, 6)


def test_names_of_files_need_not_be_unicode(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "catalog")
    with open(os.fsencode(folder) + b"/caf\xe9.yaml", "wb") as file:  # noqa: PTH123
        file.write(b"[")
    found = only(read_catalog(folder))
    assert found.file == "caf\ufffd.yaml"


def test_a_folder_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "catalog")
    os.mkfifo(folder / "pipe.yaml")
    assert only(read_catalog(folder)).code == "P114"


def test_a_folder_that_is_not_there_holds_no_catalog(tmp_path: Path) -> None:
    assert only(read_catalog(tmp_path / "nowhere")).code == "P101"


# --- bounds -------------------------------------------------------------------

BOMBS = {
    "brackets": "rules: " + "[" * 1_000_000,
    "braces": "rules: " + "{" * 100_000,
    "dashes": "- " * 100_000,
    "question marks": "? " * 100_000,
    "aliases": "rules:\n  - &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"  - &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(12)),
    "merges": "groups:\n  a0: &a0 {k: {}}\n"
    + "".join(f"  a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}\n" for i in range(12)),
    "deep aliases": "rules:\n  - &a0 []\n" + "".join(f"  - &a{i + 1} [*a{i}]\n" for i in range(70)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_left_early(bomb: str, tmp_path: Path) -> None:
    started = time.perf_counter()
    source = read(tmp_path, bomb=BOMBS[bomb])
    assert time.perf_counter() - started < 5
    assert {"P106", "P107"} & set(codes(source.diagnostics))


def test_sixty_levels_are_not_too_deep(tmp_path: Path) -> None:
    assert codes(read(tmp_path, deep="[" * 60 + "]" * 60).diagnostics) == ["P112"]
    assert codes(read(tmp_path, deep="[" * 61 + "]" * 61).diagnostics) == ["P106"]


# --- anything else ------------------------------------------------------------
# Invariant: whatever the files hold, read_catalog gives a Source, in which the
# catalog is there exactly if no diagnostic is an error; it never raises.


def survives(folder: Path, content: bytes) -> None:
    (folder / "fuzz.yaml").write_bytes(content)
    source = read_catalog(folder)
    assert (source.catalog is None) == any(d.severity == "error" for d in source.diagnostics)
    for found in source.diagnostics:
        assert found.line >= 1 and found.column >= 1 and found.message


@pytest.fixture(scope="module")
def fuzz_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(content=st.binary(max_size=200))
def test_random_bytes_never_crash(content: bytes, fuzz_folder: Path) -> None:
    survives(fuzz_folder, content)


@given(content=st.text(st.sampled_from("ab: -[]{}#&*!|>'\"%@`,?\n\t\\~0.1<")))
def test_random_yaml_never_crashes(content: str, fuzz_folder: Path) -> None:
    survives(fuzz_folder, content.encode())


WHOLE = SHOP + ATTRIBUTES + PLACEMENTS + OFFER
SCRAPS = ["\x00", "*a", "&a ", "<<: ", "[", "{", "}", "!!", "- ", ": ", "\t", "'", '"', "|\n", "~"]


@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 6))
def test_mutated_catalogs_never_crash(seed: int, rounds: int, fuzz_folder: Path) -> None:
    chance = random.Random(seed)
    text = WHOLE
    for _ in range(rounds):
        at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        to = min(to, at + 12)
        scrap = chance.choice([*SCRAPS, text[to : to + 8], str(10 ** chance.randrange(20))])
        text = text[:at] + scrap + text[to:]
    survives(fuzz_folder, text.encode("utf-8", "replace"))
