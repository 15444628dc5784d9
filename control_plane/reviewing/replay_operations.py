"""Replays over HTTP: start one under a draft, follow it, stop it, read what it found.

Whoever may read may replay: nothing of the shop changes by it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Link, Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.reviewing.replay_report import ReplayReport, Window
from control_plane.reviewing.replay_rows import Replay, Wish

Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9a-f]{64}\Z",
        description="SHA-256 of a revision's content, or of a published bundle.",
    ),
]
Time = Annotated[int, Meta(ge=0, lt=1 << 32, description="Unix seconds.")]


class OfReplay(Struct, frozen=True):
    replay: Id


class NewReplay(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to replay.  `by`: an attribute of the draft to group by, empty for the segments of
    each placement.  `unattested`: also records without the edge's word, which anybody could
    have sent."""

    draft: Sha256
    since_s: Time | None = None
    until_s: Time | None = None
    by: Annotated[str, Meta(max_length=256, pattern=r"\A[^\x00]*\Z")] = ""
    unattested: bool = False


class ReplayQuery(Pages, frozen=True, kw_only=True):
    draft: Annotated[
        str,
        Meta(
            pattern=r"\A([0-9a-f]{64})?\Z",
            description="Only replays under this content or this bundle.",
        ),
    ] = ""


class FoundReplay(Struct, frozen=True, kw_only=True):
    """A replay, and its report once it is done."""

    replay: Replay
    report: ReplayReport | None


async def start_replay(call: Call) -> Answer:
    body: NewReplay = call.body
    wish = Wish(
        draft=body.draft,
        window=Window(since_s=body.since_s, until_s=body.until_s),
        by=body.by,
        unattested=body.unattested,
    )
    started = await asyncio.to_thread(call.services.replays.ask, call.actor, wish)
    return Answer(started, 202, headers={"Location": f"/v1/replays/{started.id}"})


async def list_replays(call: Call) -> Answer:
    query: ReplayQuery = call.query
    found = await asyncio.to_thread(
        call.services.replays.newest,
        query.limit + 1,
        key_of(query.after, int, str),
        query.draft,
    )
    return Answer(page_of(found, query.limit, lambda replay: (replay.asked_s, replay.id)))


async def get_replay(call: Call) -> Answer:
    replays, id = call.services.replays, call.params.replay
    found = await asyncio.to_thread(replays.get, id)
    report = await asyncio.to_thread(replays.report, id) if found.state == "done" else None
    return Answer(FoundReplay(replay=found, report=report))


async def cancel_replay(call: Call) -> Answer:
    replays = call.services.replays
    return Answer(await asyncio.to_thread(replays.cancel, call.actor, call.params.replay))


async def restart_replay(call: Call) -> Answer:
    replays = call.services.replays
    return Answer(await asyncio.to_thread(replays.restart, call.actor, call.params.replay), 202)


TO_REPLAY = Link(to="get_replay", parameters={"replay": "id"})
TO_CANCEL = Link(to="cancel_replay", parameters={"replay": "id"})

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/v1/replays",
        name="start_replay",
        summary="Decide recorded decisions again under a draft, in the background.",
        tag="replays",
        permission="read",
        handler=start_replay,
        body=NewReplay,
        answers={202: Replay},
        problems=("unknown-policy", "replay-refused", "replay-busy", "policy-refused"),
        takes_idempotency_key=True,
        links=(TO_REPLAY, TO_CANCEL),
    ),
    Operation(
        method="GET",
        path="/v1/replays",
        name="list_replays",
        summary="Replays, newest first.",
        tag="replays",
        permission="read",
        handler=list_replays,
        query=ReplayQuery,
        answers={200: Page[Replay]},
    ),
    Operation(
        method="GET",
        path="/v1/replays/{replay}",
        name="get_replay",
        summary="How far a replay is, and what it found once it is done.",
        tag="replays",
        permission="read",
        handler=get_replay,
        params=OfReplay,
        answers={200: FoundReplay},
        problems=("unknown-replay",),
    ),
    Operation(
        method="POST",
        path="/v1/replays/{replay}/cancel",
        name="cancel_replay",
        summary="Stop a running replay.",
        tag="replays",
        permission="read",
        handler=cancel_replay,
        params=OfReplay,
        answers={200: Replay},
        problems=("unknown-replay", "replay-closed"),
        takes_idempotency_key=True,
    ),
    Operation(
        method="POST",
        path="/v1/replays/{replay}/restart",
        name="restart_replay",
        summary="Start a replay again that was interrupted, cancelled or failed.",
        tag="replays",
        permission="read",
        handler=restart_replay,
        params=OfReplay,
        answers={202: Replay},
        problems=(
            "unknown-replay", "replay-closed", "unknown-policy", "replay-refused", "replay-busy",
            "policy-refused",
        ),
        takes_idempotency_key=True,
        links=(TO_REPLAY, TO_CANCEL),
    ),
)  # fmt: skip
