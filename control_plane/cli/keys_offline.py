"""`proffer keys` where root keys are: nothing here asks a network or a control plane."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from control_plane.cli.files import read_bytes, write_bytes
from control_plane.cli.terminal import Misused, Refused, Terminal
from edge.decision.claims import Root
from policy_compiler.key_files import (
    PublicKey,
    add_secret,
    is_encrypted,
    public_of,
    read_private,
    read_public,
    read_secrets,
    read_shop_keys,
    write_new,
    write_private,
    write_public,
)
from policy_compiler.keys import SECRET_BYTES, SigningError, SigningKey
from policy_compiler.roots import (
    DAY_S,
    Proposal,
    Standing,
    add_signature,
    check_usable,
    describe,
    propose,
    read_proposal,
    standing,
)

PASSWORD_CHARS_MIN = 12
KINDS = ("edge", "cookie", "shop")


class refusing:
    """What the compiler refuses, as the command's own error."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SigningError):
            raise Refused(error.problem, error.help) from None


# --- the ceremony -------------------------------------------------------------


def ceremony(
    terminal: Terminal,
    tenant: str,
    out: Path,
    threshold: int,
    keys: int,
    online: Sequence[Path],
    days: int,
    encrypt: bool,
    password_file: Path | None,
) -> None:
    if threshold > keys:
        raise Misused(f"--threshold {threshold} of --keys {keys} is never reached.", "Lower it.")
    with refusing():
        publics = [read_public(file) for file in online]
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        roots = [SigningKey.generate() for _ in range(keys)]
        files = [out / f"root-{number}.pem" for number in range(1, keys + 1)]
        _check_free([*files, out / "root.1.jws", *([] if online else [out / "online.pem"])])
        for key, file in zip(roots, files, strict=True):
            password = new_password(password_file, file.name) if encrypt else None
            write_private(file, key, password)
        if not online:
            publics = [_made_online(out)]
        root = _first_root(tenant, threshold, roots, publics, days)
        proposal = propose(root)
        for key in roots:
            proposal = add_signature(proposal, key)
        write_new(out / "root.1.jws", proposal.encoded(), 0o644)
    _tell_ceremony(terminal, out, root, files, bool(online))


def _check_free(files: Sequence[Path]) -> None:
    """Before anything is written: half a ceremony helps nobody."""
    for file in files:
        if file.exists():
            raise SigningError(
                f"{file} is there already.", "Hold the ceremony in a new folder: --out."
            )


def _made_online(out: Path) -> PublicKey:
    key = SigningKey.generate()
    write_private(out / "online.pem", key)
    return public_of(key)


def _first_root(
    tenant: str, threshold: int, roots: Sequence[SigningKey], online: Sequence[PublicKey], days: int
) -> Root:
    root = Root(
        tenant=tenant,
        version=1,
        epoch=1,
        expires_s=int(time.time()) + days * DAY_S,
        threshold=threshold,
        keys={key.kid: key.public("root") for key in roots}
        | {key.kid: key.listed("online") for key in online},
    )
    check_usable(root)
    return root


def _tell_ceremony(
    terminal: Terminal, out: Path, root: Root, files: Sequence[Path], brought: bool
) -> None:
    for line in describe(root, None):
        terminal.say(line)
    for file in files:
        terminal.say(f"{file}: carry it to a place of its own, and delete it here", "yellow")
    if not brought:
        terminal.say(f"{out / 'online.pem'}: for the control plane, PROFFER_ONLINE_KEY_FILE")
    terminal.say(f"{out / 'root.1.jws'}: for `proffer keys publish-root`; edges pin it")
    terminal.result(
        {
            "root": str(out / "root.1.jws"),
            "root_keys": [str(file) for file in files],
            "online_key": None if brought else str(out / "online.pem"),
            "keys": {kid: key.role for kid, key in root.keys.items()},
        }
    )


def new_key(terminal: Terminal, file: Path, encrypt: bool, password_file: Path | None) -> None:
    public = file.with_suffix(".pub")
    with refusing():
        _check_free([file, public])
        key = SigningKey.generate()
        password = new_password(password_file, file.name) if encrypt else None
        write_private(file, key, password)
        write_public(public, public_of(key))
    terminal.say(f"key {key.kid}: {file}, and its public half {public}")
    terminal.result({"kid": key.kid, "private": str(file), "public": str(public)})


