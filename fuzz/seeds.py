"""Inputs to begin with: the kept corpus, and whole ones in today's formats.

Formats move; so bundles and records that must be accepted are made here, from catalogs,
and only inputs that fuzzing found are kept as bytes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edge.decision.beacon import Record, pack_record
from edge.decision.decide import decide
from edge.decision.request_json import encode_fields
from fuzz.targets import MANIFEST, POCKET, a_request_for, pocket
from policy_compiler.compiling import compile_catalog
from tests.support.bundles import tiny_bundle

CORPUS = Path(__file__).with_name("corpus")
EVERYTHING = CORPUS / "catalog" / "everything.yaml"


@cache
def seeds(target: str) -> dict[str, bytes]:
    """Name -> input; all of them keep the target's invariant."""
    kept = {file.name: file.read_bytes() for file in sorted((CORPUS / target).iterdir())}
    if target == "bundle":
        whole = {path.stem: compile_catalog(path).data for path in (POCKET, EVERYTHING)}
        return {**kept, **whole, "tiny": tiny_bundle()}
    return {**kept, "whole": whole_record()} if target == "record" else kept


def whole_record() -> bytes:
    """A record as an edge writes it."""
    opened = pocket()
    encoded = encode_fields(opened, a_request_for(opened)).data
    return pack_record(
        Record(
            bundle_digest=opened.digest,
            manifest_digest=bytes(32),
            manifest_block=MANIFEST,
            request=encoded,
            verdict=decide(opened, MANIFEST, encoded),
        )
    )
