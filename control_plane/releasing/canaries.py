"""What a manifest says while a ramp is open, and once it has ended."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from control_plane.releasing.ramp_book import State
from control_plane.releasing.steps import Step, tickets
from control_plane.signing import Canary, Content


def canary_of(new: Content, ramp: str, step: Step) -> Canary:
    """A policy for the share of a step; the ramp's id keys who they are."""
    return Canary(bundle=new.bundle, size_bytes=new.size_bytes, share=tickets(step), ramp=ramp)


def with_share(content: Content, step: Step) -> Content:
    """The same with the canary at another step's share."""
    assert content.canary is not None  # whoever asks has looked
    return structs.replace(content, canary=structs.replace(content.canary, share=tickets(step)))


def won(content: Content) -> Content:
    """The canary for everybody."""
    canary = content.canary
    assert canary is not None  # whoever asks has looked
    return structs.replace(content, bundle=canary.bundle, size_bytes=canary.size_bytes, canary=None)


def lost(content: Content) -> Content:
    return structs.replace(content, canary=None)


ENDS: dict[State, Callable[[Content], Content]] = {
    "finished": won,
    "aborted": lost,
    "rolled-back": lost,
}
"""What a manifest says once a ramp has ended so."""
