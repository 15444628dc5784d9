"""From a case's readable inputs to the bytes that an implementation gets."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from edge.decision.bundle import Bundle, open_bundle
from edge.decision.manifest import ManifestBlock, pack_manifest
from policy_compiler.compiling import compile_catalog
from tests.conformance.cases import POLICIES, Case, ManifestGiven, Theme
from tests.conformance.independent import key

MANIFEST_DIGEST = sha256(b"conformance").digest()


def policy_names() -> list[str]:
    return sorted(path.name for path in POLICIES.iterdir() if path.is_dir())


def compiled(policy: str) -> bytes:
    """The bundle as the compiler makes it now."""
    return compile_catalog(POLICIES / policy).data


@cache
def committed(policy: str) -> Bundle:
    """The bundle as it lies beside its catalog."""
    return open_bundle((POLICIES / f"{policy}.bundle").read_bytes())


def manifest_of(theme: Theme, case: Case) -> ManifestBlock:
    given = msgspec.convert(theme.base.manifest | case.manifest, ManifestGiven)
    return ManifestBlock(
        digest=MANIFEST_DIGEST,
        issued_s=given.issued_s,
        expires_s=given.expires_s,
        all_paused=given.all_paused,
        paused_offers=_keys("offer", given.paused_offers),
        paused_rungs=_keys("arm", given.paused_rungs),
        paused_placements=_keys("placement", given.paused_placements),
        multipliers=tuple(sorted((key(f"budget/{b}"), m) for b, m in given.multipliers.items())),
    )


def manifest_bytes(theme: Theme, case: Case) -> bytes:
    return pack_manifest(manifest_of(theme, case))


def _keys(kind: str, names: list[str]) -> tuple[int, ...]:
    return tuple(sorted(key(f"{kind}/{name}") for name in names))


def request_bytes(theme: Theme, case: Case) -> bytes:
    """The JSON text of the request, to the byte."""
    if case.text_hex is not None:
        return bytes.fromhex(case.text_hex)
    text = _text(theme, case) if case.text is None else case.text
    return text.encode().ljust(case.pad_to_bytes)


def _text(theme: Theme, case: Case) -> str:
    fields = merged(theme, case)
    if fields.get("state"):
        fields["state"] = with_keys(fields["state"])
    members = {name: _dumped(value) for name, value in fields.items()} | case.raw
    return "{" + ", ".join(f"{_dumped(name)}: {text}" for name, text in members.items()) + "}"


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def merged(theme: Theme, case: Case) -> dict[str, Any]:
    """The theme's request under the case's: attributes are merged by name."""
    fields, below = theme.base.request | case.request, theme.base.request.get("attributes", {})
    if isinstance(own := fields.get("attributes", {}), dict) and (merged := below | own):
        fields["attributes"] = merged
    return fields


def with_keys(state: dict[str, Any]) -> dict[str, Any]:
    """A state whose caps, placements and arms are named, as requests carry it."""
    caps = [_cap(entry) for entry in state.get("caps", [])]
    kept = [_kept(entry) for entry in state.get("kept", [])]
    rest = {name: value for name, value in state.items() if name not in ("caps", "kept")}
    return {"caps": caps, "kept": kept, **rest}


def _cap(entry: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in entry.items() if name != "cap"}
    return {"key": key(f"cap/{entry['cap']}"), **rest} if "cap" in entry else entry


def _kept(entry: dict[str, Any]) -> dict[str, Any]:
    if "arm" not in entry:
        return entry
    rest = {name: value for name, value in entry.items() if name not in ("placement", "arm")}
    arm = entry["arm"]
    return {
        "placement_key": key(f"placement/{entry['placement']}"),
        "arm_key": 0 if arm == "none" else key(f"arm/{arm}"),
        **rest,
    }
