"""Signed webhooks, as Standard Webhooks has them.

    webhook-id          names the message
    webhook-timestamp   when it was sent, Unix seconds; at most five minutes away
    webhook-signature   "v1,base64" with HMAC-SHA256 of "id.timestamp.body"; several are
                        separated by spaces, and one of ours among them is enough

Several secrets may be in force at once, so that none is exchanged in haste.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence

from control_plane.errors import Refused

TOLERANCE_S = 300
ID = re.compile(r"[!-~]{1,256}", re.ASCII)
TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
SIGNATURES_LIMIT = 16
"""Signatures that are looked at; a sender who rotates has two."""


def check_signature(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now_s: int
) -> None:
    """Raises `Refused` unauthorized unless the body is signed with one of the secrets."""
    if not secrets:
        raise _refused("no webhook's secret is set here: PROFFER_WEBHOOK_SECRET_FILE")
    name, time, sent = (
        headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if not ID.fullmatch(name) or not TIME.fullmatch(time):
        raise _refused("webhook-id or webhook-timestamp is missing, or not as it must be")
    if abs(now_s - int(time)) > TOLERANCE_S:
        raise _refused(f"webhook-timestamp is more than {TOLERANCE_S} s from our clock")
    wanted = [signature(secret, name, time, body) for secret in secrets]
    tried = sent.split(" ")[:SIGNATURES_LIMIT]
    # every pair is compared, so that time tells nothing
    if not sum(hmac.compare_digest(a.encode(), b.encode()) for a in tried for b in wanted):
        raise _refused("no signature of webhook-signature is one of ours")


def signature(secret: bytes, name: str, time: str, body: bytes) -> str:
    """What a sender writes into `webhook-signature`."""
    mac = hmac.digest(secret, f"{name}.{time}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


def _refused(what: str) -> Refused:
    return Refused(
        "unauthorized",
        what,
        help="Sign the webhook as docs/reference/beacons.md says, with a secret that is in force.",
    )
