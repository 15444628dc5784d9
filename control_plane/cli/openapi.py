"""`proffer openapi`: the control plane's API as an OpenAPI document, for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.json import format

from control_plane.cli.files import write_bytes
from control_plane.cli.terminal import Json, Plain, Terminal


class OpenApiDocument(Struct, frozen=True, kw_only=True):
    """What --json prints where a file was written."""

    file: str
    operations: int
    size_bytes: int


def openapi_command(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it  [stdout].")
    ] = None,
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Write the OpenAPI 3.1 document of the control plane's API.

    It is a JSON document itself, so without --output it is printed as it is, also with
    --json.  A running control plane serves the same at /v1/openapi.json.

    Exit codes: 0 written; 3 the file cannot be written.
    """
    from control_plane.api.all import OPERATIONS
    from control_plane.api.openapi import encoded

    data = format(encoded(OPERATIONS), indent=2) + b"\n"
    if output is None:
        sys.stdout.write(data.decode())
        return
    write_bytes(output, data, "the document")
    terminal = Terminal(json, plain)
    terminal.say(f"Wrote {output}: {len(OPERATIONS)} operations, {len(data):,} bytes.", "green")
    terminal.result(
        OpenApiDocument(file=str(output), operations=len(OPERATIONS), size_bytes=len(data))
    )
