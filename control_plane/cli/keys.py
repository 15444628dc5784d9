"""`proffer keys`: the ceremony, rotation and revocation of keys, and how they stand.

Some of these run where root keys are, on a machine without a network: `ceremony`,
`new-key`, `sign-root`, `secret`.  The others run beside a control plane, with its settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.terminal import Json, Plain, Terminal

keys_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Make, sign, rotate and revoke keys.",
)

Data = Annotated[
    Path | None, typer.Option(help="Folder for database, objects and keys  [PROFFER_DATA].")
]
Tenant = Annotated[str | None, typer.Option(help="The shop  [PROFFER_TENANT].")]
Days = Annotated[int, typer.Option(min=1, max=3650, help="How long the root is good for.")]
Out = Annotated[Path, typer.Option(help="Where files are written; nothing is written over.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the password; else it is asked for.")
]
Settle = Annotated[
    float,
    typer.Option(min=0, help="Seconds between a new key's listing and its first signature."),
]
YEAR_DAYS = 365
SETTLE_S = 10.0


@keys_app.command("ceremony")
def ceremony_command(
    tenant: Annotated[str, typer.Option(help="The shop.")],
    out: Out,
    threshold: Annotated[
        int, typer.Option(min=1, max=16, help="How many root keys sign a root.")
    ] = 2,
    keys: Annotated[int, typer.Option(min=1, max=16, help="How many root keys there are.")] = 3,
    online: Annotated[
        list[Path] | None, typer.Option(help="Public online key; else a new one is made.")
    ] = None,
    days: Days = YEAR_DAYS,
    encrypt: Annotated[bool, typer.Option(help="Put root keys under a password.")] = False,
    password_file: PasswordFile = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Make a shop's root keys, and its first root.

    Writes root-1.pem and so on, each to be carried to a place of its own; root.1.jws, which
    edges pin; and, unless --online names public keys, online.pem for the control plane.
    Hold it on a machine that is not on a network.

    Exit codes: 0 all is written; 1 the numbers do not go together, or a file is there
    already; 3 a file cannot be used.
    """
    from control_plane.cli import keys_offline as offline

    offline.ceremony(
        Terminal(json, plain), tenant, out, threshold, keys, online or [], days, encrypt,
        password_file,
    )  # fmt: skip


