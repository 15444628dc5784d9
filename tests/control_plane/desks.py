"""People at the desk of the tiny shop, and edits for them to make."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from control_plane.accounts.actor import PERMISSIONS, Actor
from control_plane.drafting.content import Files
from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Change, Draft
from control_plane.drafting.edits import ValueEdit, edit_values
from control_plane.errors import Refused
from control_plane.releasing.making import make_revision
from control_plane.reviewing.approvals import Approval, Verdict, approved
from control_plane.reviewing.reviews import Review
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.shop import write_catalog


def seeded(folder: Path) -> Settings:
    """A tiny shop that was started once, to make copies of: that is faster than a new one."""
    catalog = write_catalog(folder / "catalog")
    settings = Settings(
        data=folder / "var", tenant="tinyshop", catalog=catalog, require_approval=False
    )
    Services.open(settings).close()
    return settings


def copied(seed: Settings, folder: Path) -> Settings:
    """The same shop, for a test of its own."""
    assert seed.catalog is not None
    shutil.copytree(seed.data, folder / "var")
    shutil.copytree(seed.catalog, folder / "catalog")
    return replace(seed, data=folder / "var", catalog=folder / "catalog")


def person(name: str) -> Actor:
    return Actor(id=f"user:{name}", name=name, permissions=frozenset(PERMISSIONS))


ANN, BOB, CARA = person("ann"), person("bob"), person("cara")


def begin(desk: Desk, actor: Actor = ANN, name: str = "autumn") -> Draft:
    """A draft of what is live."""
    return desk.drafts.create(actor, name, base=desk.trunk())


def write(desk: Desk, draft: Draft, actor: Actor = ANN, etag: str = "", **files: bytes) -> Draft:
    """The draft with these files (`new=b"..."` is new.yaml) beside those that it has."""
    more = {f"{name}.yaml": data for name, data in files.items()}
    return desk.drafts.change(
        actor,
        draft.id,
        etag or draft.etag,
        lambda _, known: Change(kind="edit", files={**known, **more}, message=""),
    )


def retitle(
    desk: Desk, draft: Draft, title: str, actor: Actor = ANN, offer: str = "ten-off"
) -> Draft:
    """Change one offer's title."""
    edit = ValueEdit(op="set", path=f"offers[{offer}].title", value=title)

    def work(_: Draft, files: Files) -> Change:
        return Change(kind="edit", files=edit_values(files, [edit]), message=f"to {title}")

    return desk.drafts.change(actor, draft.id, draft.etag, work)


def publish(services: Services, content_hash: str) -> None:
    """Make a revision live, as publishing does, with the approval left out."""
    made = make_revision(services.database, services.settings.tenant, content_hash)
    services.publisher.publish(made.compiled.data, actor="user:pat", origin=made.origin)


# --- reviews ------------------------------------------------------------------


def ask(desk: Desk, draft: Draft, actor: Actor = ANN) -> Review:
    return desk.ask(actor, draft.id, draft.etag, "please")


def decide(desk: Desk, review: Review, actor: Actor = BOB, verdict: Verdict = "approve") -> Review:
    return desk.reviews.decide(actor, review.id, review.content_hash, verdict, "")


def approval(services: Services, content_hash: str, needed: int = 1) -> Approval | None:
    with services.database.reading() as connection:
        tenant = services.settings.tenant
        return approved(connection, tenant, content_hash, needed=needed)


def refusal(work: object, *arguments: object) -> str:
    with pytest.raises(Refused) as refused:
        work(*arguments)  # type: ignore[operator]
    return refused.value.name
