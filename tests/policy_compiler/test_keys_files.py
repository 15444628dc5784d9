"""Keys and secrets in files: kept from others, readable by other tools, damage told."""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from policy_compiler.key_files import (
    add_secret,
    is_encrypted,
    public_of,
    read_all_private,
    read_private,
    read_public,
    read_secrets,
    read_shop_keys,
    write_private,
    write_public,
)
from policy_compiler.keys import SigningError, SigningKey

KEY = SigningKey.generate()
SECRET = base64.b64encode(bytes(32)).decode()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secret_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("password", [None, b"correct horse battery"])
def test_a_key_comes_back_as_it_was(tmp_path: Path, password: bytes | None) -> None:
    path = tmp_path / "key.pem"
    write_private(path, KEY, password)
    again = read_private(path, password)
    assert again.kid == KEY.kid
    assert again.jwk.as_dict(private=True)["d"] == KEY.jwk.as_dict(private=True)["d"]
    assert mode(path) == 0o600
    assert is_encrypted(path) == (password is not None)


def test_an_encrypted_key_needs_its_password_and_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, KEY, b"correct horse battery")
    for password, why in ((None, "under a password"), (b"wrong horse", "password is wrong")):
        with pytest.raises(SigningError, match=why):
            read_private(path, password)


def test_openssl_reads_what_we_write_and_we_what_openssl_writes(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "install openssl"
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    write_private(ours, KEY)
    write_public(tmp_path / "ours.pub", public_of(KEY))
    shown = subprocess.run([openssl, "pkey", "-in", ours, "-pubout"], capture_output=True)
    assert shown.stdout == (tmp_path / "ours.pub").read_bytes()
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", theirs], check=True)
    theirs.chmod(0o600)
    public = tmp_path / "theirs.pub"
    subprocess.run([openssl, "pkey", "-in", theirs, "-pubout", "-out", public], check=True)
    assert read_public(public).kid == read_private(theirs).kid


def test_several_keys_in_one_file_are_read_in_their_order(tmp_path: Path) -> None:
    keys = [SigningKey.generate() for _ in range(3)]
    for number, key in enumerate(keys):
        write_private(tmp_path / f"{number}.pem", key)
    text = "".join((tmp_path / f"{n}.pem").read_text() for n in range(3))
    joined = secret_file(tmp_path / "all.pem", text)
    assert [key.kid for key in read_all_private(joined)] == [key.kid for key in keys]
    with pytest.raises(SigningError, match="3 private keys"):
        read_private(joined)


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, KEY)
    before = path.read_bytes()
    with pytest.raises(SigningError, match="is there already"):
        write_private(path, SigningKey.generate())
    assert path.read_bytes() == before


@pytest.mark.parametrize("others", [0o004, 0o002, 0o020, 0o044, 0o001])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(
    tmp_path: Path, others: int
) -> None:
    path = secret_file(tmp_path / "secret", SECRET)
    path.chmod(0o600 | others)
    with pytest.raises(SigningError) as caught:
        read_secrets(path)
    assert caught.value.help == f"Make it yours alone: chmod 600 {path}"


def test_its_group_may_read_it_as_hosts_hand_secrets_to_services(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "secret", SECRET)
    path.chmod(0o440)
    assert read_secrets(path) == (bytes(32),)


def other_curve() -> str:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def other_public() -> str:
    key = generate_private_key(SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


NO_KEYS: dict[str, tuple[Callable[[], str], str]] = {
    "empty": (lambda: "", "no private key"),
    "a public key": (other_public, "no private key"),
    "another curve": (other_curve, "another kind"),
    "cut off": (lambda: other_curve()[:80] + "\n-----END PRIVATE KEY-----", "damaged"),
}


@pytest.mark.parametrize(("text", "why"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_what_is_no_private_key_is_told(tmp_path: Path, text: Callable[[], str], why: str) -> None:
    with pytest.raises(SigningError, match=why):
        read_private(secret_file(tmp_path / "key.pem", text()))


@pytest.mark.parametrize(
    ("text", "why"), [("", "no public key"), ("x", "no public key"), (other_public(), "another")]
)
def test_what_is_no_public_key_is_told(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "key.pub"
    path.write_text(text)
    with pytest.raises(SigningError, match=why):
        read_public(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_private, read_public, read_secrets, read_shop_keys):
        with pytest.raises(SigningError, match="nowhere"):
            read(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "\n\n", "not base64!", "AAAA", SECRET + "\n!"])
def test_what_is_no_secret_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(SigningError) as caught:
        read_secrets(secret_file(tmp_path / "secret", text))
    assert "openssl rand" in caught.value.help


def test_a_new_secret_comes_first_and_the_one_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    made = [base64.b64encode(bytes([n]) * 32).decode() for n in range(4)]
    counts = [add_secret(path, secret, keep=1) for secret in made]
    assert counts == [1, 2, 2, 2]
    assert read_secrets(path) == (bytes([3]) * 32, bytes([2]) * 32)
    assert mode(path) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_short_shop_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="16 plain characters"):
        read_shop_keys(secret_file(tmp_path / "shop", "short"))
    assert read_shop_keys(secret_file(tmp_path / "shop", "k" * 16 + "\n")) == ("k" * 16,)
