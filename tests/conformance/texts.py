"""Cases of what a page shows for a decision: `texts/`, for every home that expands verdicts.

texts/catalog.yaml     their policy, with texts
texts/policy.bundle    the same, compiled: `python -m tests.conformance.texts`
texts/cases.json       the cases, written by hand; README.md explains the fields
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from edge.decision.bundle import Bundle, open_bundle
from edge.decision.creatives import Shown
from edge.decision.hashing import word
from edge.decision.manifest import ManifestBlock, pack_manifest
from policy_compiler.compiling import compile_catalog
from tests.conformance.building import MANIFEST_DIGEST, with_keys
from tests.conformance.cases import HERE, Strict

FOLDER = HERE / "texts"
BUNDLE = FOLDER / "policy.bundle"
ISSUED_S = 1_772_600_000
BLOCK = pack_manifest(
    ManifestBlock(digest=MANIFEST_DIGEST, issued_s=ISSUED_S, expires_s=ISSUED_S + 100_000)
)


class TextCase(Strict, frozen=True, kw_only=True):
    """`pick` and `country` are attributes; `shown` is what must come out, `decision` and,
    for a fresh draw, `drawn_by` apart."""

    id: str
    description: str
    pick: str
    request: dict[str, Any]
    shown: dict[str, Any]
    country: str = ""


class Addresses(Strict, frozen=True):
    safe: list[str]
    unsafe: list[str]


class TextCases(Strict, frozen=True):
    base: dict[str, Any]
    cases: list[TextCase]
    addresses: Addresses
    notices: dict[str, str]


def text_cases() -> TextCases:
    return msgspec.json.decode((FOLDER / "cases.json").read_bytes(), type=TextCases)


def bundle() -> Bundle:
    return open_bundle(BUNDLE.read_bytes())


def request_text(base: dict[str, Any], case: TextCase) -> bytes:
    """The request's JSON; a kept choice of epoch "now" is one of the visitor's current epoch."""
    fields = base | case.request
    fields["attributes"] = {"visit.pick": case.pick}
    if case.country:
        fields["attributes"]["geo.country"] = case.country
    fields["state"] = state = with_keys(fields["state"])
    for kept in state["kept"]:
        kept["epoch"] = _epoch(fields)
    return json.dumps(fields).encode()


def _epoch(fields: dict[str, Any]) -> int:
    tables = bundle().tables
    salt, period_s = bundle().text(tables.placement_salt[0]), tables.placement_epoch_s[0]
    offset_s = word("epoch", "hero/0", salt, fields["visitor"]) % period_s
    return (fields["now_s"] + offset_s) // period_s


def expected(case: TextCase, found: Shown) -> dict[str, Any]:
    """All fields of what must come out; ids are held by other cases."""
    drawn_by = found.decision if case.shown.get("offer") else ""
    empty = msgspec.structs.asdict(
        Shown(decision=found.decision, placement="hero", reason="", drawn_by=drawn_by)
    )
    return empty | case.shown


def main() -> None:
    BUNDLE.write_bytes(compile_catalog(FOLDER / "catalog.yaml").data)


if __name__ == "__main__":
    main()
