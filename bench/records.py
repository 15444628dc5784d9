"""A control plane's data folder with as many decision records as wanted, for replays.

    python -m bench.records FOLDER 1000000 [CATALOG]

The catalog (default: the example store's) is published as `proffer serve` would publish it.
Visitors are made up from a seed: every attribute in every state, near the policy's own
breakpoints; most come with full consent, many with caps used and choices kept.  Decisions
are the core's own (by the kernel where it is built: the same bytes), spread over a week.
Records go into the table as collecting writes them, in large transactions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert

from control_plane.cli.kernels import fastest
from control_plane.recording import store_form
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables as t
from edge.decision.beacon import Record, pack_record
from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_fields
from edge.decision.trust import manifest_block
from policy_compiler.source import read_catalog
from tests.support.requests import RequestMaker

ROOT = Path(__file__).resolve().parents[1]
STORE = ROOT / "examples" / "store" / "catalog"
WEEK_S = 7 * 86400
CHUNK = 5_000


def write_records(folder: Path, count: int, catalog: Path = STORE, seed: int = 1) -> None:
    """`count` records in a new data folder."""
    shop = read_catalog(catalog).parts.shop
    assert shop is not None
    services = Services.open(Settings(data=folder, tenant=shop.tenant, catalog=catalog))
    try:
        rows = made_records(services, count, seed)
        while values := list(islice(rows, CHUNK)):
            services.writer.run(lambda c, v=values: c.execute(insert(t.records), v).rowcount)
    finally:
        services.close()


def made_records(services: Services, count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Rows of `records` under the live policy; the last decision is of now."""
    live, bundle = services.publisher.live(), services.publisher.live_bundle()
    assert live is not None and bundle is not None
    claims = msgspec.structs.asdict(live.manifest)
    digest = bytes.fromhex(live.digest)
    block = manifest_block(Manifest(**claims, digest=digest))
    now_s = int(time.time())
    for data in decided(bundle, block, count, seed, now_s):
        yield _row(services.settings.tenant, bundle, digest, data, now_s)


def decided(
    bundle: Bundle, block: ManifestBlock, count: int, seed: int, now_s: int
) -> Iterator[bytes]:
    """Packed records: real requests, real verdicts.  The policy is a minute old each time."""
    maker, decide = RequestMaker(bundle, seed, now_s=now_s), fastest(bundle)
    for number in range(count):
        then_s = now_s - WEEK_S + (number * WEEK_S) // count
        packed = pack_manifest(
            msgspec.structs.replace(block, issued_s=then_s - 60, expires_s=then_s + 86400)
        )
        fields = maker.request(now_s=then_s, nonce=f"n{seed}-{number}").fields
        asked = encode_fields(bundle, fields).data
        yield pack_record(
            Record(
                bundle_digest=bundle.digest,
                manifest_digest=block.digest,
                manifest_block=packed,
                request=asked,
                verdict=decide(packed, asked),
            )
        )


def _row(tenant: str, bundle: Bundle, manifest: bytes, data: bytes, now_s: int) -> dict[str, Any]:
    record = Record(
        bundle_digest=bundle.digest,
        manifest_digest=manifest,
        manifest_block=b"",
        request=b"",
        verdict=b"",
    )
    stored = store_form(data, record, attested=True)
    return msgspec.structs.asdict(stored) | {"tenant": tenant, "received_s": now_s}


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    catalog = Path(sys.argv[3]) if len(sys.argv) > 3 else STORE
    began = time.monotonic()
    write_records(folder, count, catalog)
    taken_s = time.monotonic() - began
    print(f"{count:,} records in {taken_s:.0f} s: {count / taken_s:,.0f} per second")


if __name__ == "__main__":
    main()
