"""`proffer simulate`: a synthetic shop's visitors come through the real edge.

    truth file -> people (`simulation/people.py`) -> visits over HTTP, many at a time
    (`visits.py`: edge alone; `shopping.py`: the demo shop's pages) -> tally -> summary

The engine learns from what visitors do and never sees the truth; the summary puts the
two side by side.  A run ends after so many visitors or seconds, or when it is cancelled,
with a summary in any case.

Visits fail one by one: a few do when servers restart.  A run that cannot even begin, or
in which nothing works any more, raises `SimulationFailed`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Literal

import httpx
import msgspec
from msgspec import Struct
from rich.console import RenderableType

from control_plane.simulation.browser import (
    CONNECTIONS,
    Browser,
    ShopServer,
    VisitFailed,
    ask,
    open_client,
)
from control_plane.simulation.people import Person, person
from control_plane.simulation.screen import picture
from control_plane.simulation.shopping import ShopVisits
from control_plane.simulation.tally import Incremental, Summary, Tally, TypeSummary
from control_plane.simulation.visits import EdgeVisits, Visit
from control_plane.simulation.worth import true_profits
from control_plane.truth import ReadTruth
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError

Through = Literal["edge", "shop"]
FAILURES_IN_A_ROW = 50
READY_S = 20.0
"""How long an edge may take to find its first policy."""


class SimulationFailed(Exception):
    """The run cannot begin or go on; `help` says what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.help = help


class Options(Struct, frozen=True, kw_only=True):
    """`rate`: visitors per second, 0 for as many as go.  `visitors` 0 and `seconds` 0: no end."""

    edge_url: str
    control_url: str
    shop_key: str
    through: Through = "edge"
    visitors: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    seed: int | None = None
    """Instead of the truth file's."""


class _Healthy(Struct):
    """What is read of the edge's health."""

    class Policy(Struct):
        sequence: int
        bundles: list[str]

    policy: Policy | None = None


