"""Edges follow every change of keys, and no visitor notices: real edges, decisions without end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import structs

from edge.decision.claims import Release
from policy_compiler.key_files import read_private
from policy_compiler.keys import DevelopmentKeys
from policy_compiler.sign import sign_manifest
from tests.control_plane.rotation import Rotating, kid_of_file, roots_in, shop
from tests.support.cli import proffer
from tests.support.edges import World, a_manifest, pocket_bundle, until

MANIFEST = "channels/production/edge.jws"
PATIENCE_S = 60.0
"""Many threads share one interpreter here; a quiet machine needs a tenth of a second."""


def root_version(world: World) -> int:
    root = world.app.policies._root
    return root.version if root else 0


def until_at(worlds: list[World], it: Rotating) -> None:
    """All edges run what the store has, under its newest root."""
    newest = roots_in(it.store)[-1].version

    def is_there(w: World) -> bool:
        running = w.app.policies.current
        digest = sha256(it.store.get(MANIFEST) or b"").digest()
        return (
            root_version(w) == newest
            and running is not None
            and (running.manifest.digest == digest)
        )

    deadline_s = time.monotonic() + PATIENCE_S
    while not all(is_there(w) for w in worlds):
        assert time.monotonic() < deadline_s, [w.app.policies.story for w in worlds]
        time.sleep(0.05)


def test_online_key_then_root_keys_rotate_and_no_decision_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with shop(tmp_path, monkeypatch) as it:
        worlds = [it.edge("one"), it.edge("two")]
        with it.deciding(*worlds) as crowd:
            first = kid_of_file(it.store)
            it.rotate_online()
            assert kid_of_file(it.store) != first
            until_at(worlds, it)
            it.revoke(*it.idle())
            until_at(worlds, it)
            _hand_the_root_keys_over(it)
            until_at(worlds, it)
            seen = crowd.decisions
            until(lambda: crowd.decisions > seen + 20)
        roots = roots_in(it.store)
        assert [root.version for root in roots] == [1, 2, 3, 4, 5]
        assert roots[0].of_role("root").keys().isdisjoint(roots[-1].of_role("root"))
        assert {root.epoch for root in roots} == {1}
        assert crowd.failures == []
        assert crowd.decisions > 30 and crowd.starts > 20
        for w in worlds:
            assert w.app.policies.story.refusals == 0


def _hand_the_root_keys_over(it: Rotating) -> None:
    """New keys come beside the old ones, then the old ones go: three of three change hands."""
    new = [it.folder / "safe" / f"new-{number}.pem" for number in (1, 2, 3)]
    for file in new:
        it.proffer("new-key", file)
    adding = [word for file in new for word in ("--add", str(file.with_suffix(".pub")))]
    it.propose("rotate-root", *adding)
    it.signed_and_out("root-1", "root-2")
    old = [read_private(it.folder / "safe" / f"root-{n}.pem").kid for n in (1, 2, 3)]
    it.propose("rotate-root", *[word for kid in old for word in (f"--remove={kid}",)])
    it.signed_and_out("root-1", "root-3", "new-1", "new-2")


def test_an_edge_that_slept_over_many_roots_catches_up_with_what_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with shop(tmp_path, monkeypatch) as it:
        with ExitStack() as awake:
            sleeper = it.edge("sleeper", awake)
            until(lambda: sleeper.app.policies.current)
            assert root_version(sleeper) == 1
        for _ in range(2):
            it.rotate_online()
            it.revoke(*it.idle())
        it.rotate_online("--compromised")
        woken = it.edge("sleeper")
        until_at([woken], it)
        assert root_version(woken) == 6
        assert woken.app.policies.current.manifest.epoch == 2  # type: ignore[union-attr]
        assert woken.visitor().decide("hero")["decisions"][0]["reason"] == "BEST"


def thief_of(it: Rotating) -> DevelopmentKeys:
    """Somebody who has copied the online key."""
    stolen = read_private(next((it.folder / "online").glob("*.pem")))
    return structs.replace(DevelopmentKeys.generate(), online=stolen)


def test_what_a_stolen_key_signs_is_refused_once_the_new_root_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with shop(tmp_path, monkeypatch) as it:
        thief, w = thief_of(it), it.edge("one")
        it.rotate_online("--compromised")
        until_at([w], it)
        honest = it.store.get(MANIFEST)
        for epoch, sequence in ((1, 1 << 40), (2, 1 << 40)):
            stolen = sign_manifest(
                thief, a_manifest(sequence, (pocket_bundle(),), epoch=epoch, ramp="stolen")
            )
            before = w.app.policies.story.refusals
            it.store.swap(MANIFEST, stolen, it.store.look(MANIFEST))
            until(lambda before=before: w.app.policies.story.refusals > before)
            refused = w.app.policies.story.refused
            assert refused is not None and refused.code == "UNKNOWN_KEY"
            assert w.app.policies.current.manifest.ramp != "stolen"  # type: ignore[union-attr]
            assert w.visitor().decide("hero")["decisions"][0]["reason"] == "BEST"
        it.services.publisher.mend()
        assert it.store.get(MANIFEST) == honest


def test_a_thief_who_spent_all_numbers_and_a_policy_of_his_own_is_gone_with_the_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with shop(tmp_path, monkeypatch) as it:
        mine = it.services.publisher.live()
        assert mine is not None
        w = it.edge("one")
        until(lambda: w.app.policies.current)
        other = Release(bundle="ab" * 32, size_bytes=9)
        spent = sign_manifest(
            thief_of(it), a_manifest((1 << 53) - 1, (pocket_bundle(),), releases=(other,))
        )
        it.store.swap(MANIFEST, spent, it.store.look(MANIFEST))
        it.services.publisher.mend()
        taken_over = it.services.publisher.live()
        assert taken_over is not None and taken_over.reason == "adopt"
        it.rotate_online("--compromised")
        live = it.services.publisher.live()
        assert live is not None and live.number == (2, 1)
        assert (live.bundle, live.reason) == (mine.bundle, "rotate")
        until_at([w], it)
        assert it.services.publisher.publish(pocket_bundle(), actor="test").number == (2, 2)


def test_with_development_keys_one_command_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from control_plane.services import Services
    from control_plane.settings import Settings

    settings = Settings(data=tmp_path, tenant="pocket", require_approval=False)
    services = Services.open(settings)
    services.publisher.publish(pocket_bundle(), actor="test")
    first = kid_of_file(services.store)
    ran = proffer("keys", "rotate-online", "--data", tmp_path, "--settle", "0.1", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["published"] and ran.document["version"] == 2
    second = kid_of_file(services.store)
    assert second != first
    assert proffer("keys", "revoke", first, "--data", tmp_path).code == 0
    services.close()
    again = Services.open(settings)
    assert again.publisher.publish(pocket_bundle(), actor="test").sequence > 2
    assert kid_of_file(again.store) == second
    again.close()
