"""What the operations on drafts, revisions and reviews take and give, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from control_plane.api.paging import Pages
from control_plane.drafting.content import PATH_MAX_CHARACTERS
from control_plane.drafting.drafts import Draft, State
from control_plane.drafting.edits import ValueEdit
from control_plane.drafting.merging import Side
from control_plane.drafting.status import DraftStatus

DraftId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{12}\Z", description="A draft.")]
ReviewId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{12}\Z", description="A review.")]
ContentHash = Annotated[
    str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="A revision: its content hash.")
]
OfferId = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,99}\Z")]
FilePath = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=PATH_MAX_CHARACTERS,
        description="The file's place below the catalog's folder.",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=120, description="What people call it.")]
Message = Annotated[str, Meta(max_length=500, description="Why, for the history.")]
Against = Annotated[
    str,
    Meta(
        pattern=r"\A(live|[0-9a-f]{64})\Z",
        description="`live`, the policy that edges run now, or a revision.",
    ),
]

# --- in -----------------------------------------------------------------------


class OfDraft(Struct, frozen=True):
    draft: DraftId


class OfDraftOffer(Struct, frozen=True):
    draft: DraftId
    offer: OfferId


class OfRevision(Struct, frozen=True):
    revision: ContentHash


class Which(Struct, frozen=True, kw_only=True):
    path: FilePath


class WhichAndWhy(Struct, frozen=True, kw_only=True):
    path: FilePath
    message: Message = ""


class Why(Struct, frozen=True, kw_only=True):
    message: Message = ""


class Imported(Struct, frozen=True, kw_only=True):
    name: Name
    message: Message = ""


class Comparing(Struct, frozen=True, kw_only=True):
    against: Against = "live"


class ComparingDraft(Struct, frozen=True, kw_only=True):
    against: Annotated[
        str,
        Meta(
            pattern=r"\A(base|live|[0-9a-f]{64})\Z",
            description="`base`, what the draft departs from; `live`; or a revision.",
        ),
    ] = "base"


class DraftPages(Pages, frozen=True, kw_only=True):
    state: State | None = None


class NewDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`base`: null for what is live."""

    name: Name
    base: ContentHash | None = None
    message: Message = ""


class Edits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them, or none."""

    edits: Annotated[list[ValueEdit], Meta(min_length=1, max_length=100)]
    message: Message = ""


class OfferBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`offer`: its fields as in the catalog's files; `id` may be left out."""

    offer: dict[str, Any]
    message: Message = ""


class Restoring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    revision: ContentHash
    message: Message = ""


class Rebasing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`resolve`: of files in conflict, whose version to take."""

    resolve: Annotated[dict[str, Side], Meta(max_length=500)] = {}
    message: Message = ""


# --- out ----------------------------------------------------------------------


class DraftView(Struct, frozen=True, kw_only=True):
    """A draft and where it stands.  `etag` is what its next edit has to name."""

    id: str
    name: str
    base: str
    head: str
    version: int
    created_by: str
    created_s: int
    updated_by: str
    updated_s: int
    etag: str
    status: DraftStatus


def view_of(draft: Draft, status: DraftStatus) -> DraftView:
    fields = structs.asdict(draft)
    del fields["state"]  # the status says it, and more
    return DraftView(**fields, etag=draft.etag, status=status)
