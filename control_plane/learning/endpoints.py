"""What learning and measurement found, as JSON for programs.  The shop's key opens it.

    GET /v1/learning             per placement, segment and arm: rows, means, effects, shares
    GET /v1/profit/{placement}   incremental profit of a placement's offers, with interval

Both are computed from what is stored at the moment of asking; nothing is changed.
"""

from __future__ import annotations

import asyncio
import time

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from control_plane.errors import Refused
from control_plane.http import json_response, require_shop
from control_plane.learning.loop import Learner
from control_plane.measurement.profit import METHOD, Incremental, incremental
from control_plane.outcomes import sides
from control_plane.services import Services


class ProfitAnswer(Struct, frozen=True, kw_only=True):
    """Treated against held out, in currency units; `low` and `high` null while unknown."""

    placement: str
    currency: str
    per_unit: float
    low: float | None
    high: float | None
    total: float
    treated_units: int
    treated_orders: int
    holdout_units: int
    holdout_orders: int
    method: str = METHOD


def learning_routes() -> list[BaseRoute]:
    return [Route("/v1/learning", learning), Route("/v1/profit/{placement}", profit)]


async def learning(request: Request) -> Response:
    """`loop.Found`: what would be published now."""
    services = _services(request)
    return json_response(await asyncio.to_thread(Learner(services).find, int(time.time())))


async def profit(request: Request) -> Response:
    services, placement = _services(request), request.path_params["placement"]
    return json_response(await asyncio.to_thread(_profit, services, placement))


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    require_shop(request, services.keys.shop_key)
    return services


def _profit(services: Services, placement: str) -> ProfitAnswer:
    bundle, settings = services.publisher.live_bundle(), services.settings
    if bundle is None or placement not in bundle.placement_rows:
        raise Refused("not-found", f"the live policy has no placement {placement[:80]!a}")
    with services.database.reading() as connection:
        found = sides(connection, settings.tenant, settings.attribution_s, placement)
    return _answer(placement, bundle.notes.currency, incremental(found))


def _answer(placement: str, currency: str, found: Incremental) -> ProfitAnswer:
    return ProfitAnswer(
        placement=placement,
        currency=currency,
        per_unit=found.per_unit,
        low=found.low,
        high=found.high,
        total=found.total,
        treated_units=found.treated.units,
        treated_orders=found.treated.orders,
        holdout_units=found.holdout.units,
        holdout_orders=found.holdout.orders,
    )
