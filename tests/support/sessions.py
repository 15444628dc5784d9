"""What passes between a shop's page and the edge's decide endpoint, for tests of it."""

from __future__ import annotations

import hmac
import time
from typing import Any

import msgspec

from edge.decision.jws import to_base64url
from tests.support.edges import keys


def session_token(key: str = "", **said: Any) -> str:
    """What the shop's server would sign for its page."""
    said = {"expires_s": int(time.time()) + 60} | said
    payload = to_base64url(msgspec.json.encode(said))
    code = hmac.digest((key or keys().shop_key).encode(), b"proffer-session." + payload, "sha256")
    return (payload + b"." + to_base64url(code)).decode()


def only(answer: Any) -> dict[str, Any]:
    """The one decision of an answer."""
    (decided,) = answer["decisions"]
    return decided
