"""Roots in the making: one signature after the other, and complete only when edges believe it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from edge.decision.claims import Root
from policy_compiler.keys import SigningError, SigningKey
from policy_compiler.roots import (
    DAY_S,
    Proposal,
    add_signature,
    describe,
    merged,
    propose,
    read_proposal,
    standing,
    successor,
)
from tests.support.signing import NOW_S, a_root, listed, pin, run, succeed

A, B, C, D, E, F = (SigningKey.generate() for _ in range(6))
ONLINE, NEXT = SigningKey.generate(), SigningKey.generate()
FIRST = a_root(threshold=2, keys=listed(root=[A, B, C], online=[ONLINE]))


def signed(root: Root, *keys: SigningKey) -> Proposal:
    proposal = propose(root)
    for key in keys:
        proposal = add_signature(proposal, key)
    return proposal


def test_a_first_root_is_complete_with_its_own_threshold_and_edges_pin_it() -> None:
    assert not standing(propose(FIRST), None).complete
    assert not standing(signed(FIRST, A), None).complete
    whole = signed(FIRST, A, C)
    assert standing(whole, None).complete
    assert run(pin(whole.encoded())) == FIRST


def test_a_successor_takes_both_thresholds_and_then_edges_follow() -> None:
    keys = [(k.kid, k.public("root")) for k in (D, E, F)]
    second = successor(FIRST, now_s=NOW_S, add=keys, remove=[A.kid, B.kid, C.kid])
    for signers, before, own in (((A, B), 2, 0), ((D, E), 0, 2), ((A, D), 1, 1)):
        stands = standing(signed(second, *signers), FIRST)
        assert (stands.before, stands.own, stands.complete) == (before, own, False)
    whole = signed(second, A, B, D, E)
    assert standing(whole, FIRST).complete
    assert run(succeed(FIRST, whole.encoded())) == second


def test_who_signs_twice_or_is_not_listed_does_not_count() -> None:
    twice = signed(FIRST, A, A, D)
    stands = standing(twice, None)
    assert stands.signed_by == (A.kid,) and stands.own == 1
    assert len(twice.signatures) == 2


def test_signatures_from_several_safes_are_joined() -> None:
    one, other = signed(FIRST, A), signed(FIRST, B)
    assert standing(merged([one, other]), None).complete
    with pytest.raises(SigningError, match="different roots"):
        merged([one, signed(structs.replace(FIRST, epoch=9), B)])


def test_a_signature_over_something_else_does_not_count() -> None:
    other = signed(structs.replace(FIRST, epoch=9), A, B)
    moved = structs.replace(propose(FIRST), signatures=other.signatures)
    assert standing(moved, None).own == 0


def test_a_planned_rotation_keeps_the_epoch_and_a_stolen_key_opens_the_next() -> None:
    new = [(NEXT.kid, NEXT.public("online"))]
    planned = successor(FIRST, now_s=NOW_S, add=new)
    assert (planned.version, planned.epoch, len(planned.of_role("online"))) == (2, 1, 2)
    assert planned.expires_s == NOW_S + 365 * DAY_S
    stolen = successor(FIRST, now_s=NOW_S, add=new, remove=[ONLINE.kid], compromised=True)
    assert (stolen.epoch, list(stolen.of_role("online"))) == (2, [NEXT.kid])


def test_a_root_under_which_nothing_could_be_signed_is_not_proposed() -> None:
    with pytest.raises(SigningError, match="no online key"):
        successor(FIRST, now_s=NOW_S, remove=[ONLINE.kid])
    with pytest.raises(SigningError, match="would have 1 root keys"):
        successor(FIRST, now_s=NOW_S, remove=[A.kid, B.kid])
    with pytest.raises(SigningError, match="lists no key"):
        successor(FIRST, now_s=NOW_S, remove=["nobody"])


def test_signers_are_shown_what_changes() -> None:
    second = successor(
        FIRST, now_s=NOW_S, add=[(NEXT.kid, NEXT.public("online"))], remove=[ONLINE.kid],
        compromised=True,
    )  # fmt: skip
    text = "\n".join(describe(second, FIRST))
    assert f"adds  online key {NEXT.kid}" in text
    assert f"drops online key {ONLINE.kid}" in text
    assert "epoch 2 (a new epoch: the old one is over)" in text
    assert text.count("keeps root") == 3


NONSENSE = [b"", b"{}", b"[]", b'{"payload":"!"}', b'{"payload":"e30","signatures":[]}', b"\xff"]


@pytest.mark.parametrize("data", NONSENSE)
def test_what_is_no_root_is_told(data: bytes) -> None:
    with pytest.raises(SigningError):
        read_proposal(data)


@pytest.mark.parametrize("protected", ["", "!", "e30", "W10", "AAAA"])
def test_signatures_without_form_are_told(protected: str) -> None:
    raw = msgspec.json.decode(signed(FIRST, A).encoded())
    raw["signatures"][0]["protected"] = protected
    proposal = read_proposal(msgspec.json.encode(raw))
    with pytest.raises(SigningError):
        standing(proposal, None)
    with pytest.raises(SigningError):
        merged([proposal])


def test_another_spelling_of_the_same_root_is_not_signed() -> None:
    from edge.decision.jws import to_base64url

    spaced = msgspec.json.format(msgspec.json.encode(FIRST))
    proposal = read_proposal(msgspec.json.encode({"payload": to_base64url(spaced).decode()}))
    with pytest.raises(SigningError, match="spelling"):
        add_signature(proposal, A)
