"""What is wrong with bytes that were offered as a bundle, a request or a manifest.

Each error has a `code` out of a closed list (`CODES`) and a `detail` for people.
"""

from __future__ import annotations

from typing import ClassVar


class CoreError(ValueError):
    CODES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class BundleError(CoreError):
    """These bytes are not a bundle that this edge reads."""

    CODES = ("SIZE", "MAGIC", "FORMAT", "SECTION", "COLUMN", "TABLE", "TEXT", "MEANING")


class RequestError(CoreError):
    """This is no request: `code` says what kind of fault, `detail` names the field."""

    CODES = ("JSON", "FIELD", "SIZE", "ENCODING")


class StateError(CoreError):
    """These bytes are no state cookie of ours."""

    CODES = ("SIZE", "FORMAT")


class TrustError(CoreError):
    """A signed file is not to be believed; `code` names the check that failed."""

    CODES = (
        "TOO_LARGE",
        "MALFORMED",
        "HEADER",
        "UNKNOWN_KEY",
        "SIGNATURE",
        "THRESHOLD",
        "TENANT",
        "CHANNEL",
        "NOT_YET_VALID",
        "EXPIRED",
        "ROLLBACK",
        "FORK",
        "DIGEST",
        "BUNDLE",
    )


class TokenError(CoreError):
    """An offer token is not to be redeemed; `code` names the check that failed."""

    CODES = ("MALFORMED", "SIGNATURE", "EXPIRED", "TENANT")
