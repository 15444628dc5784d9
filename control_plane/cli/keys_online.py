"""`proffer keys` beside a control plane: it reads the roots in its store, proposes, and publishes.

A proposal is a file that waits for signatures.  Only where development keys are in use is a
root key at hand; then the same command signs and publishes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs

from control_plane.cli.files import read_bytes, write_bytes
from control_plane.cli.keys_offline import refusing, standing_lines
from control_plane.cli.terminal import REFUSED, Refused, Terminal, Unusable
from control_plane.issuing import root_file
from control_plane.key_status import KeysStatus, ManifestStatus, chain_in, day, look
from control_plane.keyring import Chain, Keyring
from control_plane.publishing import PublishRefused
from control_plane.rotating import check_publishable, follow_now, note_root, put_root
from control_plane.services import Services
from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError, ObjectStore
from control_plane.storage.opening import is_new, open_store
from edge.decision.claims import Key, Root
from edge.decision.errors import TrustError
from policy_compiler.key_files import public_of, read_public, write_private
from policy_compiler.keys import SigningError, SigningKey
from policy_compiler.roots import (
    DAY_S,
    Proposal,
    add_signature,
    describe,
    merged,
    propose,
    read_proposal,
    standing,
    successor,
)


class Place(Struct, frozen=True, kw_only=True):
    """A control plane's storage and keys, and the roots in it (None before the first)."""

    settings: Settings
    store: ObjectStore
    keys: Keyring
    chain: Chain | None

    @property
    def here(self) -> frozenset[str]:
        return frozenset(key.kid for key in self.keys.at_hand)

    @property
    def current(self) -> Root:
        if self.chain is None:
            raise Refused(
                "There is no root in the store yet.",
                "Start the control plane once, or hold a ceremony: `proffer keys ceremony`.",
            )
        return self.chain.newest


@contextmanager
def telling() -> Iterator[None]:
    """What storage and keys refuse, as errors of the command."""
    try:
        with refusing():
            yield
    except (StorageUnavailable, ObjectError) as error:
        raise Unusable(f"Storage cannot be used: {error}.", "Mend that, then try again.") from None
    except TrustError as error:
        raise Refused(
            f"A root in the store is not to be believed: {error}.", "Restore keys/ in the store."
        ) from None
    except PublishRefused as error:
        raise Refused(f"{error}.", error.help) from None


def open_place(data: Path | None, tenant: str | None) -> Place:
    said = {"data": data, "tenant": tenant}
    try:
        settings = read_settings(os.environ, **{k: v for k, v in said.items() if v is not None})
    except SettingsError as error:
        raise Unusable(f"The environment is wrong: {error}.", "Correct the variable.") from None
    with telling():
        store = open_store(settings)
        chain = chain_in(store)
        if chain is not None and tenant is None:
            settings = structs.replace(settings, tenant=chain.newest.tenant)
        return Place(settings=settings, store=store, keys=Keyring.open(settings), chain=chain)


# --- proposing ----------------------------------------------------------------

Make = Callable[[Place], Root]


def rotate_online(
    terminal: Terminal,
    public: Path | None,
    compromised: bool,
    out: Path,
    days: int,
    data: Path | None,
    tenant: str | None,
    settle_s: float,
) -> None:
    place = open_place(data, tenant)
    with telling():
        old = place.current.of_role("online") if compromised else {}
        made = None if public else SigningKey.generate()
        key = public_of(made) if made else read_public(public or Path())
        root = _next(
            place, days, add=[(key.kid, key.listed("online"))], remove=old, compromised=compromised
        )
        if made is not None:
            file = _online_folder(place.settings) / f"online-{made.kid[:12]}.pem"
            write_private(file, made)
            terminal.note(f"{file}: the new online key; copy it to every control plane")
    _finish(terminal, place, root, out, settle_s)


def _online_folder(settings: Settings) -> Path:
    named = settings.online_key_file
    if named is None:
        return settings.keys
    if not named.is_dir():
        raise SigningError(
            f"PROFFER_ONLINE_KEY_FILE={named} is one file, which holds the key in use.",
            "Make it a folder of files online*.pem, or bring the new key with --public.",
        )
    return named


def rotate_root(
    terminal: Terminal,
    add: Iterable[Path],
    remove: Iterable[str],
    threshold: int | None,
    out: Path,
    days: int,
    data: Path | None,
    tenant: str | None,
    settle_s: float,
) -> None:
    place = open_place(data, tenant)
    with telling():
        _check_role(place.current, remove, "root")
        new = [read_public(file) for file in add]
        root = _next(
            place,
            days,
            add=[(key.kid, key.listed("root")) for key in new],
            remove=remove,
            threshold=threshold,
        )
    _finish(terminal, place, root, out, settle_s)


def revoke(
    terminal: Terminal,
    kids: Iterable[str],
    compromised: bool,
    out: Path,
    days: int,
    data: Path | None,
    tenant: str | None,
    settle_s: float,
) -> None:
    place = open_place(data, tenant)
    with telling():
        root = _next(place, days, remove=kids, compromised=compromised)
    _finish(terminal, place, root, out, settle_s)


def _next(
    place: Place,
    days: int,
    *,
    add: Iterable[tuple[str, Key]] = (),
    remove: Iterable[str] = (),
    threshold: int | None = None,
    compromised: bool = False,
) -> Root:
    return successor(
        place.current,
        now_s=int(time.time()),
        add=add,
        remove=remove,
        threshold=threshold,
        compromised=compromised,
        lifetime_s=days * DAY_S,
    )


