"""The JavaScript edge: its modules as workerd takes them, its fleet of workers, and Deno.

Members, stores, control plane and shop are those of the Python workers (`workers.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.parts import ROOT, MissingPart
from tests.support.processes import Server, serving
from tests.support.workers import DATE, Fleet, fleet, variables, workerd

FOLDER = ROOT / "edge" / "javascript"
ENTRY = "edge/javascript/worker.js"
DENO_ENTRY = FOLDER / "deno.js"
SHARED = ("kernel", "creatives", "notes", "claims", "trust")
"""Of the browser's modules, those that the edge runs too."""
SENT = ("edge/static/page.js", "edge/browser/first.min.js", "edge/browser/first-plain.min.js")
"""Scripts that the edge sends to browsers."""
NOT_IN_WORKERD = ("deno.js", "scanning.js", "markup.js", "foreign.js")
ALLOWED = ("--allow-net", "--allow-env", "--allow-read", "--allow-write")


def modules(entry: str = ENTRY, *more: str) -> list[dict[str, str]]:
    """As wrangler uploads them: type and path of each, the entry first."""
    own = [f.relative_to(ROOT).as_posix() for f in FOLDER.glob("*.js")]
    scripts = [name for name in own if Path(name).name not in NOT_IN_WORKERD]
    scripts += [f"edge/browser/{name}.js" for name in SHARED]
    scripts = [entry, *sorted({*scripts, *more} - {entry})]
    listed = [("ESModule", name) for name in scripts]
    listed += [("CompiledWasm", "edge/kernel/kernel.wasm")]
    listed += [("Text", name) for name in SENT]
    return [{"type": kind, "path": name, "file": str(ROOT / name)} for kind, name in listed]


CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "internet", network = (allow = ["private", "public"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  compatibilityDate = "%s", modules = [%s], bindings = [%s],
);
"""
KINDS = {"ESModule": "esModule", "CompiledWasm": "wasm", "Text": "text"}


def plain_worker(
    folder: Path, listed: Sequence[Mapping[str, str]], told: Mapping[str, str] | None = None
) -> Path:
    """A folder for `workerd serve worker.capnp`: these modules, and these variables."""
    names = []
    for module in listed:
        file = folder / module["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(Path(module["file"]).read_bytes())
        names.append(
            f'(name = "{module["path"]}", {KINDS[module["type"]]} = embed "{module["path"]}")'
        )
    bindings = [f'(name = "{k}", text = {json.dumps(v)})' for k, v in (told or {}).items()]
    (folder / "worker.capnp").write_text(CONFIG % (DATE, ", ".join(names), ", ".join(bindings)))
    return folder


@contextmanager
def plain_workerd(folder: Path, path: str = "/") -> Iterator[Server]:
    """workerd alone, without bindings, in a folder of `plain_worker`."""
    command = [workerd(), "serve", "worker.capnp", "--socket-addr", "http=127.0.0.1:{port}"]
    with serving(command, path=path, cwd=folder) as server:
        yield server


@contextmanager
def javascript_fleet(folder: Path, *names: str) -> Iterator[Fleet]:
    kind: dict[str, Any] = {"modules": modules(), "flags": []}
    with fleet(folder, *names, kind=kind) as made:
        yield made


def deno() -> str:
    """Path of Deno's binary, which npm brings."""
    found = sorted((ROOT / "node_modules" / "@deno").glob("*/deno"))
    if not found:
        raise MissingPart("The npm package deno is missing: run `npm ci`, or `make test`.")
    return str(found[0])


@contextmanager
def deno_edge(
    control_url: str,
    origin_url: str,
    data: Path,
    path: str = "/_proffer/healthz",
    **changes: str,
) -> Iterator[Server]:
    """The edge under Deno, as a process of its own, once it answers at `path`.

    `changes` are of its variables.
    """
    told = variables(control_url, origin_url) | {"PROFFER_DATA": str(data)} | changes
    command: Sequence[str] = [
        deno(), "serve", "--no-lock", *ALLOWED, "--host=127.0.0.1", "--port={port}",
        str(DENO_ENTRY),
    ]  # fmt: skip
    with serving(command, path=path, cwd=data, env=told) as server:
        yield server