@keys_app.command("new-key")
def new_key_command(
    file: Annotated[Path, typer.Argument(help="Where the private key goes: name.pem.")],
    encrypt: Annotated[bool, typer.Option(help="Put it under a password.")] = False,
    password_file: PasswordFile = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Make one key, and its public half beside it (.pub).

    Exit codes: 0 both are written; 1 a file is there already; 3 a file cannot be used.
    """
    from control_plane.cli import keys_offline as offline

    offline.new_key(Terminal(json, plain), file, encrypt, password_file)


@keys_app.command("sign-root")
def sign_root_command(
    proposal: Annotated[Path, typer.Argument(help="The proposed root; the signature is added.")],
    key: Annotated[Path, typer.Option(help="Private root key.")],
    current: Annotated[
        Path | None, typer.Option(help="The root before it, to see what changes.")
    ] = None,
    password_file: PasswordFile = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Show what a proposed root says, and sign it.

    Exit codes: 0 signed, complete or not; 1 it is no root, or the key is no root key of it
    or of the one before; 3 a file cannot be used.
    """
    from control_plane.cli import keys_offline as offline

    offline.sign_root(Terminal(json, plain), proposal, key, current, password_file)


@keys_app.command("publish-root")
def publish_root_command(
    roots: Annotated[list[Path], typer.Argument(help="The signed root; or several copies of it.")],
    data: Data = None,
    tenant: Tenant = None,
    settle: Settle = SETTLE_S,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Put a complete root out, and sign manifests anew.

    Several files that propose the same root have their signatures joined.

    Exit codes: 0 it is out; 1 edges would not believe it, or nobody here could sign under
    it; 3 the store cannot be used.
    """
    from control_plane.cli import keys_online as online

    online.publish(Terminal(json, plain), roots, data, tenant, settle)


@keys_app.command("rotate-online")
def rotate_online_command(
    public: Annotated[
        Path | None, typer.Option(help="The new key's public half; else a new key is made.")
    ] = None,
    compromised: Annotated[
        bool, typer.Option(help="The old keys were stolen: drop them, open a new epoch.")
    ] = False,
    out: Out = Path(),
    days: Days = YEAR_DAYS,
    data: Data = None,
    tenant: Tenant = None,
    settle: Settle = SETTLE_S,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Propose a root with a new online key.

    The old one stays listed until `proffer keys revoke`, so no edge meets a key that it does
    not know.  With the development keys, whose root key is here, it is signed and out at once.

    Exit codes: 0 it is proposed, or out; 1 it cannot be proposed; 3 the store cannot be used.
    """
    from control_plane.cli import keys_online as online

    terminal = Terminal(json, plain)
    online.rotate_online(terminal, public, compromised, out, days, data, tenant, settle)


@keys_app.command("rotate-root")
def rotate_root_command(
    add: Annotated[list[Path] | None, typer.Option(help="Public half of a new root key.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Id of a root key to drop.")] = None,
    threshold: Annotated[
        int | None, typer.Option(min=1, max=16, help="How many root keys sign; else as before.")
    ] = None,
    out: Out = Path(),
    days: Days = YEAR_DAYS,
    data: Data = None,
    tenant: Tenant = None,
    settle: Settle = SETTLE_S,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Propose a root with other root keys, or a new term.

    Exit codes: 0 it is proposed, or out; 1 it cannot be proposed; 3 the store cannot be used.
    """
    from control_plane.cli import keys_online as online

    terminal = Terminal(json, plain)
    online.rotate_root(
        terminal, add or [], remove or [], threshold, out, days, data, tenant, settle
    )


@keys_app.command("revoke")
def revoke_command(
    kids: Annotated[list[str], typer.Argument(metavar="KEY...", help="Ids of keys to drop.")],
    compromised: Annotated[bool, typer.Option(help="They were stolen: open a new epoch.")] = False,
    out: Out = Path(),
    days: Days = YEAR_DAYS,
    data: Data = None,
    tenant: Tenant = None,
    settle: Settle = SETTLE_S,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Propose a root without these keys.

    Exit codes: 0 it is proposed, or out; 1 it cannot be proposed; 3 the store cannot be used.
    """
    from control_plane.cli import keys_online as online

    online.revoke(Terminal(json, plain), kids, compromised, out, days, data, tenant, settle)


@keys_app.command("status")
def status_command(
    data: Data = None,
    tenant: Tenant = None,
    now: Annotated[int | None, typer.Option(help="As of this time (Unix seconds).")] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Tell who is listed, what signs, what expires when.

    And what needs somebody.

    Exit codes: 0 all is well; 1 something needs somebody; 3 the store cannot be used.
    """
    from control_plane.cli import keys_online as online

    online.status(Terminal(json, plain), data, tenant, now)


@keys_app.command("secret")
def secret_command(
    kind: Annotated[str, typer.Argument(help="edge, cookie or shop.")],
    file: Annotated[Path, typer.Argument(help="The file; one secret per line.")],
    keep: Annotated[int, typer.Option(min=0, max=8, help="How many older ones stay valid.")] = 1,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Put a new secret before the others in a file.

    The file is made if it is not there.

    Exit codes: 0 it is there; 1 the file holds something else; 3 the file cannot be used.
    """
    from control_plane.cli import keys_offline as offline

    offline.secret(Terminal(json, plain), kind, file, keep)


@keys_app.command("edge-secrets")
def edge_secrets_command(
    edge: Annotated[Path, typer.Option(help="File with the edges' secrets.")],
    cookie: Annotated[Path, typer.Option(help="File with the cookies' secrets.")],
    shop: Annotated[Path, typer.Option(help="File with the shop's keys.")],
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Print what an edge is given as its secrets.

    As JSON, the first of each file.

    Exit codes: 0 printed; 1 a file holds something else; 3 a file cannot be used.
    """
    from control_plane.cli import keys_offline as offline

    offline.edge_secrets(edge, cookie, shop)
