"""`proffer decide --batch`: a table of requests in, a table of decisions out."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import IO, Literal

from msgspec import Struct

from control_plane.batch import Batch, BatchRefused, Feed, Line, decide_feed
from control_plane.batch_tables import (
    NO_DUCKDB,
    DecisionTable,
    ExtraMissing,
    check_parquet,
    read_requests,
    write_parquet,
)
from control_plane.cli.counting import counted
from control_plane.cli.files import examples, replacing
from control_plane.cli.kernels import fast_verdicts
from control_plane.cli.policies import load_policy
from control_plane.cli.terminal import Misused, Refused, Terminal, Unusable
from edge.decision.beacon import Row, pack_record
from edge.decision.bundle import Bundle
from edge.decision.reasons import Reason
from edge.decision.state import State
from edge.receipts import advance, fit, receipt_of

SHOWN_OFFERS = 12


class BatchRun(Struct, frozen=True, kw_only=True):
    """What was asked for; None means the default."""

    source: Path | None
    requests: Path | None
    data: Path | None
    adapter: Path | None
    out: Path
    parquet: Path | None
    record: Path | None
    pure: bool = False
    """In Python even where the kernel's library is built."""


class BatchDocument(Struct, kw_only=True):
    """What --json prints: counts over all lines; money in the shop's currency."""

    bundle: str
    out: str
    parquet: str | None
    decided_by: Literal["python", "kernel"] = "python"
    requests: int = 0
    refused: int = 0
    lines: int = 0
    shown: int = 0
    held_out: int = 0
    incentive: str = "0"
    reasons: dict[str, int] = {}
    offers: dict[str, int] = {}
    ignored: list[str] = []
    invalid: dict[str, int] = {}
    seconds: float = 0.0
    requests_per_second: float = 0.0


def run_batch(terminal: Terminal, asked: BatchRun) -> None:
    """Raises `Refused` after writing everything if rows were refused."""
    if asked.data is not None and asked.requests is not None:
        raise Misused("Two inputs: --data and --requests.", "Name one of them.")
    try:
        if asked.parquet is not None:
            check_parquet()
        policy = load_policy(asked.source or examples() / "grocer" / "catalog")
        bundle = policy.bundle
        fast = None if asked.pure else fast_verdicts(bundle)
        batch = Batch(bundle=bundle, block_at=policy.block_at, expose=expose, verdict_of=fast)
        feed = _feed(asked, bundle)
        document = BatchDocument(
            bundle=bundle.digest.hex(),
            out=str(asked.out),
            parquet=None if asked.parquet is None else str(asked.parquet),
            decided_by="kernel" if fast else "python",
        )
        _write(terminal, asked, batch, feed, document)
    except ExtraMissing as missing:
        raise Unusable(str(missing), NO_DUCKDB) from None
    except BatchRefused as refused:
        raise Refused(str(refused), refused.help + "  Nothing was written.") from None
    _tell(terminal, document)
    terminal.result(document)
    if document.refused:
        raise Refused(
            f"{document.refused:,} of {counted(document.requests, 'request')} refused.",
            f"They are in {asked.out} with reason BAD_REQUEST; the column `problem` says why.",
            reported=True,
        )


def expose(state: State, bundle: Bundle, row: Row, decision: bytes, now_s: int) -> State:
    """As the edge does when the page reports that a slot was seen."""
    receipt = receipt_of(bundle, row, decision, now_s)
    return state if receipt is None else fit(advance(state, receipt), bundle, now_s)


# --- reading ------------------------------------------------------------------


def _feed(asked: BatchRun, bundle: Bundle) -> Feed:
    if asked.requests is not None:
        return read_requests(asked.requests, bundle, int(time.time()))
    grocer = examples() / "grocer"
    data = asked.data or grocer / "data"
    if not data.is_dir():
        raise Unusable(f"{data} is no folder.", "Name the folder with the tables.")
    return _load_adapter(asked.adapter or grocer / "adapter.py").read_feed(data)


