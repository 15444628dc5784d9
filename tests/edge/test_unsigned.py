"""No configuration activates unsigned content: every subset of every home's options is tried.

Each option is either left alone or given another value, in all combinations, while the
store, and what the edge keeps, have nothing but content that is not signed by the root.
A new option fails these tests until it is listed here.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.decision.errors import TrustError
from edge.decision.host import NotFound
from edge.isolate import settings as isolate_settings
from edge.isolate.settings import SettingsError, read_addresses, read_settings
from edge.local_crypto import verify_ed25519
from edge.local_settings import EdgeSettings
from edge.policy import Policies
from edge.settings import Secrets, Settings
from tests.conformance.trust.elsewhere import ask_pyodide
from tests.conformance.trust.generate import stored
from tests.conformance.trust.publisher import (
    LIVE,
    MANIFEST,
    NOW_S,
    ROOT_2,
    STRANGER,
    TENANT,
    keys_of,
    manifest,
    path_of,
    raw_payload,
    root,
    second_root,
    signed_root,
)
from tests.conformance.trust.publisher import ROOT as ROOT_KEY
from tests.support.parts import ROOT as CHECKOUT
from tests.support.signing import json_of

VECTORS = stored()
FORGERIES = ("stripped signature", "wrong algorithm", "embedded key", "arbitrary software")
HONEST_ROOT = signed_root(ROOT_KEY)
UNSIGNED_ROOT = json_of(root(**keys_of([STRANGER], [STRANGER])))
HONEST = {MANIFEST: manifest(), path_of(LIVE): LIVE}
SECRETS = {"edge_secret": bytes(32), "cookie_secret": bytes(32), "shop_key": "k"}


def unsigned() -> dict[str, Mapping[str, bytes]]:
    """Stores without anything that the root's keys signed, by what is in them."""
    stores: dict[str, Mapping[str, bytes]] = {
        "a bare payload": {MANIFEST: raw_payload()},
        "a stranger's root and manifest": {
            "keys/root.2.jws": second_root(STRANGER, ROOT_2, **keys_of([ROOT_2], [STRANGER])),
            MANIFEST: manifest(STRANGER),
        },
        "an unsigned root": {"keys/root.2.jws": UNSIGNED_ROOT, MANIFEST: manifest(STRANGER)},
    }
    for vector in VECTORS.vectors:
        if vector.attack in FORGERIES:
            served = vector.steps[-1].serve[MANIFEST]
            stores[vector.id] = {MANIFEST: VECTORS.files[served.file].data}
    return {name: {**store, path_of(LIVE): LIVE} for name, store in stores.items()}


UNSIGNED = unsigned()


class HostileHome:
    """Every source, and all that was kept, have this content; the cryptography is real."""

    def __init__(self, store: Mapping[str, bytes]) -> None:
        self._store = store

    async def fetch(self, path: str, max_bytes: int) -> bytes:
        if found := self._at(path):
            return found
        raise NotFound(path)

    async def load(self, path: str) -> bytes | None:
        return self._at(path)

    def _at(self, path: str) -> bytes | None:
        # For every channel: none has anything better.
        return self._store.get(MANIFEST if path.startswith("channels/") else path)

    async def save(self, path: str, signed: bytes) -> None:
        pass

    async def verify(self, key_x: bytes, message: bytes, signature: bytes) -> bool:
        return await verify_ed25519(key_x, message, signature)

    def now_s(self) -> int:
        return NOW_S

    def random_bytes(self, count: int) -> bytes:
        return bytes(count)


def activated(settings: Settings) -> list[str]:
    """What of the unsigned content runs under these settings."""

    async def runs(store: Mapping[str, bytes]) -> bool:
        home: Any = HostileHome(store)
        policies = Policies(settings, home)
        try:
            await policies.open()
        except TrustError:
            return False
        await policies.refresh()
        return policies.current is not None

    async def all_of_them() -> list[str]:
        return [name for name, store in UNSIGNED.items() if await runs(store)]

    return asyncio.run(all_of_them())


# --- every home's settings ----------------------------------------------------

OTHERWISE: dict[str, list[Any]] = {
    "channel": ["staging"],
    "pinned_root": [UNSIGNED_ROOT, b"", HONEST_ROOT[:-2]],
    "refresh_s": [0.1],
    "edge_headers": [{"X-Country": "geo.country"}],
    "default_consent": ["none"],
    "consent_cookie": ["other"],
    "request_limit_bytes": [1],
    "ofrep": [False],
}
"""Every field of `Settings` but `tenant` and `secrets`, with other values than usual."""
NOT_OPTIONS = {"tenant", "secrets"}


def test_every_setting_is_tried() -> None:
    assert set(OTHERWISE) | NOT_OPTIONS >= set(Settings.__struct_fields__), "list the new option"


