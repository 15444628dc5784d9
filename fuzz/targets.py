"""Decoders that read what strangers send, and what must hold for any bytes.

Each target is a function of the bytes that returns what became of them, and raises if
its invariant is broken.  Whoever calls it also holds it to bounded time and memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from edge.decision import tables as t
from edge.decision.beacon import pack_record, pack_verdict, unpack_record, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.errors import BundleError, RequestError
from edge.decision.manifest import ManifestBlock, pack_manifest, unpack_manifest
from edge.decision.request import pack_request, unpack_request
from edge.decision.request_json import Json, encode_fields, encode_request
from policy_compiler.compiling import compile_catalog, compile_source
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.source import read_catalog
from tests.support.trees import seen_split, seen_whole

ROOT = Path(__file__).parents[1]
POCKET = ROOT / "tests" / "support" / "pocket.yaml"
NOW_S = 1_790_000_000
MANIFEST = pack_manifest(ManifestBlock(digest=bytes(32), issued_s=NOW_S, expires_s=NOW_S + 3600))

ACCEPTED, REFUSED = "accepted", "refused"


@cache
def pocket() -> Bundle:
    """The policy that requests are encoded for."""
    return compile_catalog(POCKET).bundle


# Invariant: any bytes give a Bundle or a BundleError, nothing else; and a Bundle decides
# every request that it encodes itself.
def bundle(data: bytes) -> str:
    try:
        opened = open_bundle(data)
    except BundleError:
        return REFUSED
    _decides(opened)
    return ACCEPTED


# Invariant: whatever a catalog's file holds, reading it gives a Source with a catalog or with
# an error, and the same tree item by item as in one piece; what it gives compiles to bundles
# that decide, or is refused with an error.
def catalog(data: bytes) -> str:
    file = _scratch()
    file.write_bytes(data)
    source = read_catalog(file)
    errors = [found for found in source.diagnostics if found.severity == "error"]
    assert (source.catalog is None) == bool(errors)
    for text in source.texts.values():
        split = seen_split(text)
        assert split is None or split == seen_whole(text)
    try:
        for projection in ("edge", "browser"):
            _decides(compile_source(source, projection=projection).bundle)
        return ACCEPTED
    except CatalogRefused as refused:
        said = refused
    assert any(found.severity == "error" for found in said.diagnostics)
    return REFUSED


# Invariant: any text gives an encoded request or a RequestError, nothing else; an encoded
# request has one encoding, and is decided.
def request(data: bytes) -> str:
    try:
        encoded = encode_request(pocket(), data).data
    except RequestError:
        return REFUSED
    assert pack_request(unpack_request(encoded)) == encoded
    assert unpack_verdict(decide(pocket(), MANIFEST, encoded)) is not None
    return ACCEPTED


# Invariant: any bytes give a record or a RequestError, nothing else; a record is written as it
# was read, and so are its parts, each of which is well-formed or a RequestError.
def record(data: bytes) -> str:
    try:
        read = unpack_record(data)
    except RequestError:
        return REFUSED
    assert pack_record(read) == data
    parts = (
        _same(unpack_manifest, pack_manifest, read.manifest_block),
        _same(unpack_request, pack_request, read.request),
        _same(unpack_verdict, pack_verdict, read.verdict),
    )
    return ACCEPTED if all(parts) else REFUSED


TARGETS: dict[str, Callable[[bytes], str]] = {
    "bundle": bundle,
    "catalog": catalog,
    "request": request,
    "record": record,
}


Value = TypeVar("Value")


def _same(read: Callable[[bytes], Value], write: Callable[[Value], bytes], data: bytes) -> bool:
    """Whether `data` is well-formed; if so it must be written as it was read."""
    try:
        value = read(data)
    except RequestError:
        return False
    assert write(value) == data
    return True


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="proffer-fuzz-")) / "catalog.yaml"


def _decides(opened: Bundle) -> None:
    verdict = decide(opened, MANIFEST, encode_fields(opened, a_request_for(opened)).data)
    assert pack_verdict(unpack_verdict(verdict)) == verdict


# --- a request that any bundle can encode -------------------------------------


def a_request_for(opened: Bundle) -> dict[str, Json]:
    """Every placement is wanted, and every attribute sent."""
    rows = range(opened.rows["attribute"])
    sent = {name: _value(opened, row) for name, row in opened.attribute_rows.items() if row in rows}
    return {
        "visitor": "v",
        "customer": "c",
        "nonce": "n",
        "consent": "full",
        "now_s": NOW_S,
        "placements": list[Json](opened.placement_rows)[:64] or ["none"],
        "attributes": dict(list(sent.items())[:64]),
        "state": {},
    }


def _value(opened: Bundle, row: int) -> Json:
    tables = opened.tables
    words = [word.decode() for word in opened.words[row]]
    match tables.attribute_type[row]:
        case t.BOOL:
            return True
        case t.STRING:
            return words[0] if words else "other"
        case t.SET:
            return list[Json](words[:2])
        case _:
            return tables.attribute_high[row]
