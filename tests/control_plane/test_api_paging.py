"""Pages and their cursors."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.api.paging import cursor_of, key_of, page_of
from control_plane.errors import Refused
from control_plane.services import Services
from tests.control_plane.notes_api import Notes, serving

pytestmark = pytest.mark.anyio
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(NUMBERS, TEXTS)
def test_a_cursor_is_the_key_after_which_it_goes_on(number: int, text: str):
    cursor = cursor_of(number, text)
    assert key_of(cursor, int, str) == (number, text)
    assert cursor.isascii() and cursor.replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_the_beginning():
    assert key_of("", int) is None


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode())))
def test_what_is_no_cursor_is_refused_or_is_one(text: str):
    key = None
    with suppress(Refused):
        key = key_of(text, int)
    assert key is None or text == cursor_of(*key)


@pytest.mark.parametrize("key", [(1,), ("a", 1), (1, "a", 2), (1 << 63, "a"), (1, "\0"), (1.5, "")])
def test_a_cursor_of_another_list_is_refused(key: tuple):
    with pytest.raises(Refused, match="no `next` of this list"):
        key_of(cursor_of(*key), int, str)


def test_one_key_has_one_cursor():
    cursor = cursor_of(5)
    longer = base64.urlsafe_b64encode(msgspec.msgpack.encode((5,))).decode()
    for other in (longer, cursor + "=", cursor + "\n", cursor[:-1] + chr(ord(cursor[-1]) + 1)):
        if other != cursor:
            with pytest.raises(Refused):
                key_of(other, int)


def test_the_last_page_has_no_next():
    assert page_of([1, 2, 3], 3, lambda n: (n,)).next is None
    first = page_of([1, 2, 3], 2, lambda n: (n,))
    assert (first.items, key_of(first.next or "", int)) == ([1, 2], (2,))


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Notes(), services) as client:
        yield client


async def test_page_after_page_tells_everything_once_also_when_some_go(client: httpx.AsyncClient):
    for number in range(7):
        await client.post("/v1/notes", json={"text": str(number)})
    seen, after = [], ""
    while True:
        page = (await client.get("/v1/notes", params={"limit": 2, "after": after})).json()
        seen += [note["id"] for note in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
        await client.delete(f"/v1/notes/{seen[-1]}")
    assert seen == [1, 2, 3, 4, 5, 6, 7]
