"""Recorded decisions, decided again under a draft: who would have seen what instead.

The rules of the game, in order:

 1. A record is believed if the edge attested it (or the caller takes others, too), if its
    bundle is there and of the draft's projection, and if that bundle gives the recorded
    verdict again, byte for byte.  Everything else is left out and counted, with the reason.
 2. Its request is encoded anew for the draft (`translating.py`): the same visitor, time,
    consent, nonce and state, the same arms taken by earlier calls.  If the draft would read
    what the record cannot tell (`reading.py`), the record is *not replayable*, and counts
    under each attribute that is missing.
 3. The draft decides under the recorded manifest block, as if that manifest had named the
    draft instead: pauses and budget multipliers name things by key and hold, the policy is
    as old as it was then, and canary shares do not apply, since every unit is the draft's.
    Units, salts and keys are names, so both sides draw with the same words: a slot changes
    only where the draft says so.
 4. Slots are paired by placement and index.  Both sides are counted by what was shown, and
    priced on the same cart, each by its own policy's arithmetic (`worth.py`).  Expectations
    use tickets, and only slots that both sides drew anew (or gave a default): a choice that
    was kept was drawn under some earlier policy, and says nothing of this one.

Under the very bundle that a record names, the verdict is the recorded one: anything else is
a fault of ours and ends the replay (`ReplayBroken`).

What this cannot know: earlier pages of the same visitor under the draft.  State and taken
arms are as recorded, so caps and kept choices are those that the old policy led to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from control_plane.reviewing.pairing import Pair, Policy, count_pair
from control_plane.reviewing.reading import Reader
from control_plane.reviewing.regrouping import Regrouping
from control_plane.reviewing.tallying import Tally
from control_plane.reviewing.translating import Translated, Translator
from control_plane.reviewing.worth import Cartful, Prices
from edge.decision import tables as t
from edge.decision.beacon import Record, unpack_record, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.errors import BundleError, RequestError
from edge.decision.manifest import unpack_manifest
from edge.decision.request import Request, pack_request, unpack_request

Decide = Callable[[bytes, bytes], bytes]
"""(manifest block, encoded request) -> verdict bytes.  Raises `RequestError`."""
Decider = Callable[[Bundle], Decide]
"""Makes of a bundle what decides by it."""
FindBundle = Callable[[str], Bundle | None]
"""The bundle of a digest, or None if it is gone.  Raises `BundleError` if it is damaged."""


def in_python(bundle: Bundle) -> Decide:
    """The definition itself, as a `Decider`."""
    return lambda block, request: decide(bundle, block, request)


class Reason(StrEnum):
    """Why a record was left out."""

    UNATTESTED = "unattested"
    UNREADABLE = "unreadable"
    NO_BUNDLE = "no-bundle"
    OTHER_TENANT = "other-tenant"
    OTHER_PROJECTION = "other-projection"
    NOT_AS_RECORDED = "not-as-recorded"
    NOT_HELD = "not-held"
    TAKEN_UNKNOWN = "taken-unknown"


MEANINGS = {
    Reason.UNATTESTED: "made in a browser: anybody could have sent it",
    Reason.UNREADABLE: "no record that this version reads",
    Reason.NO_BUNDLE: "the bundle it was decided by is gone or damaged",
    Reason.OTHER_TENANT: "decided for another shop",
    Reason.OTHER_PROJECTION: "decided by another projection than the draft's",
    Reason.NOT_AS_RECORDED: "its own bundle decides otherwise than recorded",
    Reason.NOT_HELD: "the draft reads attributes that the record cannot tell",
    Reason.TAKEN_UNKNOWN: "the page showed an arm whose name the record cannot tell",
}


class LeftOut(Exception):
    def __init__(self, reason: Reason, attributes: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attributes = tuple(attributes)


class ReplayBroken(RuntimeError):
    """The same bundle gave another verdict: a fault of ours, nothing can be believed."""


class Recorded(Struct, frozen=True):
    """A record as it is stored; `name` for messages."""

    name: str
    data: bytes
    attested: bool = True


class Known(Struct, frozen=True):
    """A bundle that records name, and what replaying them takes."""

    bundle: Bundle
    decide: Decide
    translator: Translator
    prices: Prices


class Replayer:
    """Replays records under one draft.  For one thread."""

    def __init__(
        self,
        draft: Bundle,
        find: FindBundle,
        *,
        decider: Decider = in_python,
        by: str = "",
        unattested: bool = False,
    ) -> None:
        """`by`: attribute to group by, "" for placements' own segments; raises
        `CannotRegroup`.  `unattested`: take records without the edge's word, too."""
        self.draft = draft
        self._find, self._decider = find, decider
        self._decide = decider(draft)
        self._unattested = unattested
        self._regrouping = Regrouping(draft, by)
        self._reader, self._prices = Reader(draft), Prices(draft)
        self._names = [draft.text(text) for text in draft.tables.attribute_name]
        self._known: dict[bytes, Known | None] = {}
        self._block = lru_cache(maxsize=64)(unpack_manifest)

    def replay(self, recorded: Recorded, tally: Tally) -> None:
        """Counts one record.  Raises `ReplayBroken`."""
        tally.records += 1
        try:
            self._replay(recorded, tally)
        except LeftOut as left_out:
            tally.leave_out(left_out.reason)
            for name in left_out.attributes:
                tally.not_held[name] = tally.not_held.get(name, 0) + 1
        except RequestError:
            tally.leave_out(Reason.UNREADABLE)

    def _replay(self, recorded: Recorded, tally: Tally) -> None:
        if not recorded.attested and not self._unattested:
            raise LeftOut(Reason.UNATTESTED)
        record = unpack_record(recorded.data)
        known = self._bundle_of(record)
        if known.decide(record.manifest_block, record.request) != record.verdict:
            raise LeftOut(Reason.NOT_AS_RECORDED)
        before = unpack_request(record.request)
        after = self._translated(known, record, before)
        asked = record.request if after is before else pack_request(after)
        verdict = self._decide(record.manifest_block, asked)
        if record.bundle_digest == self.draft.digest:
            self._check_same(recorded, record, verdict)
            tally.identical += 1
        digest = record.bundle_digest.hex()
        tally.replayed += 1
        tally.bundles[digest] = tally.bundles.get(digest, 0) + 1
        self._count(
            record,
            Policy(known.bundle, Cartful(known.prices, before), unpack_verdict(record.verdict)),
            Policy(self.draft, Cartful(self._prices, after), unpack_verdict(verdict)),
            tally,
        )

    def _bundle_of(self, record: Record) -> Known:
        digest = record.bundle_digest
        if digest not in self._known:
            self._known[digest] = self._open(digest.hex())
        known = self._known[digest]
        if known is None:
            raise LeftOut(Reason.NO_BUNDLE)
        if known.bundle.tenant != self.draft.tenant:
            raise LeftOut(Reason.OTHER_TENANT)
        if known.bundle.head(t.HEAD_PROJECTION) != self.draft.head(t.HEAD_PROJECTION):
            raise LeftOut(Reason.OTHER_PROJECTION)
        return known

    def _open(self, digest: str) -> Known | None:
        try:
            bundle = self._find(digest)
        except BundleError:
            return None
        if bundle is None or bundle.digest.hex() != digest:
            return None
        translator = Translator(bundle, self.draft)
        return Known(bundle, self._decider(bundle), translator, Prices(bundle))

    def _translated(self, known: Known, record: Record, request: Request) -> Request:
        translated = known.translator.translate(request)
        if translated.doubts or translated.taken_doubt:
            self._check_replayable(record, translated)
        return translated.request

    def _check_replayable(self, record: Record, translated: Translated) -> None:
        block, request = self._block(record.manifest_block), translated.request
        missing = self._reader.matter(block, request, translated.doubts)
        if missing:
            raise LeftOut(Reason.NOT_HELD, sorted(self._names[row] for row in missing))
        if translated.taken_doubt and not self._reader.gives_defaults(block, request):
            raise LeftOut(Reason.TAKEN_UNKNOWN)

    def _check_same(self, recorded: Recorded, record: Record, verdict: bytes) -> None:
        if verdict != record.verdict:
            raise ReplayBroken(
                f"record {recorded.name}: its own bundle {record.bundle_digest.hex()}"
                " gives another verdict once the request was encoded anew"
            )

    # --- counting -----------------------------------------------------------------

    def _count(self, record: Record, before: Policy, after: Policy, tally: Tally) -> None:
        rows_before, rows_after = before.by_slot(), after.by_slot()
        for place, slot in dict.fromkeys((*rows_before, *rows_after)):
            pair = Pair(record, before, after, rows_before.get((place, slot)),
                        rows_after.get((place, slot)))  # fmt: skip
            segment = self._regrouping.segment(
                after.cartful.situation, self.draft.placement_rows.get(place, -1)
            )
            count_pair(tally, pair, place, segment)
