"""Revisions over HTTP: the log, what each holds, and export."""

from __future__ import annotations

import asyncio

from control_plane.api.call import Answer, Call, quoted
from control_plane.api.operation import Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.drafting import shapes as s
from control_plane.drafting.desk import Comparison
from control_plane.drafting.folders import MEDIA, ArchiveKind, pack
from control_plane.drafting.operations import YAML, desk_of
from control_plane.drafting.revisions import Revision
from control_plane.drafting.validating import Check

TAG = "catalog"


async def list_revisions(call: Call) -> Answer:
    def work() -> Answer:
        asked = call.query
        after = key_of(asked.after, int)
        found = desk_of(call).log(asked.limit + 1, after[0] if after else None)
        return Answer(page_of(found, asked.limit, lambda revision: (revision.number,)))

    return await asyncio.to_thread(work)


async def get_revision(call: Call) -> Answer:
    found = await asyncio.to_thread(desk_of(call).revision, call.params.revision)
    return Answer(found, etag=quoted(found.id))


async def get_revision_file(call: Call) -> Answer:
    revision, path = call.params.revision, call.query.path
    data = await asyncio.to_thread(desk_of(call).file, revision, path)
    return Answer(data, etag=quoted(revision))


async def check_revision(call: Call) -> Answer:
    revision = call.params.revision
    return Answer(await asyncio.to_thread(desk_of(call).checker.check, revision))


async def compare_revision(call: Call) -> Answer:
    revision, against = call.params.revision, call.query.against
    return Answer(await asyncio.to_thread(desk_of(call).compare, revision, against))


async def export_zip(call: Call) -> Answer:
    return await _export(call, "zip")


async def export_tar(call: Call) -> Answer:
    return await _export(call, "tar")


async def _export(call: Call, kind: ArchiveKind) -> Answer:
    def work() -> Answer:
        revision = call.params.revision
        data = pack(desk_of(call).drafts.revision_files(revision), kind)
        name = f'attachment; filename="catalog-{revision[:12]}.{kind}"'
        return Answer(data, etag=quoted(revision), headers={"Content-Disposition": name})

    return await asyncio.to_thread(work)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/v1/catalog/revisions", name="list_revisions", tag=TAG,
        permission="read", summary="Every content the catalog ever had, newest first.",
        handler=list_revisions, query=Pages, answers={200: Page[Revision]},
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}", name="get_revision", tag=TAG,
        permission="read", summary="A revision: who made it, when, why, and its files.",
        handler=get_revision, params=s.OfRevision, answers={200: Revision},
        problems=("unknown-revision",), gives_etag=True,
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}/file", name="get_revision_file",
        tag=TAG, permission="read", summary="A file of a revision, byte by byte.",
        handler=get_revision_file, params=s.OfRevision, query=s.Which, answers={200: bytes},
        answer_media=YAML, problems=("unknown-revision", "unknown-file"), gives_etag=True,
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}/diagnostics", name="check_revision",
        tag=TAG, permission="read", summary="What the compiler says about a revision.",
        handler=check_revision, params=s.OfRevision, answers={200: Check},
        problems=("unknown-revision",),
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}/diff", name="compare_revision",
        tag=TAG, permission="read", summary="What a revision changes against another one.",
        handler=compare_revision, params=s.OfRevision, query=s.Comparing,
        answers={200: Comparison}, problems=("unknown-revision",),
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}/catalog.zip", name="export_zip",
        tag=TAG, permission="read", summary="A revision's YAML files as a zip.",
        handler=export_zip, params=s.OfRevision, answers={200: bytes}, answer_media=MEDIA["zip"],
        problems=("unknown-revision",), gives_etag=True,
    ),
    Operation(
        method="GET", path="/v1/catalog/revisions/{revision}/catalog.tar", name="export_tar",
        tag=TAG, permission="read", summary="A revision's YAML files as a tar.",
        handler=export_tar, params=s.OfRevision, answers={200: bytes}, answer_media=MEDIA["tar"],
        problems=("unknown-revision",), gives_etag=True,
    ),
)  # fmt: skip