class Simulation:
    """One run.  Look at `tally` while it goes on."""

    def __init__(self, options: Options, read: ReadTruth) -> None:
        self.options = options
        self.truth = read.truth
        self.digest = read.digest
        self.seed = read.truth.seed if options.seed is None else options.seed
        self.tally = Tally()
        self.profits: dict[str, dict[str, float]] = {}
        self.currency = ""
        self._sequences: list[int] = []
        self._failed_in_a_row = 0
        self._began = 0.0
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """No new visitors; `run` ends with its summary once those under way are done."""
        self._stopped.set()

    async def run(self) -> Summary:
        """Raises `SimulationFailed`."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client())
            bundle = await self._policy(client)
            self.profits = self._judge(bundle)
            self.currency = bundle.notes.currency
            self._began = time.monotonic()
            await self.let_in(self._visit(client, bundle))
            return await self._summary(client, self.seconds)

    @property
    def seconds(self) -> float:
        """Since the first visitor."""
        return time.monotonic() - self._began if self._began else 0.0

    def picture(self) -> RenderableType:
        """How it goes, for a terminal."""
        return picture(self.tally, self.profits, self.seconds)

    # --- before -------------------------------------------------------------

    async def _policy(self, client: httpx.AsyncClient) -> Bundle:
        """The policy that the edge runs, from the control plane that published it."""
        deadline = time.monotonic() + READY_S
        while (running := await self._running(client)) is None:
            if time.monotonic() > deadline:
                raise SimulationFailed(
                    f"The edge at {self.options.edge_url} has no policy.",
                    "Publish a catalog: the console has a button for it.",
                )
            await asyncio.sleep(0.25)
        digest = running.bundles[0]
        url = f"{self.options.control_url.rstrip('/')}/v1/bundles/{digest}"
        answer = await self._ask(client, url, "the control plane", "--control")
        try:
            bundle = open_bundle(answer.content)
        except BundleError as error:
            raise SimulationFailed(
                f"{url} is no bundle: {error.code}.", "Does --control name a control plane?"
            ) from None
        if self.truth.placement not in bundle.placement_rows:
            raise SimulationFailed(
                f"The live policy has no placement {self.truth.placement!r}.",
                "Use a truth file that is made for its catalog.",
            )
        return bundle

    async def _running(self, client: httpx.AsyncClient) -> _Healthy.Policy | None:
        url = f"{self.options.edge_url.rstrip('/')}/_proffer/healthz"
        answer = await self._ask(client, url, "the edge", "--edge")
        try:
            policy = msgspec.json.decode(answer.content, type=_Healthy).policy
        except msgspec.DecodeError:
            raise SimulationFailed(
                f"{url} does not answer like an edge.", "Does --edge name one?"
            ) from None
        if policy is not None:
            self._sequences.append(policy.sequence)
        return policy

    async def _ask(
        self, client: httpx.AsyncClient, url: str, who: str, option: str
    ) -> httpx.Response:
        help = f"Start it, with `proffer demo` for one, or name another with {option}."
        try:
            answer = await ask(client, "GET", url, {})
        except VisitFailed as error:
            raise SimulationFailed(f"Nobody answers for {who}: {error}.", help) from None
        if answer.status_code >= 500 or answer.status_code == 404:
            raise SimulationFailed(f"{url} answered {answer.status_code}.", help)
        return answer

    def _judge(self, bundle: Bundle) -> dict[str, dict[str, float]]:
        now_s = int(time.time())
        return {k.name: true_profits(bundle, self.truth, k, now_s) for k in self.truth.types}

    # --- visits -------------------------------------------------------------

    def _visit(self, client: httpx.AsyncClient, bundle: Bundle) -> Visit:
        options, placement = self.options, self.truth.placement

        def browser_for(who: Person) -> Browser:
            return Browser(client, options.edge_url, who.kind.device, who.kind.country)

        if options.through == "shop":
            return ShopVisits(browser_for, placement)
        currency = bundle.notes.currency
        shop = ShopServer(client, options.control_url, options.shop_key, currency)
        return EdgeVisits(browser_for, shop, options.shop_key, placement)

    async def let_in(self, visit: Visit) -> None:
        """Visitors come at their times, as many at once as there are connections."""
        doors, began, number = asyncio.Semaphore(CONNECTIONS), time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while await self._next_may_come(began, number):
                await doors.acquire()
                group.create_task(self._one(visit, number, doors.release))
                number += 1

    async def _next_may_come(self, began: float, number: int) -> bool:
        """Wait for the next visitor's time; False once nobody comes any more."""
        options, now = self.options, time.monotonic()
        due = began + number / options.rate if options.rate else now
        end = began + options.seconds if options.seconds else float("inf")
        if (options.visitors and number >= options.visitors) or max(due, now) >= end:
            return False
        try:
            async with asyncio.timeout(max(0.0, due - now)):
                await self._stopped.wait()
        except TimeoutError:
            return True
        return False

    async def _one(self, visit: Visit, number: int, done: Callable[[], None]) -> None:
        try:
            self.tally.add(await visit(person(self.truth, self.seed, number)))
            self._failed_in_a_row = 0
        except VisitFailed as error:
            self.tally.fail(str(error))
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= FAILURES_IN_A_ROW:
                self.stop()
        finally:
            done()

    # --- after --------------------------------------------------------------

    async def _summary(self, client: httpx.AsyncClient, seconds: float) -> Summary:
        tally = self.tally
        if self._failed_in_a_row >= FAILURES_IN_A_ROW or (tally.failures and not tally.visitors):
            raise SimulationFailed(
                f"{tally.failures} visits failed; the first: {tally.first_failure}.",
                "Are edge, control plane and shop running, and is the shop's key theirs?",
            )
        await self._running(client)
        return Summary(
            title=self.truth.title,
            truth_sha256=self.digest,
            seed=self.seed,
            through=self.options.through,
            seconds=round(seconds, 3),
            visitors=tally.visitors,
            visitors_per_s=round(tally.visitors / max(seconds, 1e-9), 2),
            exposed=tally.exposed,
            clicks=tally.clicks,
            orders=tally.order_count,
            redeemed=tally.redeemed,
            held_out=tally.held_out,
            failures=tally.failures,
            first_failure=tally.first_failure,
            sequence_first=self._sequences[0],
            sequence_last=self._sequences[-1],
            share_first=tally.first_quarter(),
            share_last=tally.last_quarter(),
            types={kind.name: self._type(kind.name) for kind in self.truth.types},
            incremental=await self._incremental(client),
        )

    def _type(self, name: str) -> TypeSummary:
        profits, tally = self.profits[name], self.tally
        return TypeSummary(
            visitors=tally.types[name],
            orders=tally.orders[name],
            true_best_arm=max(profits, key=profits.__getitem__),
            true_profit=profits,
            share_first=tally.first_quarter(name),
            share_last=tally.last_quarter(name),
        )

    async def _incremental(self, client: httpx.AsyncClient) -> Incremental | None:
        """What the control plane says that the offers earned; None if it does not say."""
        options = self.options
        url = f"{options.control_url.rstrip('/')}/v1/profit/{self.truth.placement}"
        headers = {"Authorization": f"Bearer {options.shop_key}"}
        try:
            answer = await ask(client, "GET", url, headers)
            return msgspec.json.decode(answer.content, type=Incremental)
        except (VisitFailed, msgspec.DecodeError):
            return None
