"""Drafts over HTTP: making, editing and comparing them.

Every edit answers with the draft as it is then, its status included: what the compiler says
to it stands at `/diagnostics`, found already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.drafting import shapes as s
from control_plane.drafting.content import check_path
from control_plane.drafting.desk import Comparison, Desk, Rebase
from control_plane.drafting.drafts import Change, Draft, Step, StepKind
from control_plane.drafting.edits import edit_values, put_offer, remove_offer
from control_plane.drafting.folders import ARCHIVE_SIZE_MAX_BYTES, unpack
from control_plane.drafting.status import OfferStatus
from control_plane.drafting.validating import Check
from control_plane.errors import Refused
from policy_compiler.source import FILE_SIZE_MAX_BYTES

TAG = "drafts"
ARCHIVE = "application/octet-stream"
YAML = "application/yaml"
OFFER_LIMIT_BYTES = 1 << 20

EDIT_PROBLEMS = (
    "unknown-draft", "precondition-failed", "draft-closed", "catalog-refused",
)  # fmt: skip

Files = dict[str, bytes]


def desk_of(call: Call) -> Desk:
    return call.services.desk


def _draft_answer(desk: Desk, draft: Draft, status: int = 200) -> Answer:
    return Answer(s.view_of(draft, desk.status(draft)), status, draft.etag)


# --- beginning and ending -----------------------------------------------------


async def create_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.body
        base = asked.base or desk.trunk()
        if not base:
            raise Refused("unknown-revision", "there is no revision yet", help="Import a catalog.")
        draft = desk.drafts.create(call.actor, asked.name, base=base, message=asked.message)
        return _draft_answer(desk, draft, 201)

    return await asyncio.to_thread(work)


async def import_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.query
        draft = desk.drafts.create(
            call.actor,
            asked.name,
            base=desk.trunk(),
            files=unpack(call.body),
            message=asked.message,
        )
        return _draft_answer(desk, draft, 201)

    return await asyncio.to_thread(work)


async def list_drafts(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.query
        after = key_of(asked.after, int, str)
        found = desk.drafts.newest(asked.limit + 1, after, asked.state)
        page = page_of(found, asked.limit, lambda draft: (draft.created_s, draft.id))
        views = [s.view_of(draft, desk.status(draft)) for draft in page.items]
        return Answer(Page(items=views, next=page.next))

    return await asyncio.to_thread(work)


async def get_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        # not as an entity tag: the status changes by what others do
        return Answer(s.view_of(draft := desk.drafts.get(call.params.draft), desk.status(draft)),
                      headers={"ETag": draft.etag})  # fmt: skip

    return await asyncio.to_thread(work)


async def discard_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        draft = desk.drafts.discard(call.actor, call.params.draft, call.if_match or "")
        return _draft_answer(desk, draft)

    return await asyncio.to_thread(work)


# --- editing ------------------------------------------------------------------


async def _edit(
    call: Call, kind: StepKind, message: str, work: Callable[[Desk, Files], Files]
) -> Answer:
    def change() -> Answer:
        desk = desk_of(call)

        def step(draft: Draft, files: object) -> Change:
            return Change(kind=kind, files=work(desk, dict(files)), message=message)  # type: ignore[call-overload]

        draft = desk.drafts.change(call.actor, call.params.draft, call.if_match or "", step)
        return _draft_answer(desk, draft)

    return await asyncio.to_thread(change)


async def put_draft_file(call: Call) -> Answer:
    path, data = call.query.path, call.body
    check_path(path)
    return await _edit(call, "edit", call.query.message, lambda _, files: files | {path: data})


async def delete_draft_file(call: Call) -> Answer:
    path = call.query.path

    def without(desk: Desk, files: Files) -> Files:
        if path not in files:
            raise Refused("unknown-file", f"the draft has no file {path[:200]!a}")
        return {name: data for name, data in files.items() if name != path}

    return await _edit(call, "edit", call.query.message, without)


async def put_draft_archive(call: Call) -> Answer:
    return await _edit(call, "import", call.query.message, lambda *_: unpack(call.body))


async def edit_draft(call: Call) -> Answer:
    asked = call.body
    return await _edit(
        call, "edit", asked.message, lambda _, files: edit_values(files, asked.edits)
    )


async def put_draft_offer(call: Call) -> Answer:
    offer, asked = call.params.offer, call.body
    return await _edit(
        call, "edit", asked.message, lambda _, files: put_offer(files, offer, asked.offer)
    )


async def delete_draft_offer(call: Call) -> Answer:
    offer = call.params.offer
    return await _edit(
        call, "edit", call.query.message, lambda _, files: remove_offer(files, offer)
    )


async def restore_revision(call: Call) -> Answer:
    asked = call.body
    return await _edit(
        call,
        "restore",
        asked.message,
        lambda desk, _: desk.drafts.revision_files(asked.revision),
    )


async def rebase_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.body
        draft = desk.rebase(
            call.actor, call.params.draft, call.if_match or "", asked.resolve, asked.message
        )
        return _draft_answer(desk, draft)

    return await asyncio.to_thread(work)


# --- looking ------------------------------------------------------------------


async def get_draft_file(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        draft = desk.drafts.get(call.params.draft)
        return Answer(desk.file(draft.head, call.query.path), etag=draft.etag)

    return await asyncio.to_thread(work)


async def check_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        draft = desk.drafts.get(call.params.draft)
        return Answer(desk.checker.check(draft.head), etag=draft.etag)

    return await asyncio.to_thread(work)


async def compare_draft(call: Call) -> Answer:
    def work() -> Answer:
        desk, against = desk_of(call), call.query.against
        draft = desk.drafts.get(call.params.draft)
        return Answer(desk.compare(draft.head, draft.base if against == "base" else against))

    return await asyncio.to_thread(work)


async def list_draft_offers(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.query
        after = key_of(asked.after, str)
        offers = desk.offers(desk.drafts.get(call.params.draft))
        found = [each for each in offers if after is None or (each.id,) > after]
        return Answer(page_of(found, asked.limit, lambda each: (each.id,)))

    return await asyncio.to_thread(work)


async def list_draft_history(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.query
        after = key_of(asked.after, int)
        steps = desk.drafts.history(call.params.draft, asked.limit + 1, after[0] if after else None)
        return Answer(page_of(steps, asked.limit, lambda step: (step.version,)))

    return await asyncio.to_thread(work)


async def preview_rebase(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        return Answer(desk.rebase_hint(desk.drafts.get(call.params.draft)))

    return await asyncio.to_thread(work)


# --- the list -----------------------------------------------------------------

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/v1/drafts", name="list_drafts", tag=TAG, permission="read",
        summary="Drafts, newest first, with their status.",
        handler=list_drafts, query=s.DraftPages, answers={200: Page[s.DraftView]},
    ),
    Operation(
        method="POST", path="/v1/drafts", name="create_draft", tag=TAG, permission="edit",
        summary="Begin a draft of what is live, or of a revision.",
        handler=create_draft, body=s.NewDraft, answers={201: s.DraftView},
        problems=("unknown-revision",), takes_idempotency_key=True,
    ),
    Operation(
        method="POST", path="/v1/drafts/import", name="import_draft", tag=TAG, permission="edit",
        summary="Begin a draft with the YAML files of a zip or tar.",
        handler=import_draft, query=s.Imported, body=bytes, body_media=ARCHIVE,
        body_limit_bytes=ARCHIVE_SIZE_MAX_BYTES, answers={201: s.DraftView},
        problems=("catalog-refused",), takes_idempotency_key=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}", name="get_draft", tag=TAG, permission="read",
        summary="A draft, its status, and the ETag that its next edit has to name.",
        handler=get_draft, params=s.OfDraft, answers={200: s.DraftView},
        problems=("unknown-draft",),
    ),
    Operation(
        method="POST", path="/v1/drafts/{draft}/discard", name="discard_draft", tag=TAG,
        permission="edit", summary="Give a draft up; its revisions are kept.",
        handler=discard_draft, params=s.OfDraft, answers={200: s.DraftView},
        problems=("unknown-draft", "precondition-failed"), takes_if_match=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/file", name="get_draft_file", tag=TAG,
        permission="read", summary="A file of a draft, byte by byte.",
        handler=get_draft_file, params=s.OfDraft, query=s.Which, answers={200: bytes},
        answer_media=YAML, problems=("unknown-draft", "unknown-file"), gives_etag=True,
    ),
    Operation(
        method="PUT", path="/v1/drafts/{draft}/file", name="put_draft_file", tag=TAG,
        permission="edit", summary="Write a file of a draft.",
        handler=put_draft_file, params=s.OfDraft, query=s.WhichAndWhy, body=bytes,
        body_media=YAML, body_limit_bytes=FILE_SIZE_MAX_BYTES, answers={200: s.DraftView},
        problems=EDIT_PROBLEMS, takes_if_match=True,
    ),
    Operation(
        method="DELETE", path="/v1/drafts/{draft}/file", name="delete_draft_file", tag=TAG,
        permission="edit", summary="Take a file out of a draft.",
        handler=delete_draft_file, params=s.OfDraft, query=s.WhichAndWhy,
        answers={200: s.DraftView}, problems=(*EDIT_PROBLEMS, "unknown-file"),
        takes_if_match=True,
    ),
    Operation(
        method="PUT", path="/v1/drafts/{draft}/archive", name="put_draft_archive", tag=TAG,
        permission="edit", summary="Replace all files of a draft by those of a zip or tar.",
        handler=put_draft_archive, params=s.OfDraft, query=s.Why, body=bytes, body_media=ARCHIVE,
        body_limit_bytes=ARCHIVE_SIZE_MAX_BYTES, answers={200: s.DraftView},
        problems=EDIT_PROBLEMS, takes_if_match=True,
    ),
    Operation(
        method="POST", path="/v1/drafts/{draft}/edits", name="edit_draft", tag=TAG,
        permission="edit",
        summary="Set, add or remove single values; every other line stays as it was.",
        handler=edit_draft, params=s.OfDraft, body=s.Edits, body_limit_bytes=OFFER_LIMIT_BYTES,
        answers={200: s.DraftView}, problems=(*EDIT_PROBLEMS, "edit-refused"),
        takes_if_match=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/offers", name="list_draft_offers", tag=TAG,
        permission="read",
        summary="Every offer that is live or drafted: whether it runs, and what the draft does.",
        handler=list_draft_offers, params=s.OfDraft, query=Pages,
        answers={200: Page[OfferStatus]}, problems=("unknown-draft",),
    ),
    Operation(
        method="PUT", path="/v1/drafts/{draft}/offers/{offer}", name="put_draft_offer", tag=TAG,
        permission="edit", summary="Write one offer; only the fields that differ are touched.",
        handler=put_draft_offer, params=s.OfDraftOffer, body=s.OfferBody,
        body_limit_bytes=OFFER_LIMIT_BYTES, answers={200: s.DraftView},
        problems=(*EDIT_PROBLEMS, "edit-refused"), takes_if_match=True,
    ),
    Operation(
        method="DELETE", path="/v1/drafts/{draft}/offers/{offer}", name="delete_draft_offer",
        tag=TAG, permission="edit", summary="Take one offer out of a draft.",
        handler=delete_draft_offer, params=s.OfDraftOffer, query=s.Why,
        answers={200: s.DraftView}, problems=(*EDIT_PROBLEMS, "edit-refused", "unknown-offer"),
        takes_if_match=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/diagnostics", name="check_draft", tag=TAG,
        permission="read", summary="What the compiler says about a draft.",
        handler=check_draft, params=s.OfDraft, answers={200: Check},
        problems=("unknown-draft",), gives_etag=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/diff", name="compare_draft", tag=TAG,
        permission="read",
        summary="What a draft changes: files as text, the policy in business words.",
        handler=compare_draft, params=s.OfDraft, query=s.ComparingDraft,
        answers={200: Comparison}, problems=("unknown-draft", "unknown-revision"),
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/history", name="list_draft_history", tag=TAG,
        permission="read", summary="The steps of a draft, newest first.",
        handler=list_draft_history, params=s.OfDraft, query=Pages, answers={200: Page[Step]},
        problems=("unknown-draft",),
    ),
    Operation(
        method="POST", path="/v1/drafts/{draft}/restore", name="restore_revision", tag=TAG,
        permission="edit", summary="Make a draft hold what a revision holds.",
        handler=restore_revision, params=s.OfDraft, body=s.Restoring, answers={200: s.DraftView},
        problems=(*EDIT_PROBLEMS, "unknown-revision"), takes_if_match=True,
    ),
    Operation(
        method="GET", path="/v1/drafts/{draft}/rebase", name="preview_rebase", tag=TAG,
        permission="read", summary="What bringing a draft onto the live catalog would do.",
        handler=preview_rebase, params=s.OfDraft, answers={200: Rebase},
        problems=("unknown-draft",),
    ),
    Operation(
        method="POST", path="/v1/drafts/{draft}/rebase", name="rebase_draft", tag=TAG,
        permission="edit", summary="Merge what went live meanwhile into a draft.",
        handler=rebase_draft, params=s.OfDraft, body=s.Rebasing, answers={200: s.DraftView},
        problems=(*EDIT_PROBLEMS, "merge-conflict"), takes_if_match=True,
    ),
)  # fmt: skip
