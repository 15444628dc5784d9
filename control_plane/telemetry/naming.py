"""What a request is called: by its operation, whatever address was asked for."""

from __future__ import annotations

from starlette.types import Scope

OPERATION, ROUTE = "proffer.operation", "proffer.route"
CONSOLE = "console"
OTHER = "other"
"""What is no operation: addresses that do not exist."""


def name_request(scope: Scope, operation: str, route: str) -> None:
    """Say which operation a request is, and the address as its route writes it."""
    scope[OPERATION], scope[ROUTE] = operation, route


def name_of(scope: Scope) -> str:
    """Out of a closed list."""
    name = scope.get(OPERATION)
    if name is None and scope["path"].startswith("/console"):
        return CONSOLE
    return name or OTHER


def route_of(scope: Scope) -> str:
    """Its address with parameters in braces, "" where there is none."""
    return scope.get(ROUTE, "")
