"""JSON Schema 2020-12 of the catalog, for editors and for whoever writes catalogs by program.

The schema is made from the Structs of `catalog.py`, so the two cannot drift apart:

    shape          objects, lists, which keys there are and which must be there
    enumerations   the Literals
    descriptions   docstrings of Structs and of their fields
    numbers        a decimal is a number, or text such as "12.50"

What annotations cannot say stands here: how objects may be named (`names.py`), bounds
that one value has by itself, and which fields a rung of each kind needs.  What relates
two objects (a placement that exists, a rule's types) only the compiler checks: every
catalog that compiles fits the schema, not the other way round.

The root describes *one file* of a folder, which may hold any of the top-level keys;
`$defs/Catalog` is the whole, as an API takes it.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import msgspec

from policy_compiler import catalog as authoring
from policy_compiler.catalog import Catalog
from policy_compiler.check import CURRENCY, HOST, LOCALE
from policy_compiler.check_offers import NEEDS
from policy_compiler.conversion import PLAIN_DECIMAL
from policy_compiler.names import ATTRIBUTE_NAME, LENGTH_MAX, NAME, RULE_NAME

SCHEMA_ID: Final = "urn:proffer:schema:catalog:0"
"""A change that refuses older catalogs counts it up."""
SCHEMA_FILE: Final = "catalog.schema.json"
EDITOR_COMMENT: Final = "# yaml-language-server: $schema="
"""First line of a YAML file; a path relative to the file follows."""

Json = dict[str, Any]

_NAMES: dict[str, Json] = {
    "Name": {"type": "string", "pattern": f"^{NAME.pattern}$", "not": {"const": "none"}},
    "AttributeName": {
        "type": "string",
        "pattern": f"^{ATTRIBUTE_NAME.pattern}$",
        "maxLength": LENGTH_MAX,
    },
    "RuleName": {"type": "string", "pattern": f"^{RULE_NAME.pattern}$", "maxLength": LENGTH_MAX},
    "Locale": {"type": "string", "pattern": f"^{LOCALE.pattern}$"},
    "Decimal": {
        "description": 'A number, or the same in quotes: 12.50, "12.50".',
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{PLAIN_DECIMAL.pattern}$"}],
    },
}
_KEYS = {
    ("Catalog", "attributes"): "AttributeName",
    ("Catalog", "rules"): "RuleName",
    **{("Catalog", kind): "Name" for kind in ("groups", "budgets", "models", "placements")},
    ("Offer", "creatives"): "Name",
}
"""Mappings whose keys are names of that form."""
_TEXTS = {
    ("Shop", "tenant"): "Name",
    ("Shop", "locales"): "Locale",
    ("Offer", "id"): "Name",
    ("Offer", "placements"): "Name",
    ("Offer", "group"): "Name",
    ("Offer", "budget"): "Name",
    ("Rung", "id"): "Name",
    ("Placement", "model"): "Name",
    ("Cap", "placement"): "Name",
}
"""Texts, lists of texts and optional texts of that form.  Attributes may also be derived
ones such as `age_s(cart.updated_at)`, so references to them have no form."""
_BOUNDS: dict[tuple[str, str], Json] = {
    ("Currency", "code"): {"pattern": f"^{CURRENCY.pattern}$"},
    ("Currency", "minor_digits"): {"minimum": 0, "maximum": 6},
    ("Shop", "locales"): {"minItems": 1},
    ("Shop", "horizon_years"): {"minimum": 1, "maximum": 10},
    ("Attribute", "scale"): {"minimum": 0, "maximum": 6},
    ("Placement", "slots"): {"minimum": 1, "maximum": 16},
    ("Placement", "rank"): {"minimum": 0, "maximum": 65535},
    ("Offer", "placements"): {"minItems": 1, "uniqueItems": True},
    ("Offer", "rungs"): {"minItems": 1},
    ("Offer", "expires_after_s"): {"minimum": 1},
    ("Offer", "max_policy_age_s"): {"minimum": 1},
    ("Cap", "count"): {"minimum": 1, "maximum": 255},
    ("Cap", "period_s"): {"minimum": 0},
}


@cache
def catalog_schema() -> Json:
    """The schema as plain objects."""
    (whole,), definitions = msgspec.json.schema_components([Catalog])
    named = {name: _finished(name, found) for name, found in definitions.items()}
    assert whole == {"$ref": "#/$defs/Catalog"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Proffer catalog",
        "description": "One file of a catalog's folder; all files of the folder are merged.",
        "type": "object",
        "properties": _may_be_empty(named["Catalog"]["properties"]),
        "additionalProperties": False,
        "$defs": {**_NAMES, **named},
    }


def export() -> bytes:
    """The schema's file: the same bytes whenever the Structs are the same."""
    return msgspec.json.format(msgspec.json.encode(catalog_schema()), indent=2) + b"\n"


