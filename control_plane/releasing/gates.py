"""The gates: what a policy must pass before any edge gets it.

    GATES = (
        it_opens_as_a_policy_of_this_shop,
        it_is_within_the_limits_of_an_edge,
        it_passes_its_own_tests,
        its_catalog_is_approved,
    )

Every publish, promotion, ramp and schedule goes through all of them, with the very bytes
that will be signed; what goes back to an earlier policy goes through none, and neither do
kill switches.  A gate says all that it finds, and all gates are asked, so that one look
shows everything: what is wrong, where, and what to do.

A gate is a function of the candidate.  A later gate is one more line of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from control_plane.issuing import PublishRefused
from control_plane.reviewing.approvals import Approval
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from edge.decision.tables import EDGE_PROJECTION, HEAD_PROJECTION
from policy_compiler.check_targets import check_target
from policy_compiler.selftests import failures

SHOWN = 5
"""Findings that an error message tells; all of them are in `findings`."""


class Finding(Struct, frozen=True, kw_only=True):
    """Why a gate stays closed: what is wrong, where, and what to do."""

    gate: str
    what: str
    where: str
    help: str


class Candidate(Struct, frozen=True, kw_only=True):
    """A policy before the gates.

    `bundle` is None where the bytes are none.  `hashes` are the catalogs known to make these
    bytes, `live_hashes` those of the policy that is live.  `approval` asks about one, and
    `was_live` whether a catalog was ever live on this channel.
    """

    data: bytes
    tenant: str
    bundle: Bundle | None
    trouble: str
    now_s: int
    needs_approval: bool
    hashes: frozenset[str]
    live_hashes: frozenset[str]
    approval: Callable[[str], Approval | None]
    was_live: Callable[[str], bool]


class GatesClosed(PublishRefused):
    """The policy did not pass; `findings` say all that is in its way."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        told = [finding.what for finding in findings[:SHOWN]]
        more = len(findings) - len(told)
        rest = f"; and {more} more" if more else ""
        helps = dict.fromkeys(finding.help for finding in findings)
        super().__init__("; ".join(told) + rest, "  ".join(helps))
        self.findings = tuple(findings)


Gate = Callable[[Candidate], Iterable[Finding]]


# --- the gates ----------------------------------------------------------------


def it_opens_as_a_policy_of_this_shop(candidate: Candidate) -> Iterator[Finding]:
    name, bundle = "opens", candidate.bundle
    if bundle is None:
        what = f"this is no bundle: {candidate.trouble}"
        yield Finding(gate=name, what=what, where="the bundle", help="Compile it again.")
        return
    if bundle.tenant != candidate.tenant:
        yield Finding(
            gate=name,
            what=f"the bundle is for {bundle.tenant!r}, this is {candidate.tenant!r}",
            where="shop.tenant",
            help="Compile the catalog of this shop, or set PROFFER_TENANT.",
        )
    if bundle.head(HEAD_PROJECTION) != EDGE_PROJECTION:
        what = "the bundle is not for edges"
        yield Finding(gate=name, what=what, where="the bundle", help="Compile the edge projection.")


def it_is_within_the_limits_of_an_edge(candidate: Candidate) -> Iterator[Finding]:
    if candidate.bundle is None:
        return
    for excess in check_target(candidate.bundle, candidate.data, "edge"):
        if excess.hard:
            found = excess.finding
            help = "Do what the finding names; docs/reference/limits.md has the table."
            yield Finding(gate="limits", what=found.message, where=found.path, help=help)


def it_passes_its_own_tests(candidate: Candidate) -> Iterator[Finding]:
    if candidate.bundle is None:
        return
    for failure in failures(candidate.bundle, candidate.now_s):
        yield Finding(gate="tests", what=failure.told, where=failure.path, help=failure.help)


def its_catalog_is_approved(candidate: Candidate) -> Iterator[Finding]:
    """What is live passes with new weights, too: people let its catalog in before."""
    if not candidate.needs_approval:
        return
    hashes = candidate.hashes - {""}
    if hashes & candidate.live_hashes:
        return
    approvals = [found for found in map(candidate.approval, sorted(hashes)) if found]
    if approvals:
        yield from _out_of_date(candidate, approvals)
        return
    known = ", ".join(hash[:12] for hash in sorted(hashes))
    yield Finding(
        gate="approval",
        what=f"catalog {known} is not approved" if known else "nobody knows its catalog",
        where=f"catalog/{min(hashes)}" if hashes else "the bundle",
        help="Have somebody other than its author approve that very catalog.",
    )


def _out_of_date(candidate: Candidate, approvals: Sequence[Approval]) -> Iterator[Finding]:
    """Whoever approved it compared it with what is no longer live here."""
    if any(_is_current(candidate, approval) for approval in approvals):
        return
    old = approvals[0]
    yield Finding(
        gate="approval",
        what=f"catalog {old.content_hash[:12]} was approved when {old.against[:12]} was live;"
        " something else is live now, which publishing it would undo",
        where=f"catalog/{old.content_hash}",
        help="Rebase the draft onto what is live, and have that approved.",
    )


def _is_current(candidate: Candidate, approval: Approval) -> bool:
    """Also where what it was compared with is of another channel, as before a promotion."""
    against = approval.against
    return not against or against in candidate.live_hashes or not candidate.was_live(against)


GATES: tuple[Gate, ...] = (
    it_opens_as_a_policy_of_this_shop,
    it_is_within_the_limits_of_an_edge,
    it_passes_its_own_tests,
    its_catalog_is_approved,
)


# --- asking them --------------------------------------------------------------


def opened(data: bytes) -> tuple[Bundle | None, str]:
    """The bundle in these bytes, or why there is none."""
    try:
        return open_bundle(data), ""
    except BundleError as error:
        return None, str(error)


def findings_of(candidate: Candidate, gates: Sequence[Gate] = GATES) -> list[Finding]:
    """All that is in its way; nothing means that it may go out."""
    return [finding for gate in gates for finding in gate(candidate)]
