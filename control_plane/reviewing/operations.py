"""Reviews over HTTP: asking, looking, talking, deciding."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct, structs

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.api.paging import Page, Pages, key_of, page_of
from control_plane.drafting.desk import Comparison, Desk
from control_plane.drafting.operations import desk_of
from control_plane.drafting.shapes import ContentHash, OfDraft, ReviewId
from control_plane.reviewing.approvals import Verdict
from control_plane.reviewing.reviews import Comment, Given, Review, ReviewState

TAG = "reviews"
Text = Annotated[str, Meta(max_length=4_000, description="For people.")]


class OfReview(Struct, frozen=True):
    review: ReviewId


class ReviewPages(Pages, frozen=True, kw_only=True):
    state: ReviewState | None = None


class Asking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Text = ""


class Deciding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`content_hash`: what you looked at; a verdict is of that content alone."""

    content_hash: ContentHash
    verdict: Verdict
    comment: Text = ""


class Saying(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`about`: a subject of the difference, such as `offer welcome`."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    about: Annotated[str, Meta(max_length=200)] = ""


class ReviewView(Struct, frozen=True, kw_only=True):
    """A review and where it stands.  `is_current`: the draft still holds this content; else
    the review is void.  `is_approved`: enough people approve it, and nobody objects."""

    id: str
    number: int
    draft: str
    content_hash: str
    against: str
    state: ReviewState
    needed: int
    asked_by: str
    asked_s: int
    note: str
    closed_by: str
    closed_s: int
    is_current: bool
    is_approved: bool
    verdicts: list[Given]


def _view(desk: Desk, review: Review) -> ReviewView:
    fields = structs.asdict(review)
    del fields["asked_person"]
    standing = desk.reviews.standing(review)
    is_current = desk.drafts.get(review.draft).head == review.content_hash
    return ReviewView(
        **fields,
        is_current=is_current,
        is_approved=standing.is_approved,
        verdicts=desk.reviews.verdicts(review.id),
    )


# --- handlers -----------------------------------------------------------------


async def ask_review(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        review = desk.ask(call.actor, call.params.draft, call.if_match or "", call.body.note)
        return Answer(_view(desk, review), 201)

    return await asyncio.to_thread(work)


async def list_reviews(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.query
        after = key_of(asked.after, int)
        found = desk.reviews.newest(asked.limit + 1, after[0] if after else None, asked.state)
        page = page_of(found, asked.limit, lambda review: (review.number,))
        return Answer(Page(items=[_view(desk, each) for each in page.items], next=page.next))

    return await asyncio.to_thread(work)


async def get_review(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        return Answer(_view(desk, desk.reviews.get(call.params.review)))

    return await asyncio.to_thread(work)


async def compare_review(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        return Answer(desk.compare(desk.reviews.get(call.params.review).content_hash))

    return await asyncio.to_thread(work)


async def decide_review(call: Call) -> Answer:
    def work() -> Answer:
        desk, asked = desk_of(call), call.body
        review = desk.reviews.decide(
            call.actor, call.params.review, asked.content_hash, asked.verdict, asked.comment
        )
        return Answer(_view(desk, review))

    return await asyncio.to_thread(work)


async def withdraw_review(call: Call) -> Answer:
    def work() -> Answer:
        desk = desk_of(call)
        return Answer(_view(desk, desk.reviews.withdraw(call.actor, call.params.review)))

    return await asyncio.to_thread(work)


async def list_comments(call: Call) -> Answer:
    def work() -> Answer:
        asked = call.query
        after = key_of(asked.after, int)
        found = desk_of(call).reviews.comments(
            call.params.review, asked.limit + 1, after[0] if after else 0
        )
        return Answer(page_of(found, asked.limit, lambda comment: (comment.number,)))

    return await asyncio.to_thread(work)


async def add_comment(call: Call) -> Answer:
    def work() -> Answer:
        said = desk_of(call).reviews.comment(
            call.actor, call.params.review, call.body.text, call.body.about
        )
        return Answer(said, 201)

    return await asyncio.to_thread(work)


# --- the list -----------------------------------------------------------------

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST", path="/v1/drafts/{draft}/reviews", name="ask_review", tag=TAG,
        permission="edit", summary="Ask for approval of what a draft holds.",
        handler=ask_review, params=OfDraft, body=Asking, answers={201: ReviewView},
        problems=("unknown-draft", "precondition-failed", "draft-closed", "not-reviewable"),
        takes_if_match=True,
    ),
    Operation(
        method="GET", path="/v1/reviews", name="list_reviews", tag=TAG, permission="read",
        summary="Reviews, newest first.",
        handler=list_reviews, query=ReviewPages, answers={200: Page[ReviewView]},
    ),
    Operation(
        method="GET", path="/v1/reviews/{review}", name="get_review", tag=TAG, permission="read",
        summary="A review, its verdicts, and whether it approves.",
        handler=get_review, params=OfReview, answers={200: ReviewView},
        problems=("unknown-review",),
    ),
    Operation(
        method="GET", path="/v1/reviews/{review}/diff", name="compare_review", tag=TAG,
        permission="read", summary="What would change if it went live now, in business words.",
        handler=compare_review, params=OfReview, answers={200: Comparison},
        problems=("unknown-review",),
    ),
    Operation(
        method="POST", path="/v1/reviews/{review}/verdicts", name="decide_review", tag=TAG,
        permission="approve", summary="Approve, reject, or ask for changes of exactly one content.",
        handler=decide_review, params=OfReview, body=Deciding, answers={200: ReviewView},
        problems=("unknown-review", "review-closed", "content-moved", "draft-closed", "own-work"),
        takes_idempotency_key=True,
    ),
    Operation(
        method="POST", path="/v1/reviews/{review}/withdraw", name="withdraw_review", tag=TAG,
        permission="edit", summary="Take a question back.",
        handler=withdraw_review, params=OfReview, answers={200: ReviewView},
        problems=("unknown-review", "review-closed"),
    ),
    Operation(
        method="GET", path="/v1/reviews/{review}/comments", name="list_comments", tag=TAG,
        permission="read", summary="What people said, oldest first.",
        handler=list_comments, params=OfReview, query=Pages, answers={200: Page[Comment]},
        problems=("unknown-review",),
    ),
    Operation(
        method="POST", path="/v1/reviews/{review}/comments", name="add_comment", tag=TAG,
        permission="read", summary="Say something; whoever may look may speak.",
        handler=add_comment, params=OfReview, body=Saying, answers={201: Comment},
        problems=("unknown-review",), takes_idempotency_key=True,
    ),
)  # fmt: skip
