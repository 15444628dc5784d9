"""Tells a vector's story to an edge's own policy holder, in any Python.

Imported by CPython, by Pyodide, and by a worker in workerd: it knows the edge, msgspec
and `stories.py`, and nothing of the tests.
"""

from __future__ import annotations

from typing import Protocol

from edge.decision.errors import TrustError
from edge.home import Home
from edge.policy import Policies
from edge.settings import Secrets, Settings

try:
    from tests.conformance.trust.stories import Outcome, Running, Step, Vector, Vectors
except ImportError:  # beside the edge, where there are no tests
    from edge.stories import (  # pyright: ignore[reportMissingImports]
        Outcome,
        Running,
        Step,
        Vector,
        Vectors,
    )

SECRETS = Secrets(edge_secret=bytes(32), cookie_secret=bytes(32), shop_key="k")


class ToldHome(Home, Protocol):
    """A real home in another time, whose store changes from step to step."""

    async def turn(self, vector: str, index: int, step: Step) -> None:
        """From now on it is this step."""
        ...


async def tell(vectors: Vectors, vector: Vector, home: ToldHome) -> list[Outcome]:
    settings = Settings(
        tenant=vectors.tenant,
        channel=vectors.channel,
        pinned_root=vectors.files[vector.pinned].data,
        secrets=SECRETS,
    )
    policies: Policies | None = None
    told: list[Outcome] = []
    for index, step in enumerate(vector.steps):
        await home.turn(vector.id, index, step)
        if policies is None or step.restart:
            policies = Policies(settings, home)
            told.append(await _begin(policies))
        else:
            await policies.refresh()
            told.append(outcome_of(policies))
    return told


async def _begin(policies: Policies) -> Outcome:
    try:
        await policies.open()
    except TrustError as error:
        return Outcome(runs=None, refused=error.code, unreachable=False)
    return outcome_of(policies)


def outcome_of(policies: Policies) -> Outcome:
    story, running = policies.story, None
    if policies.current is not None:
        manifest = policies.current.manifest
        bundles = tuple(release.bundle for release in manifest.releases)
        running = Running(epoch=manifest.epoch, sequence=manifest.sequence, bundles=bundles)
    refused = story.refused.code if story.refused else ""
    return Outcome(runs=running, refused=refused, unreachable=bool(story.unreachable))