def _check_role(root: Root, kids: Iterable[str], role: str) -> None:
    for kid in kids:
        if kid in root.keys and root.keys[kid].role != role:
            raise SigningError(f"{kid} is an online key.", "Drop it with `proffer keys revoke`.")


def _finish(terminal: Terminal, place: Place, root: Root, out: Path, settle_s: float) -> None:
    """Out, where the root keys that it takes are at hand; else a file that waits for them."""
    for line in describe(root, place.current):
        terminal.say(line)
    with telling():
        proposal = _signed_here(place, propose(root))
        stands = standing(proposal, place.current)
        if stands.complete:
            _publish(terminal, place, proposal, settle_s)
            return
    file = out / f"root.{root.version}.proposed.jws"
    before = out / f"root.{place.current.version}.jws"
    write_bytes(file, proposal.encoded(), "the proposed root")
    if not before.exists():
        raw = place.store.get(root_file(place.current.version)) or b""
        write_bytes(before, raw, "the root before it")
    for line in standing_lines(stands, knows_before=True):
        terminal.say(line)
    terminal.say(f"{file}: carry it to the root keys, with {before.name}")
    terminal.say(f"proffer keys sign-root {file.name} --current {before.name} --key root-1.pem")
    terminal.result({"version": root.version, "proposal": str(file), "published": False})


def _signed_here(place: Place, proposal: Proposal) -> Proposal:
    development = place.keys.development
    if development is None or development.root.kid not in place.current.of_role("root"):
        return proposal
    return add_signature(proposal, development.root)


# --- publishing ---------------------------------------------------------------


def publish(
    terminal: Terminal,
    files: Iterable[Path],
    data: Path | None,
    tenant: str | None,
    settle_s: float,
) -> None:
    place = open_place(data, tenant)
    with telling():
        proposal = merged([read_proposal(read_bytes(file, "the root")) for file in files])
        root = proposal.root
        if place.chain is None and tenant is None:
            place = structs.replace(
                place, settings=structs.replace(place.settings, tenant=root.tenant)
            )
        _publish(terminal, place, proposal, settle_s)


def _publish(terminal: Terminal, place: Place, proposal: Proposal, settle_s: float) -> None:
    before = place.chain.newest if place.chain else None
    is_out = before is not None and place.store.get(root_file(before.version)) == proposal.encoded()
    root = proposal.root if is_out else check_publishable(proposal, place.chain, place.here)
    if root.tenant != place.settings.tenant:
        raise SigningError(
            f"The root is for {root.tenant!r}, this is {place.settings.tenant!r}.",
            "Set PROFFER_TENANT or --tenant to match.",
        )
    _check_still_signing(place, root)
    fresh = is_new(place.settings)
    put_root(place.store, proposal)
    terminal.say(f"{root_file(root.version)} is in the store", "green")
    manifests = () if fresh else _followed(terminal, place, root, before, settle_s)
    for manifest in manifests:
        number = f"{manifest.epoch}/{manifest.sequence}"
        terminal.say(f"{manifest.channel}: {number}, signed by {manifest.signed_by}")
    terminal.result({"version": root.version, "published": True, "manifests": manifests})


def _check_still_signing(place: Place, root: Root) -> None:
    """A planned revocation waits until nothing is by the key: an edge that starts just then
    would find a manifest that it cannot believe.
    """
    chain = place.chain
    if chain is None or root.epoch > chain.newest.epoch:
        return
    found = look(place.settings, place.store, chain, place.here, int(time.time()))
    for manifest in found.manifests:
        if manifest.signed_by not in root.keys:
            raise SigningError(
                f"The manifest of {manifest.channel} is still signed by {manifest.signed_by}.",
                "Rotate first, or wait until it went over; if it was stolen, say --compromised.",
            )


def _followed(
    terminal: Terminal, place: Place, root: Root, before: Root | None, settle_s: float
) -> tuple[ManifestStatus, ...]:
    services = Services.open(place.settings)
    try:
        note_root(services, root, before)
        with terminal.busy("the manifests go over to the key of now"):
            return follow_now(services, settle_s)
    finally:
        services.close()


# --- how things stand ---------------------------------------------------------


def status(terminal: Terminal, data: Path | None, tenant: str | None, now_s: int | None) -> None:
    place = open_place(data, tenant)
    assert place.current  # or it is told that there is none
    with telling():
        chain = place.chain
        assert chain is not None
        found = look(place.settings, place.store, chain, place.here, now_s or int(time.time()))
    _tell_status(terminal, found)
    terminal.result(found)
    if found.warnings:
        raise SystemExit(REFUSED)


def _tell_status(terminal: Terminal, found: KeysStatus) -> None:
    root = found.root
    terminal.say(
        f"root {root.version} of {found.tenant}, epoch {root.epoch}, expires {day(root.expires_s)},"
        f" {root.threshold} signatures",
        "bold",
    )
    rows = [
        (key.role, key.kid, f"root {key.since}", "yes" if key.is_here else "no",
         ", ".join(key.signs))
        for key in found.keys
    ]  # fmt: skip
    terminal.table(("role", "key", "since", "here", "signs"), rows)
    for each in found.manifests:
        left = f"{max(0, each.expires_s - int(time.time())) // 3600} h left"
        terminal.say(f"{each.channel}: {each.epoch}/{each.sequence}, {left}")
    for warning in found.warnings:
        terminal.say(f"{warning.level}: {warning.text}", "yellow")
        terminal.say(f"  help: {warning.help}")
