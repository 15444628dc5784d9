"""Reading a folder of YAML: objects, places, and every way a file can be wrong."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML, scalarstring

from policy_compiler.catalog import Catalog
from policy_compiler.diagnostics import Diagnostic
from policy_compiler.nodes import Scalar
from policy_compiler.source import Source, read_catalog, source_of_objects
from policy_compiler.spelling import offset_in_file
from policy_compiler.yaml_text import read_nodes
from tests.policy_compiler.samples import (
    FILES,
    OFFER,
    codes,
    offer_with,
    write_catalog,
)


def read(tmp_path: Path, **files: str | None) -> Source:
    return read_catalog(write_catalog(tmp_path / "catalog", **files))


def catalog_of(source: Source) -> Catalog:
    assert source.diagnostics == []
    assert source.catalog is not None
    return source.catalog


def only(source: Source) -> Diagnostic:
    assert len(source.diagnostics) == 1, source.diagnostics
    assert source.catalog is None
    return source.diagnostics[0]


# --- what is read -------------------------------------------------------------


def test_a_folder_becomes_a_catalog(tmp_path: Path) -> None:
    catalog = catalog_of(read(tmp_path))
    assert catalog.shop.tenant == "harbor"
    assert catalog.offers[0].rungs[0].cap == Decimal("40.00")
    assert sorted(catalog.attributes)[0] == "cart.discount"


def test_decimals_come_from_their_text_and_never_were_floats(tmp_path: Path) -> None:
    text = offer_with("rungs: [{id: a, percent: 0.1}, {id: b, percent: 1e1}, {id: c, percent: 3}]")
    rungs = catalog_of(read(tmp_path, offers=text)).offers[0].rungs
    assert [rung.percent for rung in rungs] == [Decimal("0.1"), Decimal(10), Decimal(3)]
    assert all(type(rung.percent) is Decimal for rung in rungs)
    precise = "12345678901234.123456789012"
    model = f"models: {{m: {{link: identity, constant: {precise}}}}}"
    assert str(catalog_of(read(tmp_path, models=model)).models["m"].constant) == precise


def test_a_quoted_number_is_a_decimal_where_only_a_number_can_stand(tmp_path: Path) -> None:
    catalog = catalog_of(read(tmp_path, offers=offer_with('rungs: [{id: a, percent: "7.5"}]')))
    assert catalog.offers[0].rungs[0].percent == Decimal("7.5")


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "1_000", "١٢", "1e3", "", "0x10"])
def test_other_quoted_texts_are_no_numbers(tmp_path: Path, text: str) -> None:
    found = only(read(tmp_path, offers=offer_with(f'rungs: [{{id: a, percent: "{text}"}}]')))
    assert found.code == "P112"


def test_words_and_dates_stay_text_as_yaml_1_2_says(tmp_path: Path) -> None:
    extra = (
        "%YAML 1.1\n---\nattributes:\n  geo.land: {type: string, values: [NO, yes, on, 2026-11-27]}"
    )
    attribute = catalog_of(read(tmp_path, extra=extra)).attributes["geo.land"]
    assert attribute.values == ["NO", "yes", "on", "2026-11-27"]
    window = catalog_of(
        read(tmp_path, extra=None, offers=offer_with("window: {start: 2026-11-27}"))
    )
    assert window.offers[0].window.start == "2026-11-27"


def test_keys_are_text_even_if_they_look_like_numbers(tmp_path: Path) -> None:
    table = "{attribute: customer.tier, values: {5: 1, true: 2, 1.50: 3}, otherwise: 4}"
    text = offer_with(f"rungs: [{{id: a, cost_table: {table}}}]", "kind: shipping")
    found = catalog_of(read(tmp_path, offers=text)).offers[0].rungs[0].cost_table
    assert found and list(found.values) == ["5", "true", "1.50"]


def test_hexadecimal_and_octal_numbers_are_read(tmp_path: Path) -> None:
    text = offer_with("priority: 0x1F", "expires_after_s: 0o17")
    offer = catalog_of(read(tmp_path, offers=text)).offers[0]
    assert (offer.priority, offer.expires_after_s) == (31, 15)


def test_anchors_and_merges_are_resolved(tmp_path: Path) -> None:
    text = OFFER.replace("{headline: Welcome, href: /welcome}", "&c {headline: Hi, href: /a}") + (
        "  - id: again\n"
        "    title: Again\n"
        "    kind: percent\n"
        "    placements: [hero]\n"
        "    rungs: [{id: a, percent: 5}]\n"
        "    creatives: {hero: {en-US: {<<: *c, href: /b}}}\n"
    )
    creative = catalog_of(read(tmp_path, offers=text)).offers[1].creatives["hero"]["en-US"]
    assert (creative.headline, creative.href) == ("Hi", "/b")


def test_files_are_merged_whatever_they_are_called_and_wherever_they_lie(tmp_path: Path) -> None:
    one = catalog_of(read(tmp_path / "a"))
    folder = tmp_path / "b" / "deep" / "er"
    folder.mkdir(parents=True)
    names = ["z.yaml", "m.yml", "deep/k.yaml", "deep/er/a.yml"]
    for name, text in zip(names, FILES.values(), strict=True):
        (tmp_path / "b" / name).write_text(text)
    (tmp_path / "b" / "notes.txt").write_text("[")
    (tmp_path / "b" / ".hidden.yaml").write_text("[")
    (tmp_path / "b" / ".git").mkdir()
    (tmp_path / "b" / ".git" / "x.yaml").write_text("[")
    assert catalog_of(read_catalog(tmp_path / "b")) == one


def test_a_single_file_is_a_catalog_too(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("".join(FILES.values()))
    assert catalog_of(read_catalog(file)) == catalog_of(read(tmp_path))
    assert read_catalog(file).position("shop").file == "all.yaml"


def test_mappings_are_merged_key_by_key_and_offers_one_after_the_other(tmp_path: Path) -> None:
    more = (
        "shop: {horizon_years: 2}\noffers:\n" + OFFER.replace("welcome", "second").split("\n", 1)[1]
    )
    source = read(tmp_path, zz=more)
    catalog = catalog_of(source)
    assert catalog.shop.horizon_years == 2
    assert [offer.id for offer in catalog.offers] == ["welcome", "second"]
    assert source.position("offers[1].id") == ("zz.yaml", 3, 9)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    folder = write_catalog(tmp_path / "catalog")
    text = "\ufeff" + OFFER.replace("\n", "\r\n")
    (folder / "offers.yaml").write_bytes(text.encode())
    source = read_catalog(folder)
    assert catalog_of(source).offers[0].id == "welcome"
    assert source.position("offers[0].eligible") == ("offers.yaml", 7, 15)


def test_empty_files_and_empty_sections_count_for_nothing(tmp_path: Path) -> None:
    catalog_of(read(tmp_path, empty="", comment="# nothing\n", section="rules:\ngroups:\n"))


def test_plain_objects_make_the_same_catalog() -> None:
    objects = {
        "shop": {
            "tenant": "harbor",
            "title": "Harbor",
            "currency": {"code": "USD"},
            "locales": ["en-US"],
            "zone": "UTC",
            "economics": {
                "order_value": "cart.total",
                "order_value_otherwise": 80.1,
                "margin_percent": "40",
            },
        },
        "attributes": {"cart.total": {"type": "decimal", "money": True, "maximum": 5000}},
        "placements": {},
        "offers": [],
    }
    source = source_of_objects(objects)
    assert catalog_of(source).shop.economics.order_value_otherwise == Decimal("80.1")
    assert source.position("shop.tenant") == ("catalog", 1, 1)


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ([], "P112"),
        ({"shop": {"title": "\ud800"}}, "P103"),
        ({"shop": float("nan")}, "P109"),
        ({"shop": object()}, "P108"),
    ],
)
def test_plain_objects_that_are_no_catalog_are_refused(objects: object, code: str) -> None:
    assert code in codes(source_of_objects(objects).diagnostics)


def test_plain_objects_cannot_nest_without_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert codes(source_of_objects({"offers": endless}).diagnostics) == ["P106"]


# --- places -------------------------------------------------------------------


def test_every_path_has_its_place(tmp_path: Path) -> None:
    source = read(tmp_path)
    assert source.position("offers[0].rungs[0].cap") == ("offers.yaml", 6, 41)
    assert source.position("offers[0].rungs") == ("offers.yaml", 6, 5)
    assert source.position('attributes["cart.total"].maximum') == ("attributes.yaml", 2, 63)
    assert source.position('attributes["cart.total"]') == ("attributes.yaml", 2, 3)
    assert source.position("shop.economics.margin_percent") == ("shop.yaml", 10, 21)


def test_a_path_that_leads_nowhere_has_the_place_of_what_is_around_it(tmp_path: Path) -> None:
    source = read(tmp_path)
    assert source.position("offers[0].rungs[7].cap") == source.position("offers[0].rungs")
    assert source.position("offers[0].window.start") == source.position("offers[0]")
    assert source.position("shop.title.x.y[3]") == source.position("shop.title")
    assert source.position("") == source.position("nothing.of.the.kind")


RULE_STYLES = {
    "plain": ("eligible: a.b && c.d\n", [(1, 11), (1, 18)]),
    "plain over two lines": ("eligible: a.b &&\n    c.d\n", [(1, 11), (2, 5)]),
    "single quotes": ("eligible: 'a.b && ''x'' && c.d'\n", [(1, 12), (1, 28)]),
    "double quotes": ('eligible: "a.b \\u0026& \\"x\\" && c.d"\n', [(1, 12), (1, 33)]),
    "double quotes over lines": ('eligible: "a.b \\\n    && c.d"\n', [(1, 12), (2, 8)]),
    "literal block": ("eligible: |\n    a.b\n      && c.d\n", [(2, 5), (3, 10)]),
    "folded block": ("eligible: >- # why\n    a.b\n    && c.d\n", [(2, 5), (3, 8)]),
    "folded block with blank line": ("eligible: >\n    a.b\n\n    && c.d\n", [(2, 5), (4, 8)]),
    "block with indentation mark": ("eligible: |2-\n    a.b\n    && c.d\n", [(2, 5), (3, 8)]),
    "characters outside the BMP": ("eligible: a.b && '😀' && c.d\n", [(1, 11), (1, 25)]),
    "in braces": ("{eligible: a.b && c.d, id: x}\n", [(1, 12), (1, 19)]),
}


@pytest.mark.parametrize("style", RULE_STYLES)
def test_characters_of_a_rule_are_found_in_the_file(style: str, tmp_path: Path) -> None:
    text, places = RULE_STYLES[style]
    lines = text.splitlines()
    file = tmp_path / "offers.yaml"
    indented = "\n".join([f"- {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])])
    file.write_text(f"offers:\n{indented}\n")
    source = read_catalog(file)
    rule = source.rule_texts["offers[0].eligible"]
    expected = [("offers.yaml", line + 1, column + 2) for line, column in places]
    found = [source.position_in("offers[0].eligible", rule.index(word)) for word in ("a.b", "c.d")]
    assert found == expected


def test_the_end_of_a_rule_has_a_place_as_well(tmp_path: Path) -> None:
    source = read(tmp_path, offers=offer_with("eligible: a &&"))
    line, column = source.position_in("offers[0].eligible", 4)[1:]
    assert source.texts["offers.yaml"].split("\n")[line - 1][: column - 1].endswith("a &&")


@given(st.data())
def test_any_text_in_any_style_keeps_its_places(data: st.DataObject) -> None:
    alphabet = st.sampled_from("ab &|!\"'\\.\n#é😀")
    text = data.draw(st.text(alphabet, min_size=1, max_size=40))
    style = data.draw(st.sampled_from(["'", '"', "|", ">"]))
    dumped = _dumped(text, style)
    top, found = read_nodes(dumped, "f.yaml")
    assert top is not None and not found
    node = top.entries["k"].node
    assert isinstance(node, Scalar) and node.value == text
    raw = dumped[node.start : node.end]
    for offset, char in enumerate(text):
        index = offset_in_file(raw, text, node.style, offset)
        assert index is not None
        if char not in " \n" and raw[index] != "\\":
            assert raw[index] == char


def _dumped(text: str, style: str) -> str:
    kinds = {
        "'": scalarstring.SingleQuotedScalarString,
        '"': scalarstring.DoubleQuotedScalarString,
        "|": scalarstring.LiteralScalarString,
        ">": scalarstring.FoldedScalarString,
    }
    out = io.StringIO()
    YAML().dump({"k": kinds[style](text)}, out)
    return out.getvalue()
