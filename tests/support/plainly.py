"""Verdicts by the plain definition of candidates, to hold the quick way against."""

from __future__ import annotations

from unittest.mock import patch

from edge.decision import decide as deciding
from edge.decision.bundle import Bundle
from edge.decision.candidacy import candidates_for
from edge.decision.errors import RequestError


def both_ways(bundle: Bundle, manifest: bytes, request: bytes) -> tuple[bytes, bytes]:
    """The verdict as it is decided, and as `candidacy.py` defines it; b"" if refused."""
    with patch.object(deciding, "quick_candidates", candidates_for):
        plain = _verdict(bundle, manifest, request)
    return _verdict(bundle, manifest, request), plain


def _verdict(bundle: Bundle, manifest: bytes, request: bytes) -> bytes:
    try:
        return deciding.decide(bundle, manifest, request)
    except RequestError:
        return b""
