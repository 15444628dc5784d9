"""The policy holder against a control plane that is honest, away, damaged or evil."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.decision.errors import TrustError
from edge.policy import Policies
from policy_compiler.sign import development_root
from tests.support.edges import (
    MANIFEST_PATH,
    ControlPlane,
    MovedHome,
    compile_pocket,
    keys,
    pocket_bundle,
    settings,
    until,
    world,
)
from tests.support.policy_stories import other_bundle, refusal, running_sequence, tell


@pytest.fixture
def control() -> ControlPlane:
    return ControlPlane()


# --- honest -------------------------------------------------------------------


def test_a_published_policy_runs_and_a_newer_one_replaces_it(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(1)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert running_sequence(policies) == 1
        control.publish(2, other_bundle())
        await policies.refresh()
        assert running_sequence(policies) == 2
        assert policies.story.swaps == 2

    tell(control, tmp_path, story)


def test_a_bundle_that_is_held_is_not_fetched_again(control: ControlPlane, tmp_path: Path) -> None:
    control.publish(1)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        control.publish(2)
        await policies.refresh()
        assert running_sequence(policies) == 2

    tell(control, tmp_path, story)
    assert len([path for path in control.asked if "/bundles/" in path]) == 1


def test_with_nothing_published_there_is_no_policy_and_no_crash(
    control: ControlPlane, tmp_path: Path
) -> None:
    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert policies.current is None
        control.publish(1)
        await policies.refresh()
        assert running_sequence(policies) == 1
        assert policies.story.unreachable == ""

    tell(control, tmp_path, story)


def test_refreshing_goes_on_by_itself(tmp_path: Path) -> None:
    with world(tmp_path, refresh_s=0.05) as w:
        w.control.publish(2)
        until(lambda: w.health()["policy"]["sequence"] == 2)


def test_releases_share_the_visitors_and_each_keeps_its_own(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(1, other_bundle(), pocket_bundle())

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        assert policies.current is not None
        units = [f"{n:032x}" for n in range(400)]
        first = [policies.current.bundle_for(unit).digest for unit in units]
        assert first == [policies.current.bundle_for(unit).digest for unit in units]
        assert 150 < first.count(first[0]) < 250

    tell(control, tmp_path, story)


# --- refused: the last good policy stays ----------------------------------------


def refuses(
    control: ControlPlane, data: Path, code: str, spoil: Callable[[ControlPlane], object]
) -> None:
    """After sequence 2 runs, what `spoil` serves is refused, and then good news still get in."""
    control.publish(2)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        spoil(control)
        await policies.refresh()
        assert refusal(policies) == code
        assert running_sequence(policies) == 2
        control.publish(9)
        await policies.refresh()
        assert (refusal(policies), running_sequence(policies)) == ("", 9)

    tell(control, data, story)


def test_a_changed_manifest_is_refused(control: ControlPlane, tmp_path: Path) -> None:
    def spoil(control: ControlPlane) -> None:
        raw = control.publish(3)
        middle = len(raw) // 2
        changed = b"A" if raw[middle : middle + 1] != b"A" else b"B"
        control.files[MANIFEST_PATH] = raw[:middle] + changed + raw[middle + 1 :]

    refuses(control, tmp_path, "SIGNATURE", spoil)


def test_an_older_manifest_is_refused(control: ControlPlane, tmp_path: Path) -> None:
    refuses(control, tmp_path, "ROLLBACK", lambda control: control.publish(1))


def test_a_second_manifest_of_the_same_number_is_refused(
    control: ControlPlane, tmp_path: Path
) -> None:
    refuses(control, tmp_path, "FORK", lambda control: control.publish(2, ramp="r2"))


def test_a_manifest_of_another_channel_is_refused(control: ControlPlane, tmp_path: Path) -> None:
    refuses(control, tmp_path, "CHANNEL", lambda control: control.publish(3, channel="staging"))


def test_a_bundle_that_is_not_what_the_manifest_says_is_refused(
    control: ControlPlane, tmp_path: Path
) -> None:
    def spoil(control: ControlPlane) -> None:
        other = other_bundle()
        control.publish(3, other)
        paths = [path for path, data in control.files.items() if data == other]
        control.files[paths[0]] = other[:-1] + bytes([other[-1] ^ 1])

    refuses(control, tmp_path, "DIGEST", spoil)


def test_a_bundle_of_another_shop_is_refused(control: ControlPlane, tmp_path: Path) -> None:
    foreign = compile_pocket(lambda text: text.replace("tenant: pocket", "tenant: bucket"))
    refuses(control, tmp_path, "BUNDLE", lambda control: control.publish(3, foreign))


def test_a_manifest_beyond_its_size_is_not_even_read(control: ControlPlane, tmp_path: Path) -> None:
    control.publish(2)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        control.files[MANIFEST_PATH] = b"x" * (1 << 20)
        await policies.refresh()
        assert "more than" in policies.story.unreachable
        assert running_sequence(policies) == 2

    tell(control, tmp_path, story)


def test_a_missing_bundle_leaves_the_old_policy(control: ControlPlane, tmp_path: Path) -> None:
    control.publish(2)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        other = other_bundle()
        control.publish(3, other)
        for path in [path for path, data in control.files.items() if data == other]:
            del control.files[path]
        await policies.refresh()
        assert running_sequence(policies) == 2
        assert "there is no bundles/" in policies.story.unreachable

    tell(control, tmp_path, story)


def test_a_control_plane_that_is_away_changes_nothing(
    control: ControlPlane, tmp_path: Path
) -> None:
    control.publish(2)

    async def story(policies: Policies, home: MovedHome, control: ControlPlane) -> None:
        control.status = 503
        await policies.refresh()
        assert running_sequence(policies) == 2
        assert "503" in policies.story.unreachable

    tell(control, tmp_path, story)


def test_a_root_of_another_shop_stops_the_edge_from_starting(tmp_path: Path) -> None:
    async def run() -> None:
        home = MovedHome("http://127.0.0.1:9", "http://127.0.0.1:9", tmp_path)
        foreign = development_root(keys(), "bucket", int(time.time()))
        with pytest.raises(TrustError) as refused:
            await Policies(settings(foreign), home).start()
        assert refused.value.code == "TENANT"
        await home.close()

    asyncio.run(run())
