"""A small API of notes, so that what every operation can rely on is tested without any one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from msgspec import Meta, Struct

from control_plane.api.call import Answer, Call, quoted
from control_plane.api.operation import Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.app import assemble
from control_plane.errors import Refused
from control_plane.services import Services


class OfNote(Struct, frozen=True):
    note: Annotated[int, Meta(ge=1, le=1000)]


class Written(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=1000)]


class Note(Struct, frozen=True):
    id: int
    text: str
    version: int


class Found(Pages, frozen=True, kw_only=True):
    word: str | None = None
    least: int | None = None
    tag: tuple[str, ...] = ()
    all: bool = False


class Notes:
    """`holding`: writers wait until it is set; `started`: one has begun; `breaks`: what they
    raise."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.kept: dict[int, Note] = {}
        self.holding = asyncio.Event()
        self.holding.set()
        self.started = asyncio.Event()
        self.breaks: Exception | None = None
        self.asked: list[Found] = []

    async def add(self, call: Call) -> Answer:
        self.started.set()
        await self.holding.wait()
        if self.breaks:
            raise self.breaks
        note = Note(len(self.kept) + 1, call.body.text, 1)
        self.kept[note.id] = note
        return Answer(note, 201, quoted(1), {"Location": f"/v1/notes/{note.id}"})

    async def get(self, call: Call) -> Answer:
        note = self._found(call)
        return Answer(note, etag=quoted(note.version))

    async def edit(self, call: Call) -> Answer:
        note = self._found(call)
        call.check_match(quoted(note.version))
        changed = Note(note.id, call.body.text, note.version + 1)
        self.kept[note.id] = changed
        return Answer(changed, etag=quoted(changed.version))

    async def remove(self, call: Call) -> Answer:
        del self.kept[self._found(call).id]
        return Answer(status=204)

    async def list(self, call: Call) -> Answer:
        query: Found = call.query
        self.asked.append(query)
        key = key_of(query.after, int)
        some = [note for note in self.kept.values() if key is None or note.id > key[0]]
        return Answer(page_of(some[: query.limit + 1], query.limit, lambda note: (note.id,)))

    async def whoami(self, call: Call) -> Answer:
        return Answer(call.actor.id)

    def _found(self, call: Call) -> Note:
        if call.params.note not in self.kept:
            raise Refused("not-found", f"there is no note {call.params.note}")
        return self.kept[call.params.note]

    @property
    def operations(self) -> tuple[Operation, ...]:
        def one(method: Any, path: str, name: str, handler: Any, **more: Any) -> Operation:
            told = {"summary": name, "tag": "notes", "permission": "read", "answers": {200: Note}}
            return Operation(
                method=method,
                path=path,
                name=name,
                handler=handler,
                **(told | more | self.changes),
            )

        of_note = {"params": OfNote}
        return (
            one("POST", "/v1/notes", "add_note", self.add, permission="edit", body=Written,
                answers={201: Note}, takes_idempotency_key=True),
            one("GET", "/v1/notes", "list_notes", self.list, query=Found,
                answers={200: Page[Note]}),
            one("GET", "/v1/notes/{note}", "get_note", self.get, **of_note, gives_etag=True),
            one("PUT", "/v1/notes/{note}", "edit_note", self.edit, **of_note, permission="edit",
                body=Written, takes_if_match=True, takes_idempotency_key=True),
            one("DELETE", "/v1/notes/{note}", "remove_note", self.remove, **of_note,
                permission="edit", answers={204: None}),
            one("GET", "/v1/whoami", "whoami", self.whoami, permission="login", answers={200: str},
                answer_media="text/plain"),
        )  # fmt: skip


@asynccontextmanager
async def serving(
    notes: Notes, services: Services, key: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    app = assemble(services.settings, notes.operations)
    app.state.services = services
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = "http://127.0.0.1:8700"
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
        yield client
