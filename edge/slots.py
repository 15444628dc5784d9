"""The slots of one page view, decided one after the other as they come by.

A slot is decided when it is met, with what earlier slots took, so that a placement the
page does not have never counts as taken.  All calls of a page view share one policy,
one nonce and one time.

A placement with several slots is decided once; the page's elements of that name take
its slots in order.  All of them count as taken from then on: that may withhold an
offer that would have been possible, and never breaks a guardrail.  Once a decision
fails, the rest of the page keeps its defaults.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from edge.deciding import Decided, Desk, Question, default
from edge.decision.errors import RequestError
from edge.decision.reasons import Reason
from edge.decision.request_json import Json
from edge.decision.trust import Trusted
from edge.pages import Filling
from edge.rendering import fill_slot
from edge.visiting import Visit
from edge.vouching import Attributes

PAGE_CHANNEL = "page"
SLOTS_LIMIT = 64
"""Placements of one page view; the core takes note of no more."""

logger = logging.getLogger("edge.slots")


class PageSlots:
    """Callable as `pages.Fill`."""

    def __init__(
        self, desk: Desk, policy: Trusted, visit: Visit, attributes: Attributes, script: str
    ) -> None:
        self._desk = desk
        self._policy = policy
        self._visit = visit
        self._attributes = attributes
        self._script = script
        self._waiting: dict[str, list[Decided]] = {}
        self._taken: list[Json] = []
        self._failed = False

    def __call__(self, attributes: Mapping[str, str]) -> Filling | None:
        placement = attributes.get("placement", "")
        if self._failed or not placement:
            return None
        if placement not in self._waiting:
            self._waiting[placement] = self._decide(placement)
        slots = self._waiting[placement]
        if not slots or slots[0].reason == Reason.FAILED.name:
            self._failed = self._failed or bool(slots)
            return None
        return self._fill(slots.pop(0))

    def _fill(self, decided: Decided) -> Filling:
        """The page script follows the first slot that there is something to report about."""
        script = self._script if decided.decision else ""
        self._script = "" if script else self._script
        return fill_slot(decided, self._visit.locale, script)

    def _decide(self, placement: str) -> list[Decided]:
        if not self._is_for_pages(placement):
            return [default(placement, Reason.UNKNOWN_PLACEMENT)]
        question = Question(
            placements=[placement], taken=list(self._taken), by_shop=self._attributes
        )
        try:
            decided = self._desk.decide(self._policy, self._visit, question).decisions
        except RequestError as error:
            logger.warning("a page's slot %r was not decided: %s", placement, error)
            return [default(placement, Reason.FAILED)]
        self._taken += [_taken(slot) for slot in decided if slot.offer]
        return list(decided)

    def _is_for_pages(self, placement: str) -> bool:
        bundle = self._policy.bundle_for(self._visit.unit)
        row = bundle.placement_rows.get(placement)
        known = row is not None and bundle.notes.placements[row].channel == PAGE_CHANNEL
        return known and len(self._waiting) < SLOTS_LIMIT


def _taken(slot: Decided) -> Json:
    return {"placement": slot.placement, "slot": slot.slot, "arm": slot.arm}
