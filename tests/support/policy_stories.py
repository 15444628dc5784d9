"""Stories of a policy holder: what it runs and refuses while a control plane changes.

async def story(policies, home, control):
    control.publish(2)
    await policies.refresh()
    assert running_sequence(policies) == 2

tell(control, folder, story)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from edge.policy import Policies
from tests.support.edges import (
    ControlPlane,
    MovedHome,
    compile_pocket,
    pinned_root,
    running,
    settings,
)

Story = Callable[[Policies, MovedHome, ControlPlane], Awaitable[None]]


@asynccontextmanager
async def an_edge(url: str, data: Path) -> AsyncIterator[tuple[Policies, MovedHome]]:
    """A policy holder that refreshes only when it is told to."""
    home = MovedHome(url, "http://127.0.0.1:9", data)
    policies = Policies(settings(pinned_root(), refresh_s=3600), home)
    try:
        yield policies, home
    finally:
        await policies.stop()
        await home.close()


def tell(control: ControlPlane, data: Path, story: Story) -> None:
    """Run a story on an edge that was just started."""

    async def run() -> None:
        with running(control.app()) as url:
            async with an_edge(url, data) as (policies, home):
                await policies.start()
                await story(policies, home, control)

    asyncio.run(run())


async def nothing(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
    """Only start, and save what was believed."""


def running_sequence(policies: Policies) -> int:
    return policies.current.manifest.sequence if policies.current else 0


def refusal(policies: Policies) -> str:
    """The code of what is refused just now."""
    return policies.story.refused.code if policies.story.refused else ""


def other_bundle() -> bytes:
    """A bundle of the same shop with other numbers."""
    return compile_pocket(
        lambda text: text.replace("expected_profit: 1.00", "expected_profit: 1.50")
    )
