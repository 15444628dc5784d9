"""Takes decisions for a visit and keeps the books: verdict, record, token, receipt.

The core decides; here its inputs are put together and its verdict becomes what a page
or a program can use.  Every decision that was really taken is logged before anybody
sees it.  Where none is taken (no policy, a stale one, consent `none`) there is nothing
to log, and the answer is a default without an id.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, structs

from edge.decision import tables as t
from edge.decision.beacon import (
    GLOBAL_HOLDOUT,
    HOLDOUT,
    Record,
    Row,
    pack_record,
    unpack_verdict,
)
from edge.decision.bundle import Bundle
from edge.decision.creatives import Shown, show
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.notes import Creative
from edge.decision.reasons import Reason
from edge.decision.request import CONTEXTUAL, Request, unpack_request
from edge.decision.request_json import Encoded, Json, encode_fields
from edge.decision.state import State
from edge.decision.token import SubjectKind, Token, issue_token
from edge.decision.trust import Trusted
from edge.metering import SILENT, Meter
from edge.receipts import receipt_of, write_receipt
from edge.settings import Settings
from edge.visiting import Visit
from edge.vouching import Attributes, Ignored, admit

logger = logging.getLogger("edge.deciding")


class Log(Protocol):
    """Where records go; must neither wait nor fail."""

    def log(self, decision: str, record: bytes) -> None: ...


class Question(Struct, frozen=True, kw_only=True):
    """What to decide: placements by name, what this page view took, and who claims what."""

    placements: Sequence[str]
    taken: Json = None
    by_client: Attributes = {}
    by_shop: Attributes = {}


class Decided(Struct, frozen=True, kw_only=True):
    """One slot.  Without `offer` the page shows its own default; without `decision`
    nothing was decided and nothing is to be reported.

    `subject_kind`: whom the token is for.  `expires_s`: when it expires, Unix seconds.
    `receipt` goes back with the exposure, `track` into it.
    """

    placement: str
    slot: int = 0
    decision: str = ""
    reason: str
    offer: str = ""
    rung: str = ""
    creative: Creative = {}
    token: str | None = None
    subject_kind: SubjectKind | None = None
    expires_s: int | None = None
    disclosure: bool = False
    track: str = "shown"
    receipt: str = ""

    @property
    def arm(self) -> str:
        return f"{self.offer}/{self.rung}" if self.offer else "none"


class Outcome(Struct, frozen=True):
    """What was decided, and the record of it; the record is empty where nothing was."""

    decisions: tuple[Decided, ...]
    ignored: tuple[Ignored, ...] = ()
    record: bytes = b""


class Desk:
    """Where decisions are taken."""

    def __init__(self, settings: Settings, log: Log, meter: Meter = SILENT) -> None:
        self._meter = meter
        self._tenant = settings.tenant
        self._secrets = settings.secrets
        self._log = log

    def decide(self, policy: Trusted | None, visit: Visit, question: Question) -> Outcome:
        """Decide and log.  Raises `RequestError` for a question that is none.

        A fault of ours ends in defaults, like everything that is nobody's fault.
        """
        outcome = self.weigh(policy, visit, question)
        self.keep(outcome)
        return outcome

    def keep(self, outcome: Outcome) -> None:
        """Log what was decided.  Nobody may see an outcome before."""
        for slot in outcome.decisions:
            self._meter.decided(slot.reason, bool(slot.offer))
        if outcome.record:
            self._log.log(outcome.decisions[0].decision, outcome.record)

    def weigh(self, policy: Trusted | None, visit: Visit, question: Question) -> Outcome:
        """As `decide`, and nobody knows of it until it is kept."""
        reason = no_decision(policy, visit)
        if policy is None or reason:
            return defaults(question, reason or Reason.NO_POLICY)
        try:
            return self._answer(policy, visit, question)
        except RequestError:
            raise
        except Exception:
            logger.exception("a decision failed")
            return defaults(question, Reason.FAILED)

    def _answer(self, policy: Trusted, visit: Visit, question: Question) -> Outcome:
        bundle = policy.bundle_for(visit.unit)
        attributes, ignored = admit(
            bundle, visit.consent, question.by_client, question.by_shop, visit.observed
        )
        encoded = encode(bundle, visit, question, attributes)
        strangers = encoded.unknown_placements
        unknown = [default(name, Reason.UNKNOWN_PLACEMENT) for name in strangers]
        if len(unknown) == len(question.placements):
            return Outcome(tuple(unknown), ignored)
        decided, record = self._decide(policy, bundle, visit, encoded)
        return Outcome((*decided, *unknown), ignored, record)

    def _decide(
        self, policy: Trusted, bundle: Bundle, visit: Visit, encoded: Encoded
    ) -> tuple[list[Decided], bytes]:
        record = Record(
            bundle_digest=bundle.digest,
            manifest_digest=policy.manifest.digest,
            manifest_block=policy.block,
            request=encoded.data,
            verdict=decide(bundle, policy.block, encoded.data),
        )
        request, rows = unpack_request(encoded.data), unpack_verdict(record.verdict)
        shown = [(row, show(bundle, record, request, row)) for row in rows]
        decided = [self._expand(bundle, visit, request, row, what) for row, what in shown]
        return decided, pack_record(record)

    def _expand(
        self, bundle: Bundle, visit: Visit, request: Request, row: Row, shown: Shown
    ) -> Decided:
        expires_s = visit.now_s + shown.token_s if shown.token_s else None
        return Decided(
            placement=shown.placement,
            slot=shown.slot,
            decision=shown.decision,
            reason=shown.reason,
            offer=shown.offer,
            rung=shown.rung,
            creative=shown.creative,
            token=self._token(bundle, request, row, shown, expires_s) if expires_s else None,
            subject_kind=subject_of(bundle, request, row)[0] if expires_s else None,
            expires_s=expires_s,
            disclosure=shown.disclosure,
            track="ghost" if row.flags & (HOLDOUT | GLOBAL_HOLDOUT) else "shown",
            receipt=self._receipt(bundle, visit, row, shown),
        )

    def _token(
        self, bundle: Bundle, request: Request, row: Row, shown: Shown, expires_s: int
    ) -> str:
        kind, subject = subject_of(bundle, request, row)
        token = Token(
            tenant=self._tenant,
            id=shown.drawn_by,
            offer=shown.offer,
            rung=shown.rung,
            placement=shown.placement,
            subject=subject,
            subject_kind=kind,
            issued_s=request.now_s,
            expires_s=expires_s,
            bundle=bundle.digest.hex(),
        )
        return issue_token(self._secrets.edge_secret, token)

    def _receipt(self, bundle: Bundle, visit: Visit, row: Row, shown: Shown) -> str:
        receipt = receipt_of(bundle, row, bytes.fromhex(shown.decision), visit.now_s)
        if receipt is None or not visit.visitor:
            return ""
        return write_receipt(self._secrets.cookie_secret, visit.visitor, receipt)


def subject_of(bundle: Bundle, request: Request, row: Row) -> tuple[SubjectKind, str]:
    """Whom a token is for: the unit that the placement's choice is keyed on."""
    if request.consent == CONTEXTUAL or not (request.visitor or request.customer):
        return "page", request.nonce
    by_customer = bundle.tables.placement_unit[row.placement] == t.CUSTOMER
    if request.customer and (by_customer or not request.visitor):
        return "customer", request.customer
    return "visitor", request.visitor


