"""Tells all stories where JavaScript is the host: in Pyodide under Node, and in workerd."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import msgspec
from edge.isolate_home import ToldIsolateHome  # pyright: ignore[reportMissingImports]
from edge.stories import Outcome, Vector, Vectors  # pyright: ignore[reportMissingImports]
from edge.telling import SECRETS, tell  # pyright: ignore[reportMissingImports]
from msgspec import Struct

from edge.isolate.home import IsolateHome
from edge.isolate.platform import Platform
from edge.isolate.settings import Addresses
from edge.policy import Policies
from edge.settings import Settings


class Asked(Struct, frozen=True):
    address: str
    patience_s: float
    at_once: int
    vectors: Vectors


async def tell_all(asked: bytes, js: Any, error: type[Exception], null: Any, *more: Any) -> bytes:
    """The outcomes of every vector, by its id, as JSON."""
    said = msgspec.json.decode(asked, type=Asked)
    platform = Platform(js, error, null)
    turn = asyncio.Semaphore(said.at_once)

    async def one(vector: Vector) -> list[Outcome]:
        async with turn:
            home = ToldIsolateHome(platform, said.vectors, said.address, said.patience_s)
            return await tell(said.vectors, vector, home)

    told = await asyncio.gather(*(one(vector) for vector in said.vectors.vectors))
    names = [vector.id for vector in said.vectors.vectors]
    return msgspec.json.encode(dict(zip(names, told, strict=True)))


# --- a worker's bindings ------------------------------------------------------

BINDINGS = {
    "POLICY_BUCKET": "bucket", "POLICY_KV": "namespace", "EDGE_KV": "namespace",
    "BEACONS": "queue",
}  # fmt: skip


class Unsigned(Struct, frozen=True):
    """`stores`: what is in every source, by its name; `honest`: one that may be believed."""

    tenant: str
    channel: str
    pinned: bytes
    now_s: int
    stores: dict[str, dict[str, bytes]]
    honest: dict[str, bytes]


class Activated(Struct, frozen=True):
    """How many subsets were tried, in which of them unsigned content ran, and in which of
    those with a source the honest policy did not, and why."""

    subsets: int
    activated: list[str]
    deaf: list[str]


class ThenHome(IsolateHome):
    """The isolate's home at one moment."""

    moment_s = 0

    def now_s(self) -> int:
        return self.moment_s


async def try_bindings(
    asked: bytes, js: Any, error: type[Exception], null: Any, bindings_of: Any
) -> bytes:
    said = msgspec.json.decode(asked, type=Unsigned)
    platform = Platform(js, error, null)
    settings = Settings(
        tenant=said.tenant, channel=said.channel, pinned_root=said.pinned, secrets=SECRETS
    )

    async def runs(chosen: dict[str, str], files: dict[str, bytes]) -> str:
        """ "" where a policy runs, and else why not."""
        made = bindings_of(files)
        lent = {name: getattr(made, kind) for name, kind in chosen.items()}
        home = ThenHome(platform, lent.get, Addresses())
        home.moment_s = said.now_s
        policies = Policies(settings, home)
        await policies.open()
        return "" if policies.current else repr(policies.story)

    activated: list[str] = []
    deaf: list[str] = []
    for there in product((False, True), repeat=len(BINDINGS)):
        chosen = {n: k for (n, k), on in zip(BINDINGS.items(), there, strict=True) if on}
        subset = " ".join(chosen) or "none"
        for name, files in said.stores.items():
            if not await runs(chosen, files):
                activated.append(f"{subset}: {name}")
        why = await runs(chosen, said.honest)
        if why and chosen.keys() - {"BEACONS"}:
            deaf.append(f"{subset}: {why}")
    return msgspec.json.encode(Activated(2 ** len(BINDINGS), activated, deaf))