def combinations() -> Iterator[Settings]:
    usual = Settings(tenant=TENANT, pinned_root=HONEST_ROOT, secrets=Secrets(**SECRETS))
    names = [name for name in OTHERWISE if name in Settings.__struct_fields__]
    choices = [[getattr(usual, name), *OTHERWISE[name]] for name in names]
    for values in product(*choices):
        yield msgspec.structs.replace(usual, **dict(zip(names, values, strict=True)))


def test_no_combination_of_settings_activates_unsigned_content() -> None:
    tried = list(combinations())
    assert len(tried) >= 2 ** len(OTHERWISE)
    assert [settings for settings in tried if activated(settings)] == []


def test_these_tests_would_see_an_activation() -> None:
    home: Any = HostileHome(HONEST)
    policies = Policies(next(combinations()), home)
    asyncio.run(policies.open())
    assert policies.current is not None


# --- the server's file --------------------------------------------------------

PLACES_AND_PATIENCE = {
    "control_url", "origin_url", "root", "data", "origin_timeout_s", "drain_s",
}  # fmt: skip
"""Of the server's own settings: where things are, and how long they may take."""


def test_the_servers_settings_are_those_and_places() -> None:
    own = set(EdgeSettings.__struct_fields__)
    assert own - set(Settings.__struct_fields__) <= PLACES_AND_PATIENCE, "a new option?"


# --- the worker's variables ---------------------------------------------------

VARIABLES: dict[str, list[str | None]] = {
    "PROFFER_TENANT": [TENANT, None],
    "PROFFER_ROOT": [HONEST_ROOT.decode(), UNSIGNED_ROOT.decode(), "", None],
    "PROFFER_SECRETS": [
        json_of(
            {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v
             for k, v in SECRETS.items()}
        ).decode(),
        None,
    ],
    "PROFFER_CHANNEL": [None, "staging"],
    "PROFFER_ORIGIN_URL": [None, "https://shop.example"],
    "PROFFER_CONTROL_URL": [None, "https://control.example"],
    "PROFFER_REFRESH_S": [None, "1"],
    "PROFFER_ORIGIN_TIMEOUT_S": [None, "1"],
    "PROFFER_EDGE_HEADERS": [None, '{"X-Country": "geo.country"}'],
    "PROFFER_DEFAULT_CONSENT": [None, "contextual"],
    "PROFFER_CONSENT_COOKIE": [None, "other"],
    "PROFFER_REQUEST_LIMIT_BYTES": [None, "1"],
    "PROFFER_OFREP": [None, "false"],
}  # fmt: skip


def test_every_variable_of_the_worker_is_tried() -> None:
    known = set(re.findall(r"PROFFER_[A-Z_]+", isolate_settings.__doc__ or ""))
    assert known == set(VARIABLES)


def test_no_combination_of_a_workers_variables_activates_unsigned_content() -> None:
    different: dict[str, Settings] = {}
    for values in product(*VARIABLES.values()):
        chosen = dict(zip(VARIABLES, values, strict=True))
        try:
            read_addresses(chosen.get)
            settings = read_settings(chosen.get)
        except SettingsError:
            continue
        different[repr(msgspec.structs.asdict(settings))] = settings
    assert len(different) >= 32
    assert [settings for settings in different.values() if activated(settings)] == []


def test_no_subset_of_a_workers_bindings_activates_unsigned_content(tmp_path: Path) -> None:
    """In Pyodide under Node: buckets and namespaces are JavaScript's."""
    question = {
        "tenant": TENANT, "channel": "production", "pinned": HONEST_ROOT, "now_s": NOW_S,
        "stores": UNSIGNED, "honest": HONEST,
    }  # fmt: skip
    said = json.loads(ask_pyodide("try_bindings", json_of(question), tmp_path))
    assert said == {"subsets": 16, "activated": [], "deaf": []}


# --- no other way in ----------------------------------------------------------


def test_a_policy_comes_from_trust_alone_and_is_swapped_in_at_one_place() -> None:
    made: list[str] = []
    swapped: list[str] = []
    for path in sorted((CHECKOUT / "edge").rglob("*.py")):
        name = path.relative_to(CHECKOUT).as_posix()
        for function in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                match node:
                    case ast.Call(func=ast.Name(id="Trusted") | ast.Attribute(attr="Trusted")):
                        made.append(f"{name}:{function.name}")
                    case ast.Assign(targets=[ast.Attribute(attr="current")]):
                        swapped.append(f"{name}:{function.name}")
    assert made == ["edge/decision/trust.py:trust"]
    assert swapped == ["edge/policy.py:_swap"]


@pytest.mark.parametrize("name", sorted(UNSIGNED))
def test_what_is_tried_is_refused_and_not_only_missing(name: str) -> None:
    home: Any = HostileHome(UNSIGNED[name])
    policies = Policies(next(combinations()), home)
    asyncio.run(policies.open())
    assert policies.story.refused is not None