def _load_adapter(path: Path) -> ModuleType:
    """Run a Python file that its user chose; it must define `read_feed(folder) -> Feed`."""
    spec = importlib.util.spec_from_file_location("proffer_adapter", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Unusable(f"{path} is no Python file.", "Name the adapter's file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "read_feed"):
        raise Refused(f"{path} defines no `read_feed`.", "Compare with examples/grocer/adapter.py.")
    return module


# --- writing ------------------------------------------------------------------


def _write(
    terminal: Terminal, asked: BatchRun, batch: Batch, feed: Feed, document: BatchDocument
) -> None:
    """Drafts of all outputs; they take their places together once all is decided."""
    with ExitStack() as stack:
        draft = stack.enter_context(replacing(asked.out, "the table"))
        records = None
        if asked.record is not None:
            place = stack.enter_context(replacing(asked.record, "the records"))
            records = stack.enter_context(place.open("wb"))
        with draft.open("w", encoding="utf-8", newline="") as file:
            _decide_all(terminal, batch, feed, DecisionTable(file), records, document)
        if records is not None:
            records.close()
        if asked.parquet is not None:
            packed = stack.enter_context(replacing(asked.parquet, "the Parquet file"))
            write_parquet(draft, packed)


def _decide_all(
    terminal: Terminal,
    batch: Batch,
    feed: Feed,
    table: DecisionTable,
    records: IO[bytes] | None,
    document: BatchDocument,
) -> None:
    tally = _Tally()
    with terminal.progress("deciding", feed.total) as meter:
        for lines, record in decide_feed(batch, feed):
            table.write(lines)
            if records is not None and record is not None:
                records.write(pack_record(record))
            tally.count(lines)
            meter.advance()
    tally.tell(document)
    document.requests = meter.count
    document.ignored = sorted(batch.strangers)
    document.invalid = dict(batch.invalid)
    document.seconds = round(meter.seconds, 3)
    document.requests_per_second = round(meter.per_second, 1)


class _Tally:
    """Counts over lines."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.offers: Counter[str] = Counter()
        self.held_out = 0
        self.incentive = Decimal(0)

    def count(self, lines: list[Line]) -> None:
        for line in lines:
            self.reasons[line.reason] += 1
            self.held_out += bool(line.held_out)
            if line.offer:
                self.offers[f"{line.offer}/{line.rung}"] += 1
                self.incentive += Decimal(line.incentive or 0)

    def tell(self, document: BatchDocument) -> None:
        document.refused = self.reasons[Reason.BAD_REQUEST.name]
        document.lines = self.reasons.total()
        document.shown = self.offers.total()
        document.held_out = self.held_out
        document.incentive = str(self.incentive)
        document.reasons = dict(self.reasons.most_common())
        document.offers = dict(self.offers.most_common())


# --- telling ------------------------------------------------------------------


def _tell(terminal: Terminal, document: BatchDocument) -> None:
    if document.ignored:
        names = ", ".join(f"`{name}`" for name in document.ignored)
        terminal.note(f"The policy does not read {names}; ignored.")
    for name, count in document.invalid.items():
        terminal.note(
            f"`{name}` was invalid in {counted(count, 'request')}: wrong type or range.", "yellow"
        )
    terminal.say(
        f"{counted(document.requests, 'request')}, {counted(document.lines, 'slot')}"
        f" in {document.seconds:.1f} s:"
        f" {document.requests_per_second:,.0f} requests per second"
        + (", by the kernel" if document.decided_by == "kernel" else ""),
        "green",
    )
    terminal.say(
        f"{counted(document.shown, 'offer')} shown, expected to cost {document.incentive};"
        f" {counted(document.held_out, 'slot')} held out"
    )
    terminal.table(("reason", "slots"), document.reasons.items())
    most = list(document.offers.items())
    terminal.table(("offer", "shown"), most[:SHOWN_OFFERS])
    if len(most) > SHOWN_OFFERS:
        terminal.say(f"and {len(most) - SHOWN_OFFERS} more")
    terminal.say(f"Wrote {document.out}" + (f" and {document.parquet}" if document.parquet else ""))
