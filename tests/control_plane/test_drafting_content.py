"""A catalog's files: one name per content, and archives that come back the same or are refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.drafting import folders
from control_plane.drafting.content import (
    CATALOG_SIZE_MAX_BYTES,
    FILES_MAX,
    content_hash_of,
    entries_of,
)
from control_plane.drafting.folders import MEMBERS_MAX, pack, read_folder, unpack
from control_plane.drafting.revisions import write_folder
from control_plane.errors import Refused
from policy_compiler.source import FILE_SIZE_MAX_BYTES

FILES = {"shop.yaml": b"shop: {}\r\n", "offers/a b.yaml": b"\xef\xbb\xbfoffers: []", "z.yml": b""}

part = st.from_regex(r"[a-z0-9_][a-z0-9_ .+-]{0,6}[a-z0-9_+-]", fullmatch=True)
path = st.builds(lambda parts, end: "/".join(parts) + end, st.lists(part, min_size=1, max_size=3),
                 st.sampled_from([".yaml", ".yml"]))  # fmt: skip
catalogs = st.dictionaries(path, st.binary(max_size=60), min_size=1, max_size=6)


def hash_of(files: dict[str, bytes]) -> str:
    return content_hash_of(entries_of(files))


def unpacked(data: bytes) -> dict[str, bytes] | Refused:
    try:
        return unpack(data)
    except Refused as refused:
        return refused


def zipped(*members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    return out.getvalue()


def tarred(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# --- names of contents --------------------------------------------------------


def test_the_hash_is_that_of_the_list_that_the_reference_describes() -> None:
    told = "proffer-catalog-1\n"
    for name in sorted(FILES):
        told += f"{hashlib.sha256(FILES[name]).hexdigest()} {len(FILES[name])} {name}\n"
    assert hash_of(FILES) == hashlib.sha256(told.encode()).hexdigest()


@given(catalogs, path, st.binary(max_size=5))
@settings(max_examples=30)
def test_any_other_file_is_another_content(files: dict[str, bytes], name: str, data: bytes) -> None:
    assert hash_of(dict(reversed(files.items()))) == hash_of(files)
    changed = {**files, name: data}
    assert (hash_of(changed) == hash_of(files)) == (changed == files)


# --- out and in ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "tar"])
@given(files=catalogs)
@settings(max_examples=40)
def test_an_export_that_is_imported_has_the_same_hash(
    kind: folders.ArchiveKind, files: dict[str, bytes]
) -> None:
    data = pack(files, kind)
    assert data == pack(dict(reversed(files.items())), kind)
    back = unpacked(data)
    if isinstance(back, Refused):  # names that not every system can hold
        assert any(word in back.detail for word in ("by case", "a folder", "odd name"))
    else:
        assert back == files and hash_of(back) == hash_of(files)


def test_a_gzipped_tar_and_a_folder_hold_the_same_content(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("hidden")
    assert unpack(gzip.compress(pack(FILES, "tar"))) == read_folder(tmp_path) == FILES


def test_what_macs_add_is_left_out() -> None:
    data = zipped(("a.yaml", b"1"), ("__MACOSX/._a.yaml", b"2"), (".DS_Store", b"3"))
    assert unpack(data) == {"a.yaml": b"1"}


# --- what is refused ----------------------------------------------------------

BAD_NAMES = [
    "../a.yaml", "a/../../b.yaml", "/etc/a.yaml", "C:\\a.yaml", "a\\b.yaml", "a.txt", "README.md",
    "a/./b.yaml", "a//b.yaml", " a.yaml", "a /b.yaml", "ä.yaml", "con.yaml", "a\nb.yaml",
    "x" * 250 + ".yaml", "/".join("abcdefghi") + ".yaml", "a?.yaml", "a/.yaml/../../b.yaml",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("packed", [zipped, tarred])
def test_an_odd_name_is_refused_by_name(packed: Callable[..., bytes], name: str) -> None:
    with pytest.raises(Refused) as refused:
        unpack(packed(("good.yaml", b""), (name, b"a: 1")))
    assert refused.value.name == "catalog-refused"
    assert ascii(name[:300])[1:-1] in refused.value.detail


def test_links_and_devices_are_refused_by_name(tmp_path: Path) -> None:
    archives = [zipped(("l.yaml", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777)]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        archives.append(tarred(("l.yaml", b""), kind=kind, link="/etc/passwd"))
    for data in archives:
        with pytest.raises(Refused, match=r"'l.yaml' is a link or a device"):
            unpack(data)
    (tmp_path / "l.yaml").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match=r"'l.yaml' is a link or a device"):
        read_folder(tmp_path)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    zeros = bytes(FILE_SIZE_MAX_BYTES + 1)
    many = [(f"{n}.yaml", zeros[:-1]) for n in range(CATALOG_SIZE_MAX_BYTES // len(zeros) + 2)]
    bombs = {
        r"'a.yaml' is larger than 8 MiB": zipped(("a.yaml", zeros)),
        "more than 32 MiB together": zipped(*many),
        "the archive has more than 33 MiB": gzip.compress(
            bytes(CATALOG_SIZE_MAX_BYTES + (2 << 20))
        ),
        f"more than {MEMBERS_MAX} members": zipped(*[(f"d{n}/", b"") for n in range(2_100)]),
        f"more than {FILES_MAX} members": zipped(*[(f"{n}.yaml", b"") for n in range(501)]),
        "is packed in a rare way": zipped(("a.yaml", zeros), method=zipfile.ZIP_BZIP2),
    }
    for told, data in bombs.items():
        with pytest.raises(Refused, match=told):
            unpack(data)


def test_a_size_that_the_header_lies_about_is_refused() -> None:
    data = bytearray(zipped(("a.yaml", bytes(FILE_SIZE_MAX_BYTES + 1))))
    at = data.index(b"PK\x01\x02") + 24  # the uncompressed size in the list of members
    data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(Refused, match=r"cannot be read|larger than"):
        unpack(bytes(data))


def test_two_names_for_one_file_are_refused() -> None:
    with pytest.raises(Refused, match="by case only"):
        unpack(zipped(("A.yaml", b""), ("a.yaml", b"")))
    with pytest.raises(Refused, match="twice"):
        unpack(tarred(("a.yaml", b"1"), ("a.yaml", b"2")))
    with pytest.raises(Refused, match="a file and a folder"):
        unpack(tarred(("a.yaml", b"1"), ("a.yaml/b.yaml", b"2")))


GOOD = [pack(FILES, "zip"), pack(FILES, "tar"), gzip.compress(pack(FILES, "tar"))]


@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)),
                                       max_size=6), st.integers(0, 400))  # fmt: skip
@settings(max_examples=300)
def test_damaged_archives_are_refused_or_read_and_never_crash(
    good: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(good)
    for at, byte in changes:
        data[at % len(data)] = byte
    back = unpacked(bytes(data[: len(data) - cut % len(data)]))
    assert back.name == "catalog-refused" if isinstance(back, Refused) else back