def no_decision(policy: Trusted | None, visit: Visit) -> Reason | None:
    """Why nothing is decided for anybody, or for this visit."""
    if visit.consent == "none":
        return Reason.NO_CONSENT
    if policy is None:
        return Reason.NO_POLICY
    return Reason.STALE if visit.now_s >= policy.manifest.expires_s else None


def default(placement: str, reason: Reason) -> Decided:
    return Decided(placement=placement, reason=reason.name)


def defaults(question: Question, reason: Reason) -> Outcome:
    return Outcome(tuple(default(name, reason) for name in question.placements))


def encode(
    bundle: Bundle, visit: Visit, question: Question, attributes: dict[str, Json]
) -> Encoded:
    fields: dict[str, Json] = {
        "visitor": visit.visitor or None,
        "customer": visit.customer or None,
        "nonce": visit.nonce,
        "locale": visit.locale or None,
        "consent": visit.consent,
        "now_s": visit.now_s,
        "placements": list(question.placements),
        "taken": question.taken,
        "attributes": attributes,
        "state": None if visit.state is None else state_fields(visit.state),
    }
    return encode_fields(bundle, fields)


def state_fields(state: State) -> Json:
    """A state as the request's JSON has it."""
    kept: list[Json] = [structs.asdict(k) | {"drawn_by": k.drawn_by.hex()} for k in state.kept]
    caps: list[Json] = [structs.asdict(cap) for cap in state.caps]
    return {"caps": caps, "kept": kept, "overflow": state.overflow}
