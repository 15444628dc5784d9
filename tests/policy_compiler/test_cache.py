"""With a cache or without one a compile says the same: bundle, diagnostics, places."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_compiler import cache as caches
from policy_compiler.cache import Cache, cache_folder
from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.rules import check_rules
from policy_compiler.source import read_catalog
from tests.policy_compiler.samples import ATTRIBUTES, write_catalog


@pytest.fixture(autouse=True, scope="module")
def small_catalogs_are_kept_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caches, "ENTRIES_MIN", 0)
        yield


NAMED = "rules:\n  rich: cart.total >= {least}.00\n"
ROW = """\
  - id: {id}
    title: {title}
    kind: percent
    placements: [hero]
    rungs: [{{id: ten, percent: {percent}, cap: 40.00}}]
    eligible: {rule}
    creatives: {{hero: {{en-US: {{headline: Welcome}}}}}}
"""
RULES = (
    "customer.is_new && cart.total >= 50.00",
    "rules.rich && !customer.is_new",
    "age_s(cart.updated_at) > 3600",
    "cart.total - cart.discount > 10.00",
    "cart.totl > 1.00",
    "cart.total > 1",
    "customer.tier == 'gold' &&",
    "rules.poor",
    "'vip' in customer.segments || has(geo.country)",
)


def said(folder: Path, cache: Cache | None) -> tuple[str, object]:
    """All that a compile comes to."""
    try:
        compiled = compile_catalog(folder, cache=cache)
    except CatalogRefused as refused:
        return "refused", refused.diagnostics
    return compiled.digest, compiled.diagnostics


def catalog_of(folder: Path, offers: list[tuple[str, str, int]], least: int, tail: str) -> Path:
    rows = [
        ROW.format(id=id, title=f"Offer {id}", percent=percent, rule=rule)
        for id, rule, percent in offers
    ]
    text = "offers:\n" + "".join(rows) + tail
    return write_catalog(folder, offers=text, rules=NAMED.format(least=least))


EDITS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from("abcdef"), st.sampled_from(RULES), st.sampled_from([5, 10, 101])
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda offer: offer[0],
        ),
        st.sampled_from([20, 30]),
        st.sampled_from(["", "# end\n", "  - id: [\n", "  - {id: short}\n", "rules: {}\n"]),
    ),
    min_size=2,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(edits=EDITS)
def test_after_any_edits_the_bytes_and_the_diagnostics_are_those_of_a_first_compile(
    edits, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("edited")
    for offers, least, tail in edits:
        catalog = catalog_of(folder / "catalog", offers, least, tail)
        cached = said(catalog, Cache(folder / "cache", catalog))
        assert cached == said(catalog, None)
        shutil.rmtree(catalog)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    offers = [(f"o{i}", "customer.is_new", 5 + i) for i in range(5)]
    return catalog_of(tmp_path / "catalog", offers, 20, "")


def hits_of(catalog: Path, folder: Path | None) -> tuple[int, int]:
    """Entries found, and entries asked for in vain."""
    cache = Cache(folder, catalog)
    said(catalog, cache)
    return cache.hits, cache.misses


def test_an_unchanged_catalog_is_read_from_the_cache(catalog: Path, tmp_path: Path):
    assert hits_of(catalog, tmp_path / "c") == (0, 6)  # five offers, whose rule is the same
    assert hits_of(catalog, tmp_path / "c") == (6, 0)


def test_one_edited_offer_is_the_only_one_that_is_read_again(catalog: Path, tmp_path: Path):
    hits_of(catalog, tmp_path / "c")
    file = catalog / "offers.yaml"
    file.write_text(file.read_text().replace("Offer o2", "Offer two"))
    assert hits_of(catalog, tmp_path / "c") == (5, 1)


def test_an_offer_may_move_to_another_file(catalog: Path, tmp_path: Path):
    hits_of(catalog, tmp_path / "c")
    (catalog / "offers.yaml").rename(catalog / "moved.yaml")
    assert hits_of(catalog, tmp_path / "c") == (6, 0)


def test_a_changed_attribute_has_every_rule_checked_again(catalog: Path, tmp_path: Path):
    hits_of(catalog, tmp_path / "c")
    wider = ATTRIBUTES.replace("maximum: 5000", "maximum: 6000")
    (catalog / "attributes.yaml").write_text(wider)
    assert hits_of(catalog, tmp_path / "c") == (5, 1)


def test_another_compiler_finds_nothing(catalog, tmp_path, monkeypatch):
    hits_of(catalog, tmp_path / "c")
    monkeypatch.setattr(caches, "maker", lambda: b"another")
    assert hits_of(catalog, tmp_path / "c") == (0, 6)


def test_places_of_cached_offers_are_those_of_the_file_they_are_in_now(
    catalog: Path, tmp_path: Path
):
    read_and_kept(catalog, tmp_path)
    file = catalog / "offers.yaml"
    file.write_text("# one line more\n" + file.read_text())
    source = read_and_kept(catalog, tmp_path)
    path = "offers[3].rungs[0].percent"
    assert source.position(path) == read_catalog(catalog).position(path)
    assert source.position_in("offers[3].eligible", 9) == read_catalog(catalog).position_in(
        "offers[3].eligible", 9
    )


def read_and_kept(catalog: Path, tmp_path: Path):
    cache = Cache(tmp_path / "c", catalog)
    source = read_catalog(catalog, cache=cache)
    check_rules(source, cache=cache)
    cache.save()
    return source


# --- the disk -----------------------------------------------------------------


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_no_file(catalog: Path, tmp_path: Path, seed: int):
    hits_of(catalog, tmp_path / "c")
    file, chance = only_file(tmp_path / "c"), Random(seed)
    data = bytearray(file.read_bytes())
    at = chance.randrange(len(data))
    data[at : at + chance.choice([1, 9999])] = chance.choice([b"", b"\x00", b"\xff\xff"])
    file.write_bytes(bytes(data) + b"x")
    assert hits_of(catalog, tmp_path / "c") == (0, 6)
    assert hits_of(catalog, tmp_path / "c") == (6, 0)


@pytest.mark.parametrize("broken", [b"", b"\xc1", b"\x92\x01\x02", b"\x93\x80\x90"])
def test_an_entry_of_another_shape_is_no_entry(catalog: Path, tmp_path: Path, broken: bytes):
    cache = Cache(tmp_path / "c", catalog)
    fresh = said(catalog, cache)
    for key in list(cache._used):
        cache.put(key, broken)
    cache.save()
    assert said(catalog, Cache(tmp_path / "c", catalog)) == fresh


def test_a_folder_that_cannot_be_written_changes_nothing(catalog: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert hits_of(catalog, tmp_path / "file") == (0, 6)
    assert hits_of(catalog, tmp_path / "file" / "below") == (0, 6)
    assert hits_of(catalog, None) == (0, 6)


def test_a_small_catalog_leaves_nothing_on_the_disk(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "ENTRIES_MIN", 7)
    hits_of(catalog, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_nothing_half_written_stays_behind(catalog: Path, tmp_path: Path):
    hits_of(catalog, tmp_path / "c")
    file = only_file(tmp_path / "c")
    data = file.read_bytes()
    assert sha256(data[32:]).digest() == data[:32]


def test_the_size_is_bounded_and_what_was_used_last_stays(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "SIZE_MAX_BYTES", 2048)
    hits_of(catalog, tmp_path / "c")
    assert only_file(tmp_path / "c").stat().st_size <= 2048
    hits, misses = hits_of(catalog, tmp_path / "c")
    assert hits > 0 < misses


def test_the_number_of_catalogs_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "FILES_MAX", 2)
    for name in ("one", "two", "three"):
        hits_of(write_catalog(tmp_path / name), tmp_path / "c")
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_the_cache_stands_where_the_user_s_caches_stand(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/proffer")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "proffer"


def test_only_a_plain_file_of_bounded_size_is_read(catalog: Path, tmp_path: Path, monkeypatch):
    folder = tmp_path / "cache"
    wanted = said(catalog, Cache(folder, catalog))
    (file,) = folder.glob("*.compiled")
    for spoil in (lambda: file.symlink_to("/dev/zero"), lambda: os.mkfifo(file), file.mkdir):
        file.unlink()
        spoil()
        assert said(catalog, Cache(folder, catalog)) == wanted
        if file.is_dir():
            file.rmdir()
            file.touch()
    said(catalog, Cache(folder, catalog))
    monkeypatch.setattr(caches, "SIZE_MAX_BYTES", file.stat().st_size - 1)
    again = Cache(folder, catalog)
    assert said(catalog, again) == wanted and not again.hits
