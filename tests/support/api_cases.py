"""The HTTP API against schemathesis: what its OpenAPI document promises, it keeps.

A control plane of the tiny shop runs in this process, with a login and an API key that may
do everything.  Every check of schemathesis is on, and statuses that say "well formed, but
not now" are an answer to valid input; 400 never is, and 5xx is no answer at all.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from msgspec import Struct
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree
from schemathesis.python import asgi
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.accounts.actor import LOCAL, PERMISSIONS
from control_plane.api.all import OPERATIONS
from control_plane.api.operation import Operation
from control_plane.app import create_app
from control_plane.settings import Settings
from tests.control_plane.shop import Edge, write_catalog

RESERVE = "POST /v1/redemptions/reserve"

STORIES = 6
"""Walks from answer to answer, for each case of an operation alone."""
HELD = ["2xx", "304", "401", "403", "404", "409", "410", "412", "422", "429"]
"""Answers to valid input: what the request speaks of is not there, or does not allow it."""
REFUSED = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "409",
    "410",
    "412",
    "413",
    "415",
    "422",
    "428",
]


class Case(Struct, frozen=True):
    """A case that failed a check, and how to send it again."""

    check: str
    label: str
    message: str
    code: str


class Found(Struct):
    """`turns`: how many seeds it took."""

    turns: int = 0
    cases: int = 0
    by_phase: Counter[str] = Counter()
    by_status: Counter[int] = Counter()
    followed: int = 0
    """Cases that went on from another's answer."""
    failures: dict[str, Case] = {}
    """One of each kind."""
    errors: list[str] = []

    @property
    def is_clean(self) -> bool:
        return not self.failures and not self.errors


@contextmanager
def served(
    folder: Path, operations: Sequence[Operation]
) -> Iterator[tuple[Starlette, ASGIApp, str]]:
    """A control plane with these operations, and a key to all of it."""
    catalog = write_catalog(folder / "catalog")
    settings = Settings(
        data=folder / "var",
        tenant="tinyshop",
        catalog=catalog,
        calls_per_s=0,
        public_calls_per_s=0,
        argon2_passes=1,
        argon2_memory_kib=8,
    )
    app = create_app(settings, background=(), operations=operations)
    quiet = _quiet(app)
    with asgi.get_client(quiet):  # type: ignore[arg-type]
        keys = app.state.services.accounts.keys
        yield app, quiet, keys.add(LOCAL, "cases", PERMISSIONS, None).secret


def config(key: str, seed: int, examples: int, coverage: bool) -> SchemathesisConfig:
    statuses = {
        "negative_data_rejection": {"expected-statuses": REFUSED},
        "positive_data_acceptance": {"expected-statuses": HELD},
        "missing_required_header": {"expected-statuses": ["401", "428"]},
    }
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {key}"},
            "continue-on-failure": True,
            "request-timeout": 120,  # seconds; a busy machine is no finding
            "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
            "phases": {
                "coverage": {"enabled": coverage},
                "examples": {"enabled": coverage},
                "stateful": {"generation": {"max-examples": STORIES * examples}},
            },
            "checks": statuses,
            "suppress-health-check": ["all"],
        }
    )


def run(
    cases: int, seed: int, examples: int, operations: Sequence[Operation] = OPERATIONS
) -> Found:
    """At least so many cases, from one seed after the other; until something is found."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        while found.cases < cases and found.is_clean:
            home = Path(folder) / str(found.turns)
            with served(home, operations) as (app, quiet, key):
                how = config(key, seed + found.turns, examples, coverage=found.turns == 0)
                _turn(app, quiet, key, how, found)
            found.turns += 1
    return found


UNTELLABLE = (
    "bytes of text without",  # lengths in bytes
    "U+0000",  # anywhere in a text
    "no `next` of this list",  # opaque cursors
    "is not in the future",  # the time
    ", got `float`",  # 1.0 is an integer for JSON Schema
)
"""Why input may be refused that its JSON Schema allows."""


def _is_ours(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Not what JSON Schema cannot tell; nor a thing in a path, which loses its `?` there; nor
    that a list is still there, and empty, when all that was in it was deleted."""
    if any(isinstance(value, dict | list) for value in case.path_parameters.values()):
        return False
    if isinstance(failure, UseAfterFree) and not str(failure.operation).endswith("}"):
        return False
    told = response.json().get("detail", "") if response.status_code == 400 else ""
    return not (isinstance(failure, RejectedPositiveData) and any(x in told for x in UNTELLABLE))


def _sensibly(app: Starlette, key: str) -> Callable[..., Any]:
    """Every other reservation is of a real token, so that something can be done with it; and
    nobody revokes the key that all of this is done with."""
    edge, numbers, own = Edge(app.state.services), count(), key.split("_")[1]

    def map_case(context: Any, case: Any) -> Any:
        if own in case.path_parameters.values():
            case.path_parameters = dict.fromkeys(case.path_parameters, "0" * 16)
        right = case.meta is not None and case.meta.generation.mode.is_positive
        if right and case.operation.label == RESERVE and next(numbers) % 2:
            token = edge.token("ten-off/p10", "ann", int(time.time()))
            cart = {"order_value": "60.00", "margin": "20.00", "attributes": {}}
            cart["attributes"] = {"cart.categories": ["lamps"]}
            order = f"order-{next(numbers)}"
            case.body = {"token": token, "order_id": order, "subject": "ann", "cart": cart}
        return case

    return map_case


def _quiet(app: Starlette) -> ASGIApp:
    """Starlette answers 500 and then raises on: here the answer is enough."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(Exception):
            await app(scope, receive, send)

    return quiet


def _turn(app: Starlette, quiet: ASGIApp, key: str, how: SchemathesisConfig, found: Found) -> None:
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", quiet, config=how)
    schema.hook("filter_failure")(_is_ours)
    schema.hook("map_case")(_sensibly(app, key))
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _count(event, found)
        elif isinstance(event, events.NonFatalError):
            found.errors.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            found.errors.append(repr(event.exception))


def _count(event: events.ScenarioFinished, found: Found) -> None:
    recorder = event.recorder
    found.cases += len(recorder.cases)
    found.by_phase[event.phase.value] += len(recorder.cases)
    found.followed += sum(node.transition is not None for node in recorder.cases.values())
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            found.by_status[interaction.response.status_code] += 1
    for id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failed, sent = check.failure_info, recorder.interactions.get(id)
                body = sent.response.content if sent and sent.response else b""
                message = f"{failed.failure.title}: {failed.failure.message}\n{body or b''!r}"
                case = Case(check.name, recorder.label, message, failed.code_sample)
                found.failures.setdefault(f"{recorder.label}: {check.name}", case)
