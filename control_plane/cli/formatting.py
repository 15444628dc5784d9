"""`proffer fmt`: a catalog's files in canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from control_plane.cli.counting import counted
from control_plane.cli.files import read_bytes, write_bytes
from control_plane.cli.terminal import Json, Plain, Refused, Terminal, Unusable
from policy_compiler.formatting import Unreadable, formatted
from policy_compiler.source import catalog_files


class FormatDocument(Struct, frozen=True, kw_only=True):
    """What --json prints.  `changed`: rewritten, or with --check to be rewritten."""

    files: int
    changed: list[str]
    unreadable: dict[str, str]


def fmt_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A catalog's folder, or one of its files.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file would change.")
    ] = False,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Rewrite the YAML files in FOLDER in canonical form.

    Indentation, spacing, blank lines and line ends become uniform.  Values, their order
    and all comments stay, so the bundle stays the same to the byte.

    Exit codes: 0 done, or with --check all files are in form; 1 a file is not, or cannot
    be read as YAML (it is left alone); 3 a file cannot be read or written.
    """
    terminal = Terminal(json, plain)
    document = FormatDocument(files=0, changed=[], unreadable={})
    files = _files(folder)
    for file in files:
        _format(file, check, document)
    verb = "would be rewritten" if check else "rewritten"
    for name in document.changed:
        terminal.say(f"{name}: {verb}", "yellow")
    for name, why in document.unreadable.items():
        terminal.say(f"{name}: {why}", "red")
    terminal.say(f"{counted(len(files), 'file')}, {len(document.changed)} {verb}.")
    terminal.result(FormatDocument(files=len(files), changed=document.changed,
                                   unreadable=document.unreadable))  # fmt: skip
    if document.unreadable:
        raise Refused(
            f"{len(document.unreadable)} of {counted(len(files), 'file')} cannot be read.",
            "Run `proffer lint` for the whole story; such files are left as they are.",
            reported=True,
        )
    if check and document.changed:
        raise Refused(
            f"{len(document.changed)} of {counted(len(files), 'file')} not in form.",
            "Run `proffer fmt` without --check.",
            reported=True,
        )


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    files = list(catalog_files(folder)) if folder.is_dir() else []
    if not files:
        raise Unusable(f"{folder} holds no .yaml file.", "Name a catalog's folder.")
    return files


def _format(file: Path, check: bool, document: FormatDocument) -> None:
    data = read_bytes(file, "the file")
    try:
        after = formatted(data.decode()).encode()
    except UnicodeDecodeError as error:
        document.unreadable[str(file)] = f"byte {error.start} is not UTF-8"
        return
    except Unreadable as error:
        document.unreadable[str(file)] = str(error)
        return
    if after != data:
        document.changed.append(str(file))
        if not check:
            write_bytes(file, after, "the file")