# --- signing ------------------------------------------------------------------


def sign_root(
    terminal: Terminal, file: Path, key_file: Path, current: Path | None, password_file: Path | None
) -> None:
    with refusing():
        proposal = read_proposal(read_bytes(file, "the proposed root"))
        before = read_proposal(read_bytes(current, "the root")).root if current else None
        key = _root_key(key_file, password_file)
        _check_may_sign(proposal, before, key)
        for line in describe(proposal.root, before):
            terminal.say(line)
        signed = add_signature(proposal, key)
        stands = standing(signed, before)
        write_bytes(file, signed.encoded(), "the proposed root")
    terminal.say(f"signed by {key.kid}", "green")
    for line in standing_lines(
        stands, knows_before=before is not None or proposal.root.version == 1
    ):
        terminal.say(line)
    terminal.result({"signed_by": stands.signed_by, "complete": stands.complete})


def standing_lines(stands: Standing, *, knows_before: bool) -> list[str]:
    own = f"{stands.own} of {stands.own_wanted} signatures by its own root keys"
    if not knows_before:
        return [own, "name the root before it with --current to count those by its keys"]
    before = f"{stands.before} of {stands.before_wanted} signatures by the root keys before it"
    return [before, own, "complete" if stands.complete else "not complete yet"]


def _check_may_sign(proposal: Proposal, before: Root | None, key: SigningKey) -> None:
    roots = [proposal.root, *([before] if before else [])]
    if before is not None and proposal.root.version != before.version + 1:
        raise SigningError(
            f"Root {proposal.root.version} does not follow root {before.version}.",
            "Name the root before it with --current.",
        )
    listed = any(key.kid in root.of_role("root") for root in roots)
    if not listed and before is not None:
        raise SigningError(
            f"Key {key.kid} is a root key of neither root.", "Sign with one that is listed."
        )


def _root_key(file: Path, password_file: Path | None) -> SigningKey:
    password = None
    if is_encrypted(file):
        password = (
            _read_password(password_file)
            or typer.prompt(f"Password of {file}", hide_input=True, err=True).encode()
        )
    return read_private(file, password)


def new_password(file: Path | None, what: str) -> bytes:
    """From the file, or asked for twice.  Raises `SigningError` for a short one."""
    password = _read_password(file)
    if password is None:
        asked = typer.prompt(
            f"New password of {what}", hide_input=True, confirmation_prompt=True, err=True
        )
        password = asked.encode()
    if len(password) < PASSWORD_CHARS_MIN:
        raise SigningError(
            f"A password has {PASSWORD_CHARS_MIN} characters or more.", "Take a longer one."
        )
    return password


def _read_password(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes().strip()


# --- secrets ------------------------------------------------------------------


def secret(terminal: Terminal, kind: str, file: Path, keep: int) -> None:
    if kind not in KINDS:
        raise Misused(f"{kind!r} is no kind of secret.", f"It is one of {', '.join(KINDS)}.")
    with refusing():
        if file.exists():
            (read_shop_keys if kind == "shop" else read_secrets)(file)
        count = add_secret(file, _made_secret(kind), keep=keep)
    older = f", {count - 1} older one is believed on" if count == 2 else ""
    terminal.say(f"{file}: a new {kind} secret is the first of {count}{older}")
    terminal.result({"file": str(file), "secrets": count})


def _made_secret(kind: str) -> str:
    if kind == "shop":
        return f"shop_{secrets.token_urlsafe(SECRET_BYTES)}"
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def edge_secrets(edge: Path, cookie: Path, shop: Path) -> None:
    with refusing():
        document = {
            "edge_secret": base64.b64encode(read_secrets(edge)[0]).decode(),
            "cookie_secret": base64.b64encode(read_secrets(cookie)[0]).decode(),
            "shop_key": read_shop_keys(shop)[0],
        }
    print(msgspec.json.encode(document).decode())
