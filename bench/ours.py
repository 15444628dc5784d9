"""Measuring our side and the naive baseline, the same in CPython and in Pyodide.

`main(payload)` takes and gives MessagePack: a command and its arguments.  A session is
driven by `decide.py`, in turns with the other runtimes:

    open     bundle, policy JSON, requests -> nothing; both engines ready
    outcomes engine, rows of requests -> for each (eligible offers, arm, arms, tickets)
    stages   engine, rows -> nanoseconds per request and stage
    decides  engine, rows -> nanoseconds per request, all stages in one
    cold     times -> nanoseconds of first decisions, each on a bundle just opened
    forget   nothing -> nothing; the bundle is opened anew, whatever it remembered is gone
    opening  times -> nanoseconds of opening the bundle, and of parsing the same policy
             from JSON with msgspec, into dicts and into Structs
    many     count -> nothing; that many decisions (for the memory check)

A time is the lesser of wall time and this process's processor time.  Neither is ever less
than what the work takes: the wall runs on while other processes have the processor, and
processor time counts helper threads and one reading of itself.

Stages of ours: `encode` JSON to encoded request; `unpack` reading that and the manifest;
`eligible` ends with the clauses that hold (which offers own them is found under `score`);
`score`, `hash` (the unit's ticket) and `choose` as in `decide.py`; `record` the decision id
and the packed record.
`decide` is the public function, bytes to bytes: unpack, eligible, score, hash, choose, and
consent, holdouts and packing the verdict.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Any, TypeVar

import msgspec

from bench.naive import Naive
from bench.plain import Policy
from edge.decision import choosing
from edge.decision.beacon import Record, decision_id, pack_record, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide, draw_ticket, slots_in_order
from edge.decision.manifest import ManifestBlock, pack_manifest, unpack_manifest
from edge.decision.quick import quick_candidates
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from edge.decision.visit import Slot, Visit, begin

if sys.platform == "emscripten":  # whose process_time is the wall's
    from pyodide.code import run_js  # pyright: ignore[reportMissingImports]

    cpu_us = run_js("() => { const u = process.cpuUsage(); return u.user + u.system; }")

    def cpu_ns() -> int:
        return cpu_us() * 1000
else:
    cpu_ns = process_time_ns

ISSUED_S = 1_772_625_600
Mark = tuple[int, int]
Outcome = tuple[list[int], int, list[int], list[int]]
"""Rows of the eligible offers, the arm, the arms listed and their tickets."""


def begin_clock() -> Mark:
    """Processor time of this process, then wall time."""
    return cpu_ns(), perf_counter_ns()


def since(start: Mark) -> int:
    """Nanoseconds: the lesser of wall and processor time (see above)."""
    wall = perf_counter_ns() - start[1]
    return min(wall, cpu_ns() - start[0])


def time_of(work: Callable[[], object]) -> int:
    start = begin_clock()
    work()
    return since(start)


Value = TypeVar("Value")


class Took:
    """Calls what it is given, and notes how long each call took."""

    def __init__(self) -> None:
        self.stages_ns: dict[str, int] = {}

    def __call__(self, stage: str, work: Callable[[], Value]) -> Value:
        start = begin_clock()
        value = work()
        self.stages_ns[stage] = since(start)
        return value


class Ours:
    def __init__(self, bundle: bytes) -> None:
        self.bundle = open_bundle(bundle)
        manifest = ManifestBlock(digest=bytes(32), issued_s=ISSUED_S, expires_s=ISSUED_S + 86_400)
        self.block = pack_manifest(manifest)
        self.verdict = bytes(300)  # of the usual length

    def decide(self, request: bytes) -> bytes:
        return decide(self.bundle, self.block, encode_request(self.bundle, request).data)

    def outcome(self, request: bytes) -> Outcome:
        encoded = encode_request(self.bundle, request).data
        visit = begin(self.bundle, unpack_manifest(self.block), unpack_request(encoded))
        (slot,) = slots_in_order(self.bundle, visit.request)
        (row,) = unpack_verdict(decide(self.bundle, self.block, encoded))
        arms, shares = [list(each) for each in zip(*row.shown.listed, strict=True)] or [[], []]
        again = choose(visit, slot, score(visit, slot), draw_ticket(visit, slot))
        assert again == (row.shown.arm, shares)
        return list(visit.eligible), row.shown.arm, arms, shares

    def decides(self, request: bytes) -> int:
        bundle, block = self.bundle, self.block
        encoded = encode_request(bundle, request).data
        start = begin_clock()
        decide(bundle, block, encoded)
        return since(start)

    def stages(self, request: bytes) -> dict[str, int]:
        bundle, block, took = self.bundle, self.block, Took()
        encoded = took("encode", lambda: encode_request(bundle, request)).data
        inputs = took("unpack", lambda: (unpack_manifest(block), unpack_request(encoded)))
        visit = took("eligible", lambda: begin(bundle, *inputs))
        (slot,) = slots_in_order(bundle, visit.request)
        scored = took("score", lambda: score(visit, slot))
        ticket = took("hash", lambda: draw_ticket(visit, slot))
        took("choose", lambda: choose(visit, slot, scored, ticket))
        took("record", lambda: record(bundle, block, encoded, self.verdict))
        return took.stages_ns


# --- the inner stages: follow `decide.py` if it is put together differently ---


def score(visit: Visit, slot: Slot) -> Any:
    return quick_candidates(visit, slot, visit.page())


def choose(visit: Visit, slot: Slot, candidates: Any, ticket: int) -> tuple[int, list[int]]:
    """The arm, and the shares of none and the best."""
    best = choosing.best_candidates(candidates)
    if not best:
        return 0, []
    shares = choosing.tickets(visit.bundle.tables, visit.situation, slot.placement, best)
    index = choosing.draw(shares, ticket)
    return (best[index - 1].arm if index else 0), shares


def record(bundle: Bundle, block: bytes, encoded: bytes, verdict: bytes) -> tuple[bytes, bytes]:
    name = decision_id(bundle.digest, bytes(32), encoded, 0, 0)
    packed = pack_record(
        Record(
            bundle_digest=bundle.digest,
            manifest_digest=bytes(32),
            manifest_block=block,
            request=encoded,
            verdict=verdict,
        )
    )
    return name, packed


# --- the baseline in the same clothes ---


class Baseline:
    def __init__(self, policy: Policy) -> None:
        self.naive = Naive(policy)

    def outcome(self, request: bytes) -> Outcome:
        naive = self.naive
        facts = naive.read(request)
        offers = naive.eligible(facts)
        return offers, *naive.choose(naive.score(facts, offers), naive.ticket(facts))

    def decides(self, request: bytes) -> int:
        naive = self.naive
        facts = naive.read(request)
        start = begin_clock()
        naive.choose(naive.score(facts, naive.eligible(facts)), naive.ticket(facts))
        return since(start)

    def stages(self, request: bytes) -> dict[str, int]:
        naive, took = self.naive, Took()
        facts = took("encode", lambda: naive.read(request))
        offers = took("eligible", lambda: naive.eligible(facts))
        scored = took("score", lambda: naive.score(facts, offers))
        ticket = took("hash", lambda: naive.ticket(facts))
        took("choose", lambda: naive.choose(scored, ticket))
        return took.stages_ns


# --- the session ---


class Session:
    """Both engines of one policy, and its requests."""

    def __init__(self, bundle: bytes, policy: bytes, requests: list[bytes]) -> None:
        self.data, self.text, self.requests = bundle, policy, requests
        self.policy = msgspec.json.decode(policy, type=Policy)
        self.engines: dict[str, Ours | Baseline] = {
            "ours": Ours(bundle),
            "naive": Baseline(self.policy),
        }

    def outcomes(self, engine: str, rows: list[int]) -> list[Outcome]:
        return [self.engines[engine].outcome(self.requests[row]) for row in rows]

    def stages(self, engine: str, rows: list[int]) -> list[dict[str, int]]:
        stages = self.engines[engine].stages
        return [stages(self.requests[row]) for row in rows]

    def decides(self, engine: str, rows: list[int]) -> list[int]:
        decides = self.engines[engine].decides
        return [decides(self.requests[row]) for row in rows]

    def forget(self) -> None:
        self.engines["ours"] = Ours(self.data)

    def cold(self, times: int) -> list[int]:
        """Encoding and deciding, first thing after opening."""
        found = []
        for index in range(times):
            made, request = Ours(self.data), self.requests[index % len(self.requests)]
            found.append(time_of(lambda made=made, request=request: made.decide(request)))
        return found

    def opening(self, times: int) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {"bundle": [], "dicts": [], "structs": []}
        gc.collect()
        gc.freeze()  # as if nothing else were here: the collector looks at new objects only
        for _ in range(times):
            found["bundle"].append(time_of(lambda: open_bundle(self.data)))
            found["dicts"].append(time_of(lambda: msgspec.json.decode(self.text)))
            found["structs"].append(time_of(lambda: msgspec.json.decode(self.text, type=Policy)))
        gc.unfreeze()
        return found

    def many(self, count: int) -> int:
        """So many decisions, record included; how many bytes they made."""
        ours, size_bytes = self.engines["ours"], 0
        assert isinstance(ours, Ours)
        for index in range(count):
            encoded = encode_request(ours.bundle, self.requests[index % len(self.requests)]).data
            verdict = decide(ours.bundle, ours.block, encoded)
            size_bytes += len(record(ours.bundle, ours.block, encoded, verdict)[1])
        return size_bytes


SESSIONS: dict[int, Session] = {}


def main(payload: bytes) -> bytes:
    command, number, *arguments = msgspec.msgpack.decode(payload)
    if command == "open":
        SESSIONS[number] = Session(*arguments)
        return b"\xc0"
    if command == "close":
        del SESSIONS[number]
        return b"\xc0"
    return msgspec.msgpack.encode(getattr(SESSIONS[number], command)(*arguments))