def _may_be_empty(properties: Json) -> Json:
    """The reader takes a key with nothing below it as absent."""
    return {name: {"anyOf": [found, {"type": "null"}]} for name, found in properties.items()}


# --- one Struct ---------------------------------------------------------------


def _finished(name: str, made: Json) -> Json:
    texts = _field_texts()[name]
    found = dict(made)
    text = dedent(f"    {found.pop('description', '')}").strip()
    found = {"title": name, **({"description": text} if text else {}), **found}
    properties = found.get("properties", {})
    found["properties"] = {
        field: _property(name, field, _decimals(about), texts.get(field, ""))
        for field, about in properties.items()
    }
    if name == "Offer":
        found["allOf"] = [_of_kind(kind, groups) for kind, groups in NEEDS.items()]
    return found


def _property(name: str, field: str, about: Json, text: str) -> Json:
    if form := _TEXTS.get((name, field)):
        about = _with_text(about, {"$ref": f"#/$defs/{form}"})
    if keys := _KEYS.get((name, field)):
        about = {**about, "propertyNames": {"$ref": f"#/$defs/{keys}"}}
    if (name, field) == ("Shop", "hosts"):
        about = {**about, "items": {"type": "string", "pattern": f"^{HOST.pattern}$"}}
    if (name, field) == ("Window", "weekdays"):
        about = {**about, "items": {"type": "integer", "minimum": 1, "maximum": 7}}
    about = {**about, **_BOUNDS.get((name, field), {})}
    return {**about, "description": text} if text else about


def _with_text(about: Any, wanted: Json) -> Any:
    """`{"type": "string"}`, wherever it stands, becomes `wanted`."""
    if isinstance(about, list):
        return [_with_text(each, wanted) for each in about]
    if not isinstance(about, dict):
        return about
    if about.get("type") == "string":
        return {**{k: v for k, v in about.items() if k != "type"}, **wanted}
    return {key: _with_text(value, wanted) for key, value in about.items()}


def _decimals(about: Any) -> Any:
    """msgspec's form of a decimal becomes ours; a default becomes a number."""
    if isinstance(about, list):
        return [_decimals(each) for each in about]
    if not isinstance(about, dict):
        return about
    if about.get("format") != "decimal":
        return {key: _decimals(value) for key, value in about.items()}
    default = {"default": _number(about["default"])} if "default" in about else {}
    return {"$ref": "#/$defs/Decimal", **default}


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _of_kind(kind: str, groups: tuple[tuple[str, ...], ...]) -> Json:
    """What every rung of an offer of this kind has: one field of each group."""
    needs = [{"anyOf": [{"required": [field]} for field in group]} for group in groups]
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": {"rungs": {"items": {"allOf": needs}}}},
    }


# --- docstrings of fields -----------------------------------------------------


@cache
def _field_texts() -> dict[str, dict[str, str]]:
    """Struct -> field -> the text below it in the source, which Python itself drops."""
    tree = ast.parse(Path(inspect.getfile(authoring)).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {each.name: _texts_in(each) for each in classes}


def _texts_in(struct: ast.ClassDef) -> dict[str, str]:
    texts: dict[str, str] = {}
    for field, after in zip(struct.body, struct.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    texts[field.target.id] = inspect.cleandoc(text)
    return texts
