"""The parts that tests need and pip does not bring: Node, npm packages, a browser.

Each function returns where the part is, or raises `MissingPart` with what to
install.  Nothing here skips: a test without its part fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
"""Downloads and builds that any run may use again; not in version control."""

NODE_MAJOR_MIN = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class MissingPart(Exception):
    """A part is missing; the message says which one and how to get it."""


def node() -> str:
    """Path of Node.js, 20 or newer."""
    found = shutil.which("node")
    if found is None:
        raise MissingPart(f"Node.js is missing: install version {NODE_MAJOR_MIN} or newer.")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < NODE_MAJOR_MIN:
        raise MissingPart(
            f"{found} is Node.js {version or 'of unknown version'}:"
            f" install version {NODE_MAJOR_MIN} or newer."
        )
    return found


def npm() -> str:
    """Path of npm, which most packages of Node.js bring along."""
    found = shutil.which("npm")
    if found is None:
        raise MissingPart("npm is missing: install it (it usually comes with Node.js).")
    return found


def npm_package(name: str) -> Path:
    """Folder of a package named in package-lock.json."""
    folder = ROOT / "node_modules" / name
    if not (folder / "package.json").is_file():
        raise MissingPart(f"The npm package {name} is missing: run `npm ci`, or `make test`.")
    return folder


def clang() -> str:
    """Path of a clang with libFuzzer and the sanitizers; CLANG overrides the search on PATH."""
    wanted = os.environ.get("CLANG") or "clang"
    found = shutil.which(wanted)
    if found is None:
        raise MissingPart(
            f"No {wanted} on PATH, which fuzzes the kernel's C.  On Debian or Ubuntu:"
            " `apt-get install clang`; elsewhere set CLANG to the path of one with libFuzzer."
        )
    return found


def nginx() -> str:
    """Path of nginx; the environment variable NGINX overrides the search."""
    return _cache("nginx", "NGINX")


def varnishd() -> str:
    """Path of Varnish's server; the environment variable VARNISHD overrides the search."""
    return _cache("varnishd", "VARNISHD")


def _cache(name: str, override: str) -> str:
    # Debian's users have no /usr/sbin on their PATH.
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(os.environ.get(override) or name, path=places)
    if found is None:
        raise MissingPart(
            f"No {name}, a caching proxy in front of an edge.  On Debian or Ubuntu:"
            f" `apt-get install {name.removesuffix('d')}`; elsewhere set {override} to its path."
        )
    return found


def postgres() -> Path:
    """Folder of PostgreSQL's programs; POSTGRES_BIN overrides the search."""
    if wanted := os.environ.get("POSTGRES_BIN"):
        places = [Path(wanted)]
    else:
        on_path = shutil.which("postgres")
        # Debian keeps them off everybody's PATH, a folder per version.
        versions = Path("/usr/lib/postgresql").glob("[1-9][0-9]/bin")
        newest = sorted(versions, reverse=True)
        places = [*newest, *([Path(on_path).resolve().parent] if on_path else [])]
    for folder in places:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise MissingPart(
        "No PostgreSQL server (its programs initdb and postgres).  On Debian or Ubuntu:"
        " `apt-get install postgresql`; elsewhere set POSTGRES_BIN to the folder of its programs."
    )


def chromium() -> str:
    """Path of a Chromium; the environment variable CHROMIUM overrides the search on PATH."""
    wanted = os.environ.get("CHROMIUM")
    names = (wanted,) if wanted else BROWSERS
    for name in names:
        if found := shutil.which(name):
            return found
    raise MissingPart(
        f"No Chromium: none of {', '.join(names)} is on PATH.  On Debian or Ubuntu:"
        " `apt-get install chromium fonts-liberation`; elsewhere set CHROMIUM to its path."
    )
