"""Reading and writing files for commands: clear errors, and never half a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import policy_compiler
from control_plane.cli.terminal import Unusable


def read_bytes(path: Path, what: str) -> bytes:
    """A file, or stdin for `-`.  Raises `Unusable`."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(
            f"{what} {path} cannot be read: {error.strerror}.", "Check the path."
        ) from None


def write_bytes(path: Path, data: bytes, what: str) -> None:
    with replacing(path, what) as draft:
        draft.write_bytes(data)


@contextmanager
def replacing(path: Path, what: str) -> Iterator[Path]:
    """A draft beside `path` that takes its place if the block ends well; else nothing changes."""
    draft = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder", str(path))
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            draft = Path(file.name)
        draft.chmod(0o666 & ~_umask())
        yield draft
        draft.replace(path)
    except OSError as error:
        raise Unusable(
            f"{what} {path} cannot be written: {error.strerror or error}.", "Choose another place."
        ) from None
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def examples() -> Path:
    """The example catalogs: inside an installed wheel, or of the checkout.  Raises `Unusable`."""
    package = Path(policy_compiler.__file__).parent
    for folder in (package / "_examples", package.parent / "examples"):
        if folder.is_dir():
            return folder
    raise Unusable(
        "The example catalogs are missing.", "Install Proffer from its wheel, or run its checkout."
    )
