"""What the operations on channels take and give, over HTTP."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from control_plane.api.paging import Pages
from control_plane.releasing.calendars import Event
from control_plane.releasing.gates import Finding
from control_plane.releasing.guardrails import Guard, Metric
from control_plane.releasing.local_time import Occurrence
from control_plane.releasing.ramp_book import Ramp
from control_plane.releasing.schedules import GRACE_S, Action
from control_plane.releasing.steps import STEPS, STEPS_MAX, Step
from control_plane.releasing.switches import Switch, of_paused
from control_plane.settings import Channel
from control_plane.signing import Signing
from edge.decision.claims import Digest
from edge.decision.hashing import T
from policy_compiler.diagnostics import Diagnostic

Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Note = Annotated[
    str, Meta(max_length=500, pattern=r"\A[^\x00]*\Z", description="Why, for the history.")
]
Time = Annotated[int, Meta(ge=0, le=1 << 33, description="Unix seconds.")]
Zone = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z0-9_+/-]{0,64}\Z", description="An IANA zone such as Europe/Berlin."),
]
SPAN_S = 31 * 86_400

# --- in -----------------------------------------------------------------------


class OfChannel(Struct, frozen=True):
    channel: Channel


class OfRamp(Struct, frozen=True):
    channel: Channel
    ramp: Id


class OfSchedule(Struct, frozen=True):
    channel: Channel
    schedule: Id


class Choose(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy: a `revision` of the catalog (compiled now), a `bundle` that was live somewhere
    (its very bytes), or, with neither, the catalog's folder."""

    revision: Digest | None = None
    bundle: Digest | None = None


class Publishing(Choose, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Note = ""


class Promoting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The very bytes that were live on the channel `source`."""

    source: Channel
    bundle: Digest
    note: Note = ""


class GoingBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle that was live on this channel before."""

    bundle: Digest


class Ramping(Choose, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy to try, how fast, and how much worse it may be."""

    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=STEPS_MAX)] = STEPS
    guard: Guard = Guard()
    note: Note = ""


class Planning(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do, and when: a local time in a zone.  `occurrence` chooses where clocks show
    it twice; `grace_s` is how late it may still be done."""

    action: Action
    local: Annotated[str, Meta(max_length=40, description="Such as 2026-11-27T08:00.")]
    zone: Zone = ""
    occurrence: Occurrence | None = None
    grace_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = GRACE_S


class Span(Struct, frozen=True, kw_only=True):
    """From `from_s` (null: now) until `until_s` (null: a month later), on the clock of `zone`
    (empty: that of the live policy's shop)."""

    from_s: Time | None = None
    until_s: Time | None = None
    zone: Zone = ""


class Latest(Struct, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=50, description="Of how many signings.")] = 10


class FromTime(Pages, frozen=True, kw_only=True):
    since_s: Time = 0


# --- out ----------------------------------------------------------------------


class ReleaseView(Struct, frozen=True, kw_only=True):
    """A bundle and its share of the units, out of 1."""

    bundle: str
    size_bytes: int
    share: float


class SigningView(Struct, frozen=True, kw_only=True):
    """A manifest that was signed; `releases` the canary first, if there is one."""

    epoch: int
    sequence: int
    issued_s: int
    expires_s: int
    reason: str
    actor: str
    note: str
    digest: str
    releases: list[ReleaseView]
    paused: Switch


class ChannelView(Struct, frozen=True, kw_only=True):
    """`live` is null before the first publish; `ramp` the id of the open one, or null.
    `zone` is that of the shop, `content_hashes` the revisions that make the live policy."""

    name: str
    is_default: bool
    live: SigningView | None
    ramp: str | None
    zone: str
    content_hashes: list[str]


class Checked(Struct, frozen=True, kw_only=True):
    """What the gates say; it may go out if there is nothing in `findings`."""

    bundle: str
    size_bytes: int
    content_hash: str
    findings: list[Finding]
    diagnostics: list[Diagnostic]


class RampView(Struct, frozen=True, kw_only=True):
    """A ramp; `due_s` is when its next step begins, null while it stands still."""

    ramp: Ramp
    due_s: int | None
    metrics: list[Metric]


class CalendarView(Struct, frozen=True, kw_only=True):
    zone: str
    from_s: int
    until_s: int
    events: list[Event]


def signing_view(signing: Signing) -> SigningView:
    manifest = signing.manifest
    return SigningView(
        epoch=signing.epoch,
        sequence=signing.sequence,
        issued_s=signing.issued_s,
        expires_s=signing.expires_s,
        reason=signing.reason,
        actor=signing.actor,
        note=signing.note,
        digest=signing.digest,
        releases=[
            ReleaseView(bundle=each.bundle, size_bytes=each.size_bytes, share=each.share / T)
            for each in manifest.releases
        ],
        paused=of_paused(manifest.paused),
    )


def ramp_view(ramp: Ramp, metrics: list[Metric] | None = None) -> RampView:
    return RampView(ramp=ramp, due_s=ramp.due_s, metrics=metrics or [])
