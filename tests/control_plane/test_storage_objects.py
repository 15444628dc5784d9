"""Objects are named by what they are, and only channels ever change."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.storage.objects import NAME, DirectoryStore, ObjectError, Tampered

BUNDLE = b"bundle"
NAME_OF_BUNDLE = f"bundles/{sha256(BUNDLE).hexdigest()}"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "objects")


def test_what_was_put_is_got_back(store: DirectoryStore):
    store.put(NAME_OF_BUNDLE, BUNDLE)
    store.put(NAME_OF_BUNDLE, BUNDLE)
    assert store.get(NAME_OF_BUNDLE) == BUNDLE
    assert store.get(f"bundles/{'0' * 64}") is None


def test_an_immutable_object_is_named_by_its_content(store: DirectoryStore):
    with pytest.raises(ObjectError, match="named by its content"):
        store.put(NAME_OF_BUNDLE, b"other")
    assert store.get(NAME_OF_BUNDLE) is None


def test_what_was_changed_on_the_disk_is_not_read_and_is_mended_by_writing_it_again(
    store: DirectoryStore,
):
    store.put(NAME_OF_BUNDLE, BUNDLE)
    (store.folder / NAME_OF_BUNDLE).write_bytes(b"bundlE")
    with pytest.raises(Tampered, match=NAME_OF_BUNDLE):
        store.get(NAME_OF_BUNDLE)
    store.put(NAME_OF_BUNDLE, BUNDLE)
    assert store.get(NAME_OF_BUNDLE) == BUNDLE


def test_a_root_is_written_once(store: DirectoryStore):
    store.put("keys/root.1.jws", b"one")
    store.put("keys/root.1.jws", b"one")
    with pytest.raises(ObjectError, match="only once"):
        store.put("keys/root.1.jws", b"another")
    assert store.get("keys/root.1.jws") == b"one"


def test_a_channel_is_written_again_and_leaves_no_other_file(store: DirectoryStore):
    name = "channels/production/edge.jws"
    store.put(name, b"one")
    store.put(name, b"two")
    assert store.get(name) == b"two"
    assert [p.name for p in (store.folder / "channels/production").iterdir()] == ["edge.jws"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "bundles/../../secret",
        "bundles/" + "A" * 64,
        "keys/root.0.jws",
        "keys/root.01.jws",
        "channels/production/../x.jws",
        "channels/Production/edge.jws",
        "/etc/passwd",
        "",
    ],
)
def test_no_other_name_is_read_or_written(store: DirectoryStore, name: str):
    assert store.get(name) is None
    with pytest.raises(ObjectError, match="no name of an object"):
        store.put(name, b"x")


@given(st.text(max_size=80))
def test_no_name_that_is_accepted_leads_outside(name: str):
    if NAME.fullmatch(name):
        assert ".." not in name.split("/") and not name.startswith("/")


def test_a_store_that_fails_says_so_without_telling_its_place(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(ObjectError, match="Not a directory") as caught:
        DirectoryStore(blocked).put("channels/production/edge.jws", b"x")
    assert str(tmp_path) not in str(caught.value)
