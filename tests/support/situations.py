"""Whole decisions at random, for properties that must hold of every one of them.

    manifest, said, rows = situation(seed, policy(7).bundle)

The same numbers give the same decision; `hypothesis` picks the numbers.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from msgspec import Struct

from edge.decision.beacon import Row, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_request
from policy_compiler.emit import emit
from policy_compiler.plan import Plan
from tests.support.policies import random_plan
from tests.support.requests import RequestMaker, Said

POLICIES = 24


class Policy(Struct, frozen=True):
    """What was compiled, the bytes, and the bundle in use."""

    plan: Plan
    data: bytes
    bundle: Bundle


@cache
def policy(number: int) -> Policy:
    plan = random_plan(7000 + number)
    data = emit(plan)
    return Policy(plan, data, open_bundle(data))


def verdict(bundle: Bundle, manifest: ManifestBlock, fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields).encode()
    return decide(bundle, pack_manifest(manifest), encode_request(bundle, text).data)


def situation(
    seed: int, bundle: Bundle, **fixed: Any
) -> tuple[ManifestBlock, Said, tuple[Row, ...]]:
    """Any manifest, with a good many pauses, any request, and what is decided."""
    maker = RequestMaker(bundle, seed)
    tables, random = bundle.tables, maker.random
    manifest = maker.manifest(
        all_paused=False,
        paused_offers=tuple(sorted(k for k in tables.offer_key if random.random() < 0.15)),
        paused_rungs=tuple(sorted(k for k in tables.rung_key if random.random() < 0.15)),
    )
    said = maker.request(**fixed)
    return manifest, said, unpack_verdict(verdict(bundle, manifest, said.fields))
