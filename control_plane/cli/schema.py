"""`proffer schema`: the JSON Schema of a catalog, for editors and programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from control_plane.cli.files import write_bytes
from control_plane.cli.terminal import Json, Plain, Terminal
from policy_compiler.schema import EDITOR_COMMENT, SCHEMA_ID, export


class SchemaDocument(Struct, frozen=True, kw_only=True):
    """What --json prints where a file was written."""

    file: str
    id: str
    size_bytes: int


def schema_command(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it  [stdout].")
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Write the JSON Schema (2020-12) of a catalog's files.

    It is a JSON document itself, so without --output it is printed as it is, also with
    --json.

    Exit codes: 0 written; 3 the file cannot be written.
    """
    data = export()
    if output is None:
        sys.stdout.write(data.decode())
        return
    write_bytes(output, data, "the schema")
    terminal = Terminal(json, plain)
    terminal.say(f"Wrote {output}: {SCHEMA_ID}, {len(data):,} bytes.", "green")
    terminal.say(f"Editors find it by the first line of a file:  {EDITOR_COMMENT}{output.name}")
    terminal.result(SchemaDocument(file=str(output), id=SCHEMA_ID, size_bytes=len(data)))
