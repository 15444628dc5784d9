"""`proffer diff`: two policies compared in business words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.counting import counted
from control_plane.cli.policies import load_policy, readable
from control_plane.cli.terminal import Json, Plain, Refused, Terminal
from policy_compiler.diff import Difference, diff

STYLES = {
    "added": "green", "widened": "green", "removed": "red", "narrowed": "red",
    "changed": "yellow", "moved": "cyan",
}  # fmt: skip


def diff_command(
    before: Annotated[
        Path,
        typer.Argument(
            metavar="BEFORE",
            help="Catalog folder, bundle file, or the data folder of a control plane.",
        ),
    ],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same.")],
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Say what changes from one policy to another.

    In business words: offers, who gets them, sizes, weights, economics.  A rule is called
    widened or narrowed only where that is proved.  Of two catalog folders also what no
    edge reads: budgets, pages, hosts, groups.

    Exit codes: 0 nothing differs; 1 they differ, or a policy was refused; 3 a file cannot
    be read.
    """
    terminal = Terminal(json, plain)
    old, new = load_policy(before), load_policy(after)
    catalogs = (old.catalog, new.catalog) if old.catalog and new.catalog else None
    with readable(f"{before} or {after}"):
        found = diff(old.bundle, new.bundle, catalogs=catalogs)
    _tell(terminal, found)
    terminal.result(found)
    if found.changes:
        raise Refused(f"{before} and {after} differ.", reported=True)


def _tell(terminal: Terminal, found: Difference) -> None:
    subject = ""
    for change in found.changes:
        if change.subject != subject:
            subject = change.subject
            terminal.say(subject, "bold")
        terminal.say(f"  {change.what}: {change.text}", STYLES[change.what])
    if found.changes:
        terminal.say()
    terminal.say(_size(found))


def _size(found: Difference) -> str:
    if not found.changes:
        return f"The same: {found.after}, {found.size_after_bytes:,} bytes."
    grown = found.size_after_bytes - found.size_before_bytes
    return (
        f"{counted(len(found.changes), 'change')}; {found.size_before_bytes:,} ->"
        f" {found.size_after_bytes:,} bytes ({grown:+,})"
    )
