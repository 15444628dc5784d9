"""The catalog's JSON Schema: the committed file, the examples, and what it refuses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from control_plane.cli.init import STARTER
from policy_compiler.catalog import Catalog, Model, Term
from policy_compiler.diagnostics import errors_of
from policy_compiler.nodes import AnyNode, Mapping, Scalar
from policy_compiler.schema import EDITOR_COMMENT, SCHEMA_FILE, catalog_schema, export
from policy_compiler.source import read_catalog
from policy_compiler.yaml_text import read_nodes
from tests.policy_compiler.samples import FILES, diagnose, offer_with, write_catalog
from tests.support.cli import proffer
from tests.support.parts import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*/catalog/*.yaml"))
STARTERS = sorted((ROOT / "control_plane" / "cli" / "starter").glob("*.yaml"))
POLICIES = sorted((ROOT / "tests" / "conformance" / "policies").glob("*/*.yaml"))
VALIDATOR = Draft202012Validator(catalog_schema())


def plain(node: AnyNode) -> Any:
    """A file's nodes as JSON has them."""
    if isinstance(node, Scalar):
        return float(node.value) if isinstance(node.value, Decimal) else node.value
    if isinstance(node, Mapping):
        return {name: plain(entry.node) for name, entry in node.entries.items()}
    return [plain(item) for item in node.items]


def complaints(text: str) -> list[str]:
    top, found = read_nodes(text, "file.yaml")
    assert top is not None and not found
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(plain(top))]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_the_committed_file_is_what_the_structs_say() -> None:
    assert (ROOT / "schema" / SCHEMA_FILE).read_bytes() == export(), (
        "run: proffer schema -o schema/catalog.schema.json"
    )


def test_the_schema_is_a_schema_with_a_stable_name() -> None:
    schema = catalog_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:proffer:schema:catalog:0"


def test_every_field_that_has_a_text_in_the_source_has_it_in_the_schema() -> None:
    definitions = catalog_schema()["$defs"]
    holdout, offer = definitions["Holdout"], definitions["Offer"]["properties"]
    assert holdout["description"].startswith("A share of units that sees the default")
    assert offer["expires_after_s"]["description"] == "Life of the token from its issue."
    for name, definition in definitions.items():
        if definition.get("type") == "object":
            assert definition["additionalProperties"] is False, name


@pytest.mark.parametrize("file", [*EXAMPLES, *STARTERS, *POLICIES], ids=name_of)
def test_every_catalog_of_the_project_fits(file: Path) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_sample_catalog_fits(text: str) -> None:
    assert complaints(text) == []


def test_whole_catalogs_fit_their_own_definition() -> None:
    whole = {"$ref": "#/$defs/Catalog", "$defs": catalog_schema()["$defs"]}
    source = read_catalog(ROOT / "examples" / "store" / "catalog")
    assert list(Draft202012Validator(whole).iter_errors(plain(source.root))) == []
    del source.root.entries["offers"]
    assert [e.message for e in Draft202012Validator(whole).iter_errors(plain(source.root))]


# --- what both refuse ---------------------------------------------------------

RUNG = "rungs: [{id: ten, percent: 10, cap: 40.00}]"
BROKEN: dict[str, dict[str, str]] = {
    "a misspelt key": {"offers": offer_with("prioritty: 3")},
    "a text for a number": {"offers": offer_with("priority: high")},
    "a number with a unit": {"offers": offer_with("rungs: [{id: ten, percent: 10%}]")},
    "an unknown kind": {"offers": offer_with("kind: percentage")},
    "a size without its field": {"offers": offer_with("rungs: [{id: ten, amount: 5}]")},
    "no size at all": {"offers": offer_with("rungs: []")},
    "a missing title": {"offers": offer_with().replace("    title: Ten", "    # title: Ten")},
    "a name with blanks": {"offers": offer_with().replace("id: welcome", "id: wel come")},
    "a name that is taken": {"offers": offer_with().replace("id: welcome", "id: none")},
    "a list where one text stands": {"offers": offer_with("group: [a]")},
    "a placement twice": {"offers": offer_with("placements: [hero, hero]")},
    "a day that is none": {"offers": offer_with("window: {weekdays: [8]}")},
    "half a daypart": {"offers": offer_with("window: {hours: [[8]]}")},
    "a cap of nothing": {"offers": offer_with("caps: [{count: 0}]")},
    "an unknown top-level key": {"more": "offer: []\n"},
    "an attribute without dot": {"more": "attributes: {total: {type: int}}\n"},
    "an attribute of no type": {"more": "attributes: {cart.x: {source: edge}}\n"},
    "an unknown label": {"more": "attributes: {cart.x: {type: int, labels: [secret]}}\n"},
    "a rank below zero": {"placements": "placements: {hero: {title: Hero, rank: -1}}\n"},
    "a locale that is none": {"shop": FILES["shop.yaml"].replace("[en-US]", "[english please]")},
    "a currency that is none": {"shop": FILES["shop.yaml"].replace("USD", "dollars")},
    "bins of the former form": {
        "more": "models: {m: {link: identity, terms: [{attribute: cart.items, bins: [1]}]}}\n"
    },
    "a cut that is text": {
        "more": "models: {m: {link: identity, terms: [{attribute: cart.items, cuts: [a]}]}}\n"
    },
}


@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_by_schema_and_compiler(
    files: dict[str, str], tmp_path: Path
) -> None:
    assert any(complaints(text) for text in files.values())
    assert errors_of(diagnose(write_catalog(tmp_path / "catalog", **files)))


# --- editors ------------------------------------------------------------------


@pytest.mark.parametrize("file", EXAMPLES, ids=name_of)
def test_the_first_line_of_an_example_leads_an_editor_to_the_schema(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(EDITOR_COMMENT)
    target = (file.parent / first.removeprefix(EDITOR_COMMENT)).resolve()
    assert target == ROOT / "schema" / SCHEMA_FILE


def test_a_new_catalog_brings_the_schema_that_its_files_name(tmp_path: Path) -> None:
    assert proffer("init", tmp_path / "shop").code == 0
    for name in STARTER:
        if name.endswith(".yaml"):
            first = (tmp_path / "shop" / name).read_text().splitlines()[0]
            named = tmp_path / "shop" / first.removeprefix(EDITOR_COMMENT)
            assert first.startswith(EDITOR_COMMENT) and named.read_bytes() == export()


# --- the same objects through msgspec -----------------------------------------


@pytest.mark.parametrize("example", ["store", "grocer"])
def test_catalogs_and_models_come_back_whole_from_json(example: str) -> None:
    catalog = read_catalog(ROOT / "examples" / example / "catalog").catalog
    assert catalog is not None
    assert msgspec.json.decode(msgspec.json.encode(catalog), type=Catalog) == catalog
    for model in catalog.models.values():
        assert msgspec.json.decode(msgspec.json.encode(model), type=Model) == model


def test_a_value_that_looks_like_a_number_stays_text() -> None:
    term = Term(attribute="geo.area", values=["10", "0x1"], weights=[Decimal("0.10")] * 4)
    assert msgspec.json.decode(msgspec.json.encode(term), type=Term) == term
