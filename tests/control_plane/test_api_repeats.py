"""Answers that may be asked for again, on both kinds of storage."""

from __future__ import annotations

import pytest

from control_plane.api.call import Answer
from control_plane.api.idempotency import LIFE_S, Repeats, Request, checked_key, digest_of
from control_plane.errors import Refused
from control_plane.services import Services
from tests.control_plane.homes import BOTH

pytestmark = pytest.mark.anyio
HOMES = BOTH
ASKED = Request(actor="key:1", key=checked_key("k"), digest=digest_of("POST", "/v1/notes", b"{}"))


async def test_claimed_answered_told_again_and_forgotten_after_a_day(services: Services):
    now_s, writer = [1_800_000_000], services.writer
    repeats = Repeats(writer, "tinyshop", lambda: now_s[0])
    assert await repeats.claim(ASKED) is None
    with pytest.raises(Refused, match="no answer yet"):
        await repeats.claim(ASKED)
    await repeats.keep(ASKED, Answer({"id": 1}, 201, '"1"', {"Location": "/v1/notes/1"}))
    told = await repeats.claim(ASKED)
    assert told is not None
    assert (told.status, told.etag, bytes(told.body)) == (201, '"1"', b'{"id":1}')  # type: ignore[call-overload]
    assert await Repeats(writer, "other", lambda: now_s[0]).claim(ASKED) is None
    await repeats.forget(ASKED)  # forgets claims only, never answers
    now_s[0] += LIFE_S - 1
    assert await repeats.claim(ASKED) is not None
    now_s[0] += 1
    assert await repeats.claim(ASKED) is None
    await repeats.forget(ASKED)
    assert await repeats.claim(ASKED) is None


def test_parts_that_run_together_make_other_requests():
    assert digest_of("POST", "/a", b"b") != digest_of("POST", "/ab", b"")
    assert digest_of("POST", "/a") != digest_of("POST", b"/a")
