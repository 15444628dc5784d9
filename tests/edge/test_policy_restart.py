"""What an edge still knows after a restart, and how keys change hands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec import structs

from edge.decision.claims import Root
from edge.policy import Policies
from policy_compiler.keys import SigningKey
from policy_compiler.sign import sign_root
from tests.support import edges
from tests.support.edges import (
    DAY_S,
    ControlPlane,
    MovedHome,
    keys,
    pocket_bundle,
)
from tests.support.policy_stories import nothing, refusal, running_sequence, tell


@pytest.fixture
def control() -> ControlPlane:
    return ControlPlane()


# --- after a restart ----------------------------------------------------------


def test_an_edge_starts_with_the_saved_policy_while_the_control_plane_is_away(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(4)
    tell(control, tmp_path, nothing)
    control.status = 503

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 4

    tell(control, tmp_path, story)


def test_a_restart_does_not_forget_the_floor(control: ControlPlane, tmp_path: Path) -> None:
    control.publish(4)
    tell(control, tmp_path, nothing)
    control.publish(3)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 4
        assert refusal(policies) == "ROLLBACK"

    tell(control, tmp_path, story)


def test_a_saved_bundle_that_was_damaged_is_fetched_again(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(4)
    tell(control, tmp_path, nothing)
    (saved,) = (tmp_path / "bundles").iterdir()
    saved.write_bytes(b"damaged")

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 4
        assert saved.read_bytes() == pocket_bundle()

    tell(control, tmp_path, story)


def test_a_saved_manifest_that_was_tampered_with_is_not_believed(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(4)
    tell(control, tmp_path, nothing)
    saved = tmp_path / "channels" / "production" / "edge.jws"
    saved.write_bytes(saved.read_bytes().replace(b".", b".A", 1))
    control.status = 503

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert policies.current is None
        assert refusal(policies) in ("SIGNATURE", "MALFORMED")

    tell(control, tmp_path, story)


def test_where_nothing_can_be_saved_the_policy_runs_all_the_same(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(4)
    blocked = tmp_path / "data"
    blocked.write_text("a file where a folder should be")

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 4
        assert "cannot be saved" in policies.story.storage

    tell(control, blocked, story)


# --- new keys -----------------------------------------------------------------


def next_root(online: SigningKey) -> bytes:
    """Root 2: the same root key, another online key."""
    now_s = int(time.time())
    listed = {keys().root.kid: keys().root.public("root"), online.kid: online.public("online")}
    root = Root(tenant="pocket", version=2, epoch=1, expires_s=now_s + DAY_S, keys=listed)
    return sign_root([keys().root], root)


def test_a_new_root_brings_a_new_key_and_takes_the_old_one_away(
    control: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, fresh = edges.keys(), SigningKey.generate()
    control.publish(1)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        control.files["/v1/keys/root.2.jws"] = next_root(fresh)
        control.publish(2)
        await policies.refresh()
        assert (refusal(policies), running_sequence(policies)) == ("UNKNOWN_KEY", 1)
        monkeypatch.setattr(edges, "keys", lambda: structs.replace(old, online=fresh))
        control.publish(3)
        await policies.refresh()
        assert (refusal(policies), running_sequence(policies)) == ("", 3)

    tell(control, tmp_path, story)
    assert (tmp_path / "keys" / "root.2.jws").exists()

    async def after_restart(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 3

    control.status = 503
    tell(control, tmp_path, after_restart)


def test_a_root_by_strangers_is_refused(control: ControlPlane, tmp_path: Path) -> None:
    stranger = SigningKey.generate()
    now_s = int(time.time())
    listed = {stranger.kid: stranger.public("root")}
    root = Root(tenant="pocket", version=2, epoch=1, expires_s=now_s + DAY_S, keys=listed)
    control.publish(1)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        control.files["/v1/keys/root.2.jws"] = sign_root([stranger], root)
        control.publish(2)
        await policies.refresh()
        assert (refusal(policies), running_sequence(policies)) == ("THRESHOLD", 1)

    tell(control, tmp_path, story)
