"""`proffer init`: a small catalog to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.files import write_bytes
from control_plane.cli.terminal import Json, Plain, Refused, Terminal
from policy_compiler.schema import SCHEMA_FILE, export

STARTER = ("shop.yaml", "offers.yaml", "request.json", SCHEMA_FILE)


def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder to make, or an empty one.")
    ],
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Write a small starter catalog into FOLDER.

    Also a request to try it with, and the schema that editors check the catalog by.
    Refuses a folder that has files of that name or any catalog already; nothing is changed then.

    Exit codes: 0 written; 1 the folder holds a catalog already; 3 it cannot be written.
    """
    terminal = Terminal(json, plain)
    if taken := _taken(folder):
        raise Refused(
            f"{folder} holds {taken} already.", "Name another folder; nothing was changed."
        )
    for name in STARTER:
        write_bytes(folder / name, _content(name), "the file")
    terminal.say(f"Wrote {', '.join(STARTER)} into {folder}.", "green")
    terminal.say(f"Next:  proffer compile {folder}")
    terminal.say(f"       proffer decide {folder} {folder / 'request.json'}")
    terminal.result({"folder": str(folder), "files": list(STARTER)})


def _content(name: str) -> bytes:
    if name == SCHEMA_FILE:
        return export()
    return resources.files("control_plane.cli").joinpath("starter", name).read_bytes()


def _taken(folder: Path) -> str:
    """The first file that speaks against writing here."""
    if folder.is_file():
        return "a file of that name"
    there = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    catalogs = [name for name in there if name.endswith((".yaml", ".yml"))]
    return next((name for name in [*catalogs, *there] if name in (*STARTER, *catalogs)), "")
