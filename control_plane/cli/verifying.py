"""`proffer verify`: is this what an edge may run?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec import Struct

from control_plane.cli.checks import (
    Check,
    Store,
    Verified,
    WebStore,
    first_failure,
    store_of,
    verify_store,
)
from control_plane.cli.files import read_bytes
from control_plane.cli.terminal import Json, Plain, Refused, Terminal, Unusable
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from edge.decision.tables import HEAD_PROJECTION
from policy_compiler.selftests import Trouble, failures

MARKS = {"passed": "ok", "failed": "FAILED", "not reached": "-"}
PROJECTIONS = ("edge", "browser")


class VerifyDocument(Struct, frozen=True, kw_only=True):
    """What --json prints."""

    ok: bool
    checks: list[Check]
    tenant: str = ""
    sequence: int | None = None
    expires_s: int | None = None
    bundles: list[str] = []


def verify_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A bundle file, a data folder or object store, or an address."
        ),
    ],
    channel: Annotated[str, typer.Option(help="Channel whose manifest is checked.")] = "production",
    projection: Annotated[Literal["edge", "browser"], typer.Option()] = "edge",
    tenant: Annotated[str, typer.Option(help="Whom it must be for  [the root's tenant].")] = "",
    root: Annotated[
        Path | None, typer.Option(help="The pinned first root  [the one found there].")
    ] = None,
    now: Annotated[
        int | None, typer.Option(help="Check as of this time, Unix seconds  [now].")
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Check TARGET as an edge does, and name every check.

    A bundle file is checked by itself: nobody has signed it yet.  A control plane's data
    folder, an object store or the address of a control plane is checked from the root
    over the manifest to the bundles.

    Exit codes: 0 all checks passed; 1 one failed; 3 the target cannot be read.
    """
    terminal = Terminal(json, plain)
    path = Path(target)
    if path.is_file():
        return _verify_bundle(terminal, path)
    now_s = int(time.time()) if now is None else now
    pinned = None if root is None else read_bytes(root, "the root")
    found = verify_store(
        _store(target, path),
        now_s=now_s, channel=channel, projection=projection, tenant=tenant, pinned=pinned,
    )  # fmt: skip
    if pinned is None:
        terminal.note("The root is taken as found; --root checks against the one you pinned.")
    _tell(terminal, found.checks)
    if found.manifest is not None:
        terminal.say(_validity(found, now_s))
    terminal.result(_document(found))
    _require(found, target)
    return None


def _store(target: str, path: Path) -> Store:
    if target.startswith(("http://", "https://")):
        return WebStore(target)
    store = store_of(path)
    if store is None:
        raise Unusable(
            f"{target} is no bundle file, and holds no keys/root.1.jws.",
            "Name a bundle, the data folder of a control plane, or its address.",
        )
    return store


def _tell(terminal: Terminal, checks: list[Check]) -> None:
    rows = [
        (MARKS[check.outcome], check.file, check.name, check.detail or check.asks)
        for check in checks
    ]
    terminal.table(("", "file", "check", "what"), rows)


def _validity(found: Verified, now_s: int) -> str:
    assert found.manifest is not None
    manifest = found.manifest
    until = datetime.fromtimestamp(manifest.expires_s, UTC).isoformat()
    return (
        f"{manifest.tenant}, {manifest.channel}/{manifest.projection}: epoch {manifest.epoch},"
        f" sequence {manifest.sequence}, expires {until} (in {manifest.expires_s - now_s} s)"
    )


def _document(found: Verified) -> VerifyDocument:
    manifest = found.manifest
    return VerifyDocument(
        ok=found.trusted is not None,
        checks=found.checks,
        tenant=found.root.tenant if found.root else "",
        sequence=manifest.sequence if manifest else None,
        expires_s=manifest.expires_s if manifest else None,
        bundles=[release.bundle for release in manifest.releases] if manifest else [],
    )


def _require(found: Verified, target: str) -> None:
    failed = first_failure(found)
    if failed is not None:
        raise Refused(
            f"{target}: {failed.file}: {failed.name}: {failed.detail}.",
            "An edge keeps its last good policy, and shows defaults once that expires."
            "  Publish again.",
            reported=True,
        )


# --- a bundle alone -----------------------------------------------------------


def _verify_bundle(terminal: Terminal, file: Path) -> None:
    data = read_bytes(file, "the bundle")
    try:
        bundle = open_bundle(data)
    except BundleError as error:
        check = Check(
            file=str(file), name=error.code, asks="opens", outcome="failed", detail=error.detail
        )
        _tell(terminal, [check])
        terminal.result(VerifyDocument(ok=False, checks=[check]))
        raise Refused(
            f"{file}: {error.code}: {error.detail}.",
            "The file is damaged or of another format: compile its catalog again.",
            reported=True,
        ) from None
    checks = [
        Check(file=str(file), name=name, asks=asks, outcome="passed")
        for name, asks in (
            *((code, "layout of the file") for code in BundleError.CODES[:4]),
            *((code, "every table and text") for code in BundleError.CODES[4:]),
        )
    ]
    failed = list(failures(bundle, int(time.time())))
    checks.append(_tests_check(file, bundle, failed))
    _tell(terminal, checks)
    if failed:
        terminal.result(VerifyDocument(ok=False, checks=checks, tenant=bundle.tenant))
        raise Refused(f"{file}: TESTS: {failed[0].told}.", failed[0].help, reported=True)
    terminal.say(_about(bundle))
    document = VerifyDocument(
        ok=True, checks=checks, tenant=bundle.tenant, bundles=[bundle.digest.hex()]
    )
    terminal.result(document)


def _tests_check(file: Path, bundle: Bundle, failed: list[Trouble]) -> Check:
    return Check(
        file=str(file),
        name="TESTS",
        asks=f"the policy passes its own tests: {len(bundle.notes.tests)}",
        outcome="failed" if failed else "passed",
        detail="; ".join(each.told for each in failed),
    )


def _about(bundle: Bundle) -> str:
    projection = PROJECTIONS[bundle.head(HEAD_PROJECTION)]
    return (
        f"{bundle.tenant}, {projection}: sha256 {bundle.digest.hex()}, {bundle.size_bytes:,} bytes."
        "  Unsigned: a manifest that names it makes it a policy."
    )
