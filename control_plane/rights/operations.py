"""A person's rights over HTTP.  Ids go in bodies, never in addresses: those are in logs.

None takes an Idempotency-Key: its answer would be kept for a day.  Each may be repeated.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Annotated

from msgspec import Meta

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.rights.correcting import Corrected, Correction
from control_plane.rights.desk import Erased, Rights
from control_plane.rights.exporting import Export
from control_plane.rights.subjects import Subject
from control_plane.rights.waiting import opened_log
from control_plane.services import Services

TAG = "subjects"
Named = Annotated[
    Subject,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"required": [name], "properties": {name: {"minItems": 1}}}
                for name in ("visitors", "customers")
            ]
        }
    ),
]
"""At least one id, as far as JSON Schema can say it."""
Wanted = Annotated[
    Correction,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("revenue", "margin", "discount", "visitor", "customer")
            ]
        }
    ),
]


def rights_of(services: Services) -> Rights:
    log = services.log
    return Rights(
        services.settings,
        services.database,
        services.writer,
        services.policies.get,
        lambda: services.keys.edge_secrets,
        lambda: nullcontext(log) if log else opened_log(services.settings),
    )


async def export(call: Call) -> Answer:
    rights = rights_of(call.services)
    return Answer(await asyncio.to_thread(rights.export, call.actor.id, call.body))


async def correct(call: Call) -> Answer:
    rights = rights_of(call.services)
    return Answer(await asyncio.to_thread(rights.correct, call.actor.id, call.body))


async def erase(call: Call) -> Answer:
    rights = rights_of(call.services)
    return Answer(await asyncio.to_thread(rights.erase, call.actor.id, call.body))


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/subjects/export",
        name="export_subject",
        summary="Everything that is stored about a person, by their visitor and customer ids.",
        tag=TAG,
        permission="subjects",
        handler=export,
        body=Named,
        answers={200: Export},
    ),
    Operation(
        method="POST",
        path="/v1/subjects/correct",
        name="correct_order",
        summary="Correct an order's figures, or who placed it.",
        tag=TAG,
        permission="subjects",
        handler=correct,
        body=Wanted,
        answers={200: Corrected},
        problems=("unknown-order",),
    ),
    Operation(
        method="POST",
        path="/v1/subjects/erase",
        name="erase_subject",
        summary="Erase a person from rows, event log, spill and tables; sums stay as they are.",
        tag=TAG,
        permission="subjects",
        handler=erase,
        body=Named,
        answers={200: Erased},
    ),
)
