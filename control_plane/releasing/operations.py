"""Channels over HTTP: what is live, what may go out, and how it gets out and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Link, Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.errors import Refused
from control_plane.issuing import PublishRefused
from control_plane.publishing import Publisher, RampIsOpen
from control_plane.releasing import shapes as s
from control_plane.releasing.candidates import UNKNOWN, Origin
from control_plane.releasing.latency import Latency, latency_of, read_runs
from control_plane.releasing.making import make_revision
from control_plane.releasing.promotion import promote as promote_bundle
from control_plane.releasing.ramps import Ramps
from control_plane.releasing.refusals import NotThere
from control_plane.releasing.switches import Switch
from control_plane.services import Services
from control_plane.signing import Signing
from policy_compiler.diagnostics import Diagnostic
from policy_compiler.keys import SigningError

T = TypeVar("T")
TAG = "channels"
CHANNEL = "/v1/channels/{channel}"
CHANGES = ("unknown-channel", "policy-refused")
PUBLISHES = (*CHANGES, "ramp-open", "unknown-revision")


async def work(do: Callable[[], T]) -> Answer:
    """What it gives, as an answer; refusals by their names among the problems."""
    try:
        return Answer(await asyncio.to_thread(do))
    except RampIsOpen as error:
        raise Refused("ramp-open", str(error), help=error.help) from error
    except NotThere as error:
        raise Refused(error.name, str(error)) from error
    except SigningError as error:
        raise Refused("policy-refused", str(error)) from error


def publisher_of(call: Call) -> Publisher:
    """Raises `Refused` unknown-channel."""
    found = call.services.channels.get(call.params.channel)
    if found is None:
        raise Refused("unknown-channel", f"there is no channel {call.params.channel!r}")
    return found


def ramps_of(call: Call) -> Ramps:
    return Ramps(call.services.settings, publisher_of(call), call.services.database)


def chosen(
    services: Services, asked: s.Choose, publisher: Publisher
) -> tuple[bytes, Origin, tuple[Diagnostic, ...]]:
    """The bytes that are meant, and where they come from."""
    if asked.revision is not None and asked.bundle is not None:
        raise PublishRefused("a revision and a bundle are named", "Name one of them.")
    if asked.bundle is not None:
        was_live = any(
            signing.bundle == asked.bundle
            for channel in services.channels.values()
            for signing in channel.history()
        )
        if not was_live:
            raise PublishRefused(
                f"bundle {asked.bundle[:64]!r} was never live here", "Choose one of a history."
            )
        return publisher.stored(asked.bundle), UNKNOWN, ()
    if asked.revision is not None:
        tenant, weights = services.settings.tenant, services.catalog.weights()
        made = make_revision(services.database, tenant, asked.revision, weights)
    else:
        made = services.catalog.make()
    return made.compiled.data, made.origin, made.compiled.diagnostics


# --- looking ------------------------------------------------------------------


async def list_channels(call: Call) -> Answer:
    def look() -> list[s.ChannelView]:
        return [_view(call.services, each) for each in call.services.channels.values()]

    return await work(look)


async def get_channel(call: Call) -> Answer:
    publisher = publisher_of(call)
    return await work(lambda: _view(call.services, publisher))


def _view(services: Services, publisher: Publisher) -> s.ChannelView:
    live, settings = publisher.live(), services.settings
    ramp = Ramps(settings, publisher, services.database).open_one()
    candidates = publisher.gatehouse.candidates
    hashes = candidates.hashes(live.bundle) - {""} if live else ()
    return s.ChannelView(
        name=publisher.channel,
        is_default=publisher.channel == settings.channel,
        live=s.signing_view(live) if live else None,
        ramp=ramp.id if ramp else None,
        zone=candidates.zone_of(live.bundle) if live else "UTC",
        content_hashes=sorted(hashes),
    )


async def list_signings(call: Call) -> Answer:
    publisher, query = publisher_of(call), call.query
    key = key_of(query.after, int, int)

    def look() -> Page[s.SigningView]:
        found = publisher.signings.page(query.limit + 1, None if key is None else (key[0], key[1]))
        views = [s.signing_view(signing) for signing in found]
        return page_of(views, query.limit, lambda view: (view.epoch, view.sequence))

    return await work(look)


async def get_latency(call: Call) -> Answer:
    publisher = publisher_of(call)

    def look() -> list[Latency]:
        newest = publisher.signings.history(call.query.limit)
        return _latencies(call.services, publisher, newest)

    return await work(look)


def _latencies(services: Services, publisher: Publisher, newest: list[Signing]) -> list[Latency]:
    if not newest:
        return []
    with services.database.reading() as connection:
        runs = read_runs(connection, services.settings.tenant, newest[-1].issued_s)
    around = publisher.signings.around(newest[-1], newest[0])
    return [latency_of(signing, around, runs) for signing in newest]


# --- going out ----------------------------------------------------------------


async def check_policy(call: Call) -> Answer:
    publisher = publisher_of(call)

    def look() -> s.Checked:
        data, origin, diagnostics = chosen(call.services, call.body, publisher)
        return s.Checked(
            bundle=sha256(data).hexdigest(),
            size_bytes=len(data),
            content_hash=origin.content_hash,
            findings=publisher.gatehouse.findings(data, origin),
            diagnostics=list(diagnostics),
        )

    return await work(look)


async def publish_policy(call: Call) -> Answer:
    publisher, asked = publisher_of(call), call.body

    def publish() -> s.SigningView:
        data, origin, _ = chosen(call.services, asked, publisher)
        signing = publisher.publish(data, actor=call.actor.id, note=asked.note, origin=origin)
        return s.signing_view(signing)

    return await work(publish)


async def promote_policy(call: Call) -> Answer:
    target, asked = publisher_of(call), call.body

    def promote() -> s.SigningView:
        source = call.services.channels.get(asked.source)
        if source is None:
            raise NotThere("unknown-channel", f"there is no channel {asked.source!r}")
        signing = promote_bundle(source, target, asked.bundle, actor=call.actor.id, note=asked.note)
        return s.signing_view(signing)

    return await work(promote)


async def roll_back_channel(call: Call) -> Answer:
    publisher, bundle = publisher_of(call), call.body.bundle
    return await work(lambda: s.signing_view(publisher.roll_back(bundle, actor=call.actor.id)))


# --- kill switches ------------------------------------------------------------


async def pause_policy(call: Call) -> Answer:
    publisher, switch = publisher_of(call), _named(call.body)
    return await work(lambda: s.signing_view(publisher.switch_off(switch, actor=call.actor.id)))


async def resume_policy(call: Call) -> Answer:
    publisher, switch = publisher_of(call), _named(call.body)
    return await work(lambda: s.signing_view(publisher.switch_on(switch, actor=call.actor.id)))


def _named(switch: Switch) -> Switch:
    if switch == Switch():
        raise PublishRefused("nothing is named", "Name offers, rungs, placements, or all.")
    return switch


SEE = Link(to="get_channel", parameters={"channel": "path.channel"})

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/v1/channels", name="list_channels",
        summary="Every channel and what is live on it.",
        tag=TAG, permission="read", handler=list_channels,
        answers={200: list[s.ChannelView]},
    ),
    Operation(
        method="GET", path=CHANNEL, name="get_channel",
        summary="A channel and what is live on it.",
        tag=TAG, permission="read", handler=get_channel, params=s.OfChannel,
        answers={200: s.ChannelView}, problems=("unknown-channel",),
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/signings", name="list_signings",
        summary="What was published, paused, ramped and rolled back, newest first.",
        tag=TAG, permission="read", handler=list_signings, params=s.OfChannel, query=Pages,
        answers={200: Page[s.SigningView]}, problems=("unknown-channel",),
    ),
    Operation(
        method="GET", path=f"{CHANNEL}/latency", name="get_latency",
        summary="How fast the newest signings reached the edges, by the edges' own records.",
        tag=TAG, permission="read", handler=get_latency, params=s.OfChannel, query=s.Latest,
        answers={200: list[Latency]}, problems=("unknown-channel",),
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/check", name="check_policy",
        summary="Compile a policy and ask the gates, and change nothing.",
        tag=TAG, permission="read", handler=check_policy, params=s.OfChannel, body=s.Choose,
        answers={200: s.Checked}, problems=PUBLISHES,
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/publish", name="publish_policy",
        summary="Make a policy live, once it has passed the gates.",
        tag=TAG, permission="publish", handler=publish_policy, params=s.OfChannel,
        body=s.Publishing, answers={200: s.SigningView}, problems=PUBLISHES,
        takes_idempotency_key=True, links=(SEE,),
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/promote", name="promote_policy",
        summary="Make the very bytes live that were live on another channel.",
        tag=TAG, permission="publish", handler=promote_policy, params=s.OfChannel,
        body=s.Promoting, answers={200: s.SigningView}, problems=PUBLISHES,
        takes_idempotency_key=True, links=(SEE,),
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/roll-back", name="roll_back_channel",
        summary="Make a policy live again at once; ends the open ramp.",
        tag=TAG, permission="publish", handler=roll_back_channel, params=s.OfChannel,
        body=s.GoingBack, answers={200: s.SigningView}, problems=CHANGES,
        takes_idempotency_key=True, links=(SEE,),
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/pause", name="pause_policy",
        summary="Kill switch: show these offers, sizes or placements to nobody, or nothing at all.",
        tag=TAG, permission="kill", handler=pause_policy, params=s.OfChannel, body=Switch,
        answers={200: s.SigningView}, problems=CHANGES, takes_idempotency_key=True, links=(SEE,),
    ),
    Operation(
        method="POST", path=f"{CHANNEL}/resume", name="resume_policy",
        summary="Take a kill switch back.",
        tag=TAG, permission="kill", handler=resume_policy, params=s.OfChannel, body=Switch,
        answers={200: s.SigningView}, problems=CHANGES, takes_idempotency_key=True, links=(SEE,),
    ),
)  # fmt: skip
