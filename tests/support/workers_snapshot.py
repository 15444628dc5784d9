"""Runs a deployment folder in plain workerd, making or restoring the snapshot of its modules.

The platform makes such a snapshot when a worker is uploaded: it runs the module's own
level once, and every isolate begins there.  What may not be in one (JavaScript objects,
chance) fails here as it would fail the upload.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.processes import Server, serving
from tests.support.workers import DATE, NOWHERE, variables, worker_folder, workerd
from tests.support.workers_bundle import bundle_folder

FLAGS = ("python_workers", "python_workers_development", "experimental")
CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
{modules}
  ],
  bindings = [{bindings}],
  compatibilityDate = "{date}",
  compatibilityFlags = [{flags}],
);
"""


def modules_of(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(name, kind, file below the folder) as wrangler uploads them; the entry first."""
    for part, below in (("edge", True), ("python_modules", False)):
        files = [path for path in sorted((folder / part).rglob("*")) if path.is_file()]
        for path in sorted(files, key=lambda path: path.name != "worker.py"):
            name = path.relative_to(folder / part if below else folder).as_posix()
            python = below and path.suffix == ".py"
            kind = "pythonModule" if python else "esModule" if path.suffix == ".js" else "data"
            yield name, "data" if below and not python else kind, path.relative_to(folder)


def config_of(folder: Path, variables: Mapping[str, str]) -> str:
    modules = "\n".join(
        f'    (name = "{name}", {kind} = embed "source/{path}"),'
        for name, kind, path in modules_of(folder)
    )
    bindings = ", ".join(f'(name = "{k}", text = {quoted(v)})' for k, v in variables.items())
    flags = ", ".join(f'"{flag}"' for flag in FLAGS)
    return CONFIG.format(modules=modules, bindings=bindings, date=DATE, flags=flags)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@contextmanager
def alone(
    folder: Path, work: Path, variables: Mapping[str, str], *options: str
) -> Iterator[Server]:
    """The worker by itself in workerd, with no bindings but variables.

    Raises `ServerFailed` with the end of what workerd said.
    """
    (work / "source").unlink(missing_ok=True)
    (work / "source").symlink_to(folder)  # the configuration knows no absolute paths
    (work / "worker.capnp").write_text(config_of(folder, variables))
    command: Sequence[str | Path] = [
        workerd(), "serve", "worker.capnp", "--experimental", "--socket-addr=http=127.0.0.1:{port}",
        f"--pyodide-bundle-disk-cache-dir={bundle_folder()}",
        f"--python-snapshot-dir={work}", *options,
    ]  # fmt: skip
    with serving(command, path="/_proffer/page.js", cwd=work) as server:
        yield server


@cache
def snapshot() -> Path:
    """Of the deployment folder, made once."""
    work = Path(tempfile.mkdtemp(prefix="proffer-snapshot-"))
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    with alone(worker_folder(), work, variables(NOWHERE, NOWHERE), "--python-save-snapshot"):
        pass
    return work / "snapshot.bin"
