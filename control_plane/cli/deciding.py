"""`proffer decide`: one request, or with --batch many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from control_plane.batch import Line, lines_of
from control_plane.cli.batching import BatchRun, run_batch
from control_plane.cli.files import write_bytes
from control_plane.cli.policies import load_policy
from control_plane.cli.requests import Asked, read_request
from control_plane.cli.terminal import Json, Misused, Plain, Terminal
from edge.decision.beacon import Record, Row, pack_record, unpack_verdict
from edge.decision.creatives import show
from edge.decision.decide import decide
from edge.decision.manifest import pack_manifest
from edge.decision.notes import Creative


class Decided(Struct, frozen=True, kw_only=True):
    """One slot, for --json: its line (as in the batch table), candidates and texts."""

    line: Line
    listed: list[tuple[str, int]]
    creative: Creative
    disclosure: bool
    token_s: int


class DecideDocument(Struct, frozen=True, kw_only=True):
    bundle: str
    manifest: str
    origin: str
    decisions: list[Decided]
    ignored: list[str]


def decide_command(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="Catalog folder, bundle file, or the data folder of a control plane.",
        ),
    ] = None,
    request: Annotated[
        Path | None, typer.Argument(metavar="REQUEST", help="The request as JSON; - reads stdin.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Write the record of the decision; with --batch, all of them."),
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Decide for a table of requests.")] = False,
    catalog: Annotated[
        Path | None, typer.Option(help="--batch: the policy, as SOURCE  [the grocer's].")
    ] = None,
    requests: Annotated[
        Path | None,
        typer.Option(help="--batch: a .csv, .csv.gz or .parquet file, a request per row."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="--batch: a folder of tables for the adapter  [the grocer's]."),
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="--batch: Python file that reads --data  [the grocer's]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="--batch: write decisions as CSV  [decisions.csv].")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="--batch: write them as Parquet, too.")
    ] = None,
    pure: Annotated[
        bool,
        typer.Option("--pure", help="--batch: in Python even where the kernel's library is built."),
    ] = False,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Decide one request, or with --batch a table of them.

    Decides REQUEST with the policy of SOURCE and prints what each slot shows.

    With --batch decides every row of a table (--requests: columns are named by
    attributes), or every request that an adapter makes of a folder of tables (--data;
    without either, the example grocer's baskets).  Rows are taken in order; what a unit
    was shown counts as seen, so caps hold and choices are kept.

    Exit codes: 0 decided; 1 policy or request was refused (with --batch: some rows
    were; they are in the output with their reason); 2 options do not go together;
    3 a file cannot be read or written, or an extra is missing.
    """
    terminal = Terminal(json, plain)
    if batch:
        if request is not None:
            raise Misused("--batch takes no REQUEST.", "Use --requests FILE.")
        if source is not None and catalog is not None:
            raise Misused("Two policies: SOURCE and --catalog.", "Name one of them.")
        asked = BatchRun(
            source=catalog or source, requests=requests, data=data, adapter=adapter,
            out=out or Path("decisions.csv"), parquet=parquet, record=record, pure=pure,
        )  # fmt: skip
        return run_batch(terminal, asked)
    _refuse_batch_options(catalog=catalog, requests=requests, data=data, adapter=adapter,
                          out=out, parquet=parquet, pure=pure or None)  # fmt: skip
    if source is None or request is None:
        raise Misused("SOURCE and REQUEST are needed.", "See `proffer decide --help`.")
    return _decide_one(terminal, source, request, record)


def _refuse_batch_options(**options: Path | bool | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise Misused(f"--{name} goes with --batch only.", "Add --batch, or leave it out.")


def _decide_one(terminal: Terminal, source: Path, path: Path, keep: Path | None) -> None:
    policy = load_policy(source)
    asked = read_request(policy, path)
    record = record_of(asked)
    if keep is not None:
        write_bytes(keep, pack_record(record), "the record")
    decisions = _decisions(asked, record)
    for name in asked.ignored:
        terminal.note(f"The policy does not read `{name}`; it was ignored.", "yellow")
    _tell(terminal, decisions)
    terminal.result(
        DecideDocument(
            bundle=record.bundle_digest.hex(),
            manifest=record.manifest_digest.hex(),
            origin=policy.origin,
            decisions=decisions,
            ignored=asked.ignored,
        )
    )


def record_of(asked: Asked) -> Record:
    """The decision, from bytes to bytes."""
    block = pack_manifest(asked.block)
    return Record(
        bundle_digest=asked.bundle.digest,
        manifest_digest=asked.block.digest,
        manifest_block=block,
        request=asked.encoded.data,
        verdict=decide(asked.bundle, block, asked.encoded.data),
    )


def _decisions(asked: Asked, record: Record) -> list[Decided]:
    lines = lines_of(asked.bundle, asked.request, record)
    rows = unpack_verdict(record.verdict)
    return [_decided(asked, record, *pair) for pair in zip(rows, lines, strict=True)]


def _decided(asked: Asked, record: Record, row: Row, line: Line) -> Decided:
    shown = show(asked.bundle, record, asked.request, row)
    listed = [(asked.bundle.arm_name(arm), tickets) for arm, tickets in row.shown.listed]
    return Decided(
        line=line,
        listed=listed,
        creative=shown.creative,
        disclosure=shown.disclosure,
        token_s=shown.token_s,
    )


def _tell(terminal: Terminal, decisions: list[Decided]) -> None:
    heads = ("placement", "slot", "shows", "reason", "propensity", "costs", "headline")
    rows = [
        (
            each.line.placement,
            each.line.slot,
            f"{each.line.offer}/{each.line.rung}" if each.line.offer else "the default",
            each.line.reason,
            each.line.propensity,
            each.line.incentive,
            each.creative.get("headline", ""),
        )
        for each in decisions
    ]
    terminal.table(heads, rows)
    for each in decisions:
        if each.line.held_out:
            terminal.say(
                f"{each.line.placement}/{each.line.slot}: held out ({each.line.held_out});"
                f" would show {each.line.would_show}"
            )
