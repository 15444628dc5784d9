"""The browser's Python home: what a page's web worker asks of the same core that edges run.

`pythonWorker.js` opens a `Home` in Pyodide; text goes in and comes out, so nothing here knows of
JavaScript.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT, Record, Row, unpack_verdict
from edge.decision.bundle import open_bundle
from edge.decision.creatives import Shown, show
from edge.decision.decide import decide
from edge.decision.manifest import unpack_manifest
from edge.decision.notes import Creative
from edge.decision.request import Request, unpack_request
from edge.decision.request_json import encode_request
from edge.receipts import Receipt, receipt_of


class Counted(Struct, frozen=True):
    """What an exposure adds to the page's own copy of the state: lib/countExposure.js."""

    decision: str
    kept: dict[str, int | str]
    caps: tuple[tuple[int, int], ...]


class Decided(Struct, frozen=True, kw_only=True):
    """One slot, as `index.d.ts` tells it."""

    decision: str
    placement: str
    slot: int
    reason: str
    offer: str
    rung: str
    creative: Creative
    disclosure: bool
    token_s: int
    drawn_by: str
    token: None = None
    track: str = "shown"
    receipt: str = ""
    counts: Counted | None = None


class Home:
    """Raises `BundleError` or `RequestError` for a bundle or a manifest block that is none."""

    def __init__(self, bundle: bytes, manifest: bytes) -> None:
        self._bundle = open_bundle(bundle)
        self._manifest = manifest
        self._manifest_digest = unpack_manifest(manifest).digest

    def answer(self, request: str) -> str:
        """JSON in, a JSON list of `Decided` out.  Raises `RequestError`."""
        encoded = encode_request(self._bundle, request.encode())
        if encoded.unknown_placements:
            return "[]"
        record = Record(
            bundle_digest=self._bundle.digest,
            manifest_digest=self._manifest_digest,
            manifest_block=self._manifest,
            request=encoded.data,
            verdict=decide(self._bundle, self._manifest, encoded.data),
        )
        asked = unpack_request(encoded.data)
        rows = [self._decided(record, asked, row) for row in unpack_verdict(record.verdict)]
        return msgspec.json.encode(rows).decode()

    def _decided(self, record: Record, asked: Request, row: Row) -> Decided:
        shown = show(self._bundle, record, asked, row)
        return Decided(
            decision=shown.decision,
            placement=shown.placement,
            slot=shown.slot,
            reason=shown.reason,
            offer=shown.offer,
            rung=shown.rung,
            creative=shown.creative,
            disclosure=shown.disclosure,
            token_s=shown.token_s,
            drawn_by=shown.drawn_by,
            track="ghost" if row.flags & (GLOBAL_HOLDOUT | HOLDOUT) else "shown",
            counts=self._counted(asked, row, shown),
        )

    def _counted(self, asked: Request, row: Row, shown: Shown) -> Counted | None:
        receipt = receipt_of(self._bundle, row, bytes.fromhex(shown.decision), asked.now_s)
        return counted(receipt) if receipt and asked.visitor else None


def counted(receipt: Receipt) -> Counted:
    kept: dict[str, int | str] = {
        "placement_key": receipt.kept.placement_key,
        "slot": receipt.kept.slot,
        "redraw": receipt.kept.redraw,
        "epoch": receipt.kept.epoch,
        "arm_key": receipt.kept.arm_key,
        "drawn_by": receipt.kept.drawn_by.hex(),
    }
    return Counted(receipt.decision.hex(), kept, receipt.caps)
