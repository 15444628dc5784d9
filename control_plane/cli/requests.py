"""A request from a file or stdin, completed with what a command line may leave out."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct

from control_plane.cli.files import read_bytes
from control_plane.cli.policies import Policy
from control_plane.cli.terminal import Refused
from edge.decision.bundle import Bundle
from edge.decision.errors import RequestError
from edge.decision.manifest import ManifestBlock
from edge.decision.request import Request, unpack_request
from edge.decision.request_json import Encoded, encode_fields, read_json

NONCE = "command-line"


class Asked(Struct, frozen=True, kw_only=True):
    """A request ready to be decided: the bundle that its unit gets, and its bytes."""

    bundle: Bundle
    block: ManifestBlock
    encoded: Encoded
    request: Request

    @property
    def ignored(self) -> list[str]:
        """Names in the request that the policy does not read."""
        return [*self.encoded.unknown_placements, *self.encoded.unknown_attributes]


def read_request(policy: Policy, path: Path) -> Asked:
    """Without `now_s` it is now; without `nonce`, a fixed one.  Raises `Refused`."""
    try:
        fields = read_json(read_bytes(path, "the request"))
        fields.setdefault("now_s", int(time.time()))
        fields.setdefault("nonce", NONCE)
        bundle = policy.bundle_for(_unit(fields.get("visitor"), fields.get("nonce")))
        encoded = encode_fields(bundle, fields)
    except RequestError as error:
        raise Refused(
            f"{'stdin' if str(path) == '-' else path} is no request: {error.code}, {error.detail}.",
            "Compare with docs/reference/cli.md, or with the request of `proffer init`.",
        ) from None
    request = unpack_request(encoded.data)
    return Asked(
        bundle=bundle, block=policy.block_at(request.now_s), encoded=encoded, request=request
    )


def _unit(visitor: object, nonce: object) -> str:
    """What canary shares are keyed on; a unit that is no text is refused later."""
    return visitor if isinstance(visitor, str) and visitor else str(nonce)
