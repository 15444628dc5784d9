"""Which key signs, and what files say: chosen alike by every process, read again on change."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from msgspec import structs

from control_plane.keyring import Chain, Keyring, Watched
from control_plane.settings import Settings
from edge.decision.claims import Root
from policy_compiler.key_files import read_secrets, write_private
from policy_compiler.keys import DevelopmentKeys, SigningError, SigningKey
from tests.support.signing import a_root, listed

ROOT = SigningKey.generate()
OLD, NEW, OTHER = (SigningKey.generate() for _ in range(3))


def chain(*online: list[SigningKey]) -> Chain:
    """Roots with these online keys, one after the other."""
    return Chain(tuple(_root(n, keys) for n, keys in enumerate(online, 1)))


def _root(version: int, online: list[SigningKey]) -> Root:
    return structs.replace(a_root(keys=listed(root=[ROOT], online=online)), version=version)


def ring(*online: SigningKey, settle_s: float = 0) -> Keyring:
    made = Keyring(lambda: online, lambda: (bytes(32),), lambda: ("k",))
    made.settle_s = settle_s
    return made


def chosen(keyring: Keyring, roots: Chain) -> SigningKey:
    keyring.follow(roots)
    return keyring.online


def test_of_the_listed_keys_the_one_that_entered_last_signs() -> None:
    for keys in ((OLD, NEW), (NEW, OLD)):
        assert chosen(ring(*keys), chain([OLD])) is OLD
        assert chosen(ring(*keys), chain([OLD], [OLD, NEW])) is NEW
        assert chosen(ring(*keys), chain([OLD], [OLD, NEW], [NEW])) is NEW
        assert chosen(ring(*keys), chain([NEW], [OLD], [OLD, NEW], [OLD])) is OLD


def test_a_key_that_has_just_been_listed_waits_while_there_is_an_older_one() -> None:
    keyring = ring(OLD, NEW, settle_s=60)
    assert chosen(keyring, chain([OLD], [OLD, NEW])) is OLD
    assert keyring.is_settling
    assert chosen(keyring, chain([OLD], [OLD, NEW], [NEW])) is NEW
    assert not keyring.is_settling
    assert chosen(ring(NEW, settle_s=60), chain([OLD], [OLD, NEW])) is NEW


def test_what_a_removed_or_an_older_key_signed_is_signed_anew_and_never_back() -> None:
    roots = chain([OLD], [OLD, NEW])
    assert roots.is_over(OLD.kid, NEW.kid) and not roots.is_over(NEW.kid, OLD.kid)
    assert chain([OLD], [NEW]).is_over(OLD.kid, NEW.kid)
    assert not roots.is_over(NEW.kid, NEW.kid)
    assert chain([OLD], [NEW], [OLD, NEW]).since(OLD.kid) == 3


# --- files --------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Settings:
    (tmp_path / "online").mkdir()
    write_private(tmp_path / "online" / "online.pem", OLD)
    for name, text in (("edge", _secret(1)), ("shop", "shop-key-of-tests")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return Settings(
        data=tmp_path / "var",
        online_key_file=tmp_path / "online",
        edge_secret_file=tmp_path / "edge",
        shop_key_file=tmp_path / "shop",
    )


def _secret(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


def test_with_all_files_named_no_development_keys_are_made(files: Settings) -> None:
    keyring = Keyring.open(files)
    assert keyring.online.kid == OLD.kid
    assert keyring.edge_secrets == (b"\1" * 32,) and keyring.shop_keys == ("shop-key-of-tests",)
    assert keyring.development is None
    assert not files.data.exists()
    assert str(OLD.jwk.as_dict(private=True)["d"]) not in repr(keyring)


def test_a_first_run_has_development_keys(tmp_path: Path) -> None:
    keyring = Keyring.open(Settings(data=tmp_path))
    keys = DevelopmentKeys.load_or_create(tmp_path / "keys")
    assert keyring.online.kid == keys.online.kid
    assert (keyring.edge_secret, keyring.shop_key) == (keys.edge_secret, keys.shop_key)
    assert keyring.development is not None


def test_a_new_key_in_the_folder_is_found_without_a_restart(files: Settings) -> None:
    keyring = Keyring.open(files)
    keyring.settle_s = 0
    assert files.online_key_file is not None
    write_private(files.online_key_file / "online-2.pem", NEW)
    keyring.follow(chain([OLD], [OLD, NEW]))
    assert keyring.online.kid == NEW.kid


def test_a_file_that_is_damaged_later_is_told_and_the_keys_of_before_are_used_on(
    files: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    path = files.edge_secret_file
    assert path is not None
    watched = Watched(path, read_secrets, 0)
    path.write_text(f"{_secret(2)}\n{_secret(1)}\n")
    assert watched.get() == (b"\2" * 32, b"\1" * 32)
    path.write_text("no secret!")
    with caplog.at_level(logging.ERROR):
        assert watched.get() == (b"\2" * 32, b"\1" * 32)
    assert "the keys of before are used on" in caplog.text
    path.unlink()
    assert watched.get() == (b"\2" * 32, b"\1" * 32)


def test_an_empty_folder_of_keys_is_refused(files: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SigningError, match=r"no file online\*\.pem"):
        Keyring.open(structs.replace(files, online_key_file=tmp_path / "empty"))
