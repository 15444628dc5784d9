"""Records of the tiny shop for replays, and drafts that differ from what it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from sqlalchemy import insert

from control_plane.recording import store_form
from control_plane.services import Services
from control_plane.storage import tables as t
from edge.decision.beacon import Record, pack_record, unpack_record
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_fields
from policy_compiler.compiling import Compiled, compile_catalog
from tests.control_plane.shop import CART, CATALOG, write_catalog

NOW_S = 1_795_000_000
BLOCK = ManifestBlock(digest=b"m" * 32, issued_s=NOW_S - 60, expires_s=NOW_S + 86_400)

KIND = "visit.kind: {type: string, source: "
LIVE = CATALOG.replace(f"{KIND}client", f"{KIND}signed")
"""What only the shop may say, rules of money may read."""
CHEAPER = LIVE.replace("percent: 20,", "percent: 15,").replace("amount: 3.00", "amount: 2.00")
OLD_RULE = "applicable: age_s(cart.updated_at) > 60"
NEVER_NEW = LIVE.replace(OLD_RULE, f'{OLD_RULE} && visit.kind != "new"')
RAIN = "attributes:\n  visit.rain: {type: bool, source: signed}\n"
READS_MORE = LIVE.replace("attributes:\n", RAIN).replace(OLD_RULE, "applicable: visit.rain")
BY_VALUE = LIVE.replace(OLD_RULE, f"{OLD_RULE}\n    suitable: cart.total > 50.00")


def compiled(text: str = LIVE) -> Compiled:
    with TemporaryDirectory() as folder:
        return compile_catalog(write_catalog(Path(folder), text))


def visit(number: int, **changes: Any) -> dict[str, Any]:
    """What visit `number` says: carts, kinds and placements vary."""
    fields: dict[str, Any] = {
        "visitor": f"v{number}",
        "nonce": f"n{number}",
        "consent": "full",
        "now_s": NOW_S + number,
        "placements": ["hero", "checkout"] if number % 3 else ["hero"],
        "attributes": CART
        | {
            "cart.total": f"{20 + number % 90}.50",
            "cart.updated_at": NOW_S - 3600,
            "visit.kind": "new" if number % 2 else "known",
        },
        "state": {"caps": [], "kept": []},
    }
    return fields | changes


def record(bundle: Bundle, fields: dict[str, Any], block: ManifestBlock = BLOCK) -> bytes:
    """What the core leaves behind of these words."""
    asked, packed = encode_fields(bundle, fields).data, pack_manifest(block)
    return pack_record(
        Record(
            bundle_digest=bundle.digest,
            manifest_digest=block.digest,
            manifest_block=packed,
            request=asked,
            verdict=decide(bundle, packed, asked),
        )
    )


def made(bundle: Bundle, count: int) -> list[bytes]:
    return [record(bundle, visit(number)) for number in range(count)]


def insert_records(services: Services, records: list[bytes], *, attested: bool = True) -> None:
    """As collecting stores them."""
    rows = [_row(services, data, attested) for data in records]
    services.writer.run(lambda c: c.execute(insert(t.records), rows).rowcount)


def _row(services: Services, data: bytes, attested: bool) -> dict[str, Any]:
    stored = store_form(data, unpack_record(data), attested)
    more = {"tenant": services.settings.tenant, "received_s": NOW_S}
    return msgspec.structs.asdict(stored) | more


def finder(*bundles: Bundle) -> Callable[[str], Bundle | None]:
    return {bundle.digest.hex(): bundle for bundle in bundles}.get
