"""Development keys: made once, kept to their owner, refused when they are not."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from policy_compiler.keys import KEYS_FILE, DevelopmentKeys, SigningError, SigningKey


def load(folder: Path) -> DevelopmentKeys:
    return DevelopmentKeys.load_or_create(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_once_and_found_again(tmp_path: Path) -> None:
    first, again = load(tmp_path / "var/keys"), load(tmp_path / "var/keys")
    assert first.root.kid == again.root.kid and first.online.kid == again.online.kid
    assert (first.edge_secret, first.cookie_secret) == (again.edge_secret, again.cookie_secret)
    assert first.shop_key == again.shop_key
    assert first.root.jwk.as_dict(private=True) == again.root.jwk.as_dict(private=True)


def test_every_shop_has_its_own_keys(tmp_path: Path) -> None:
    one, other = load(tmp_path / "a"), load(tmp_path / "b")
    secrets = [
        secret
        for keys in (one, other)
        for secret in (keys.root.kid, keys.online.kid, keys.edge_secret, keys.cookie_secret)
    ]
    assert len(set(secrets)) == len(secrets)
    assert one.shop_key != other.shop_key
    assert len(one.edge_secret) == len(one.cookie_secret) == 32


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    load(tmp_path / "keys")
    assert mode(tmp_path / "keys") == 0o700
    assert mode(tmp_path / "keys" / KEYS_FILE) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [KEYS_FILE]


@pytest.mark.parametrize("others", [0o040, 0o020, 0o004, 0o002, 0o044])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(
    tmp_path: Path, others: int
) -> None:
    load(tmp_path / "keys")
    path = tmp_path / "keys" / KEYS_FILE
    path.chmod(0o600 | others)
    with pytest.raises(SigningError) as caught:
        load(tmp_path / "keys")
    assert caught.value.help == f"Make it yours alone: chmod 600 {path}"
    path.chmod(0o600)
    assert load(tmp_path / "keys")


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    load(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o770)
    with pytest.raises(SigningError, match="chmod 700"):
        load(tmp_path / "keys")


def test_two_processes_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: load(tmp_path / "keys").root.kid, range(16)))
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [KEYS_FILE]


def damaged(changes: dict[str, Any]) -> Any:
    return lambda text: json.dumps(json.loads(text) | changes)


DAMAGE: dict[str, Any] = {
    "empty": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "another shape": lambda text: "[]",
    "an unknown field": damaged({"extra": 1}),
    "a short secret": damaged({"edge_secret": "AAAA"}),
    "a secret that is not base64": damaged({"cookie_secret": "!"}),
    "a key without its private half": lambda text: text.replace('"d":', '"e":', 1),
    "halves that do not belong together": lambda text: damaged(
        {"online": json.loads(text)["online"] | {"x": json.loads(text)["root"]["x"]}}
    )(text),
    "a key of another curve": lambda text: text.replace("Ed25519", "Ed448", 1),
    "a key that is too short": damaged(
        {"root": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"}}
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, damage: Any) -> None:
    load(tmp_path)
    path = tmp_path / KEYS_FILE
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(SigningError, match=KEYS_FILE) as caught:
        load(tmp_path)
    assert "backup" in caught.value.help
    assert path.read_bytes() == before


def test_secrets_do_not_appear_in_what_is_printed(tmp_path: Path) -> None:
    keys = load(tmp_path)
    printed = f"{keys!r} {keys} {keys.root!r}"
    assert keys.root.kid in printed
    for secret in (repr(keys.edge_secret), keys.shop_key, keys.root.jwk.as_dict(private=True)["d"]):
        assert str(secret) not in printed


def test_a_key_id_follows_from_the_key() -> None:
    key = SigningKey.generate()
    assert SigningKey(key.jwk).kid == key.kid != SigningKey.generate().kid
    assert key.public("online").role == "online"
