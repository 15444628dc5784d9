"""The policy that a command decides with: from a catalog, a bundle, or what was published.

    catalog folder            compiled on the spot
    bundle file               opened
    data folder of a control  its signed manifest, checked as an edge checks it, and
    plane, or an object store the bundles that it names

Without a signed manifest a policy is *unsigned*: it is as fresh as can be, nothing is
paused, and records name an all-zero manifest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from control_plane.cli.checks import FolderStore, require, store_of, verify_store
from control_plane.cli.terminal import Refused, Unusable
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from edge.decision.manifest import ManifestBlock, unpack_manifest
from edge.decision.trust import Trusted
from policy_compiler.cache import Cache
from policy_compiler.catalog import Catalog
from policy_compiler.compiling import Compiled, compile_source
from policy_compiler.diagnostics import CatalogRefused, render_all
from policy_compiler.progress import SILENT, Progress
from policy_compiler.selftests import failures
from policy_compiler.slicing import UnknownSlice
from policy_compiler.source import read_catalog
from policy_compiler.weigh import Weights

HOUR_S, DAY_S = 3_600, 86_400
UNSIGNED = bytes(32)


class Policy(Struct, frozen=True, kw_only=True):
    """Something to decide with; `trusted` is None for an unsigned one, `catalog` for one
    that was not compiled on the spot."""

    origin: str
    bundle: Bundle
    catalog: Catalog | None = None
    trusted: Trusted | None = None

    def bundle_for(self, unit: str) -> Bundle:
        return self.bundle if self.trusted is None else self.trusted.bundle_for(unit)

    def block_at(self, now_s: int) -> ManifestBlock:
        """What a decision at that time is taken under."""
        return unsigned(now_s) if self.trusted is None else unpack_manifest(self.trusted.block)


def unsigned(now_s: int) -> ManifestBlock:
    """Issued in this very hour: a policy that was just published."""
    issued_s = now_s - now_s % HOUR_S
    return ManifestBlock(digest=UNSIGNED, issued_s=issued_s, expires_s=issued_s + DAY_S)


def load_policy(source: Path) -> Policy:
    """Raises `Refused` with everything that is wrong, `Unusable` if nothing is there."""
    if not source.exists():
        raise Unusable(f"{source} does not exist.", "Name a catalog folder or a bundle file.")
    if source.is_file() and source.suffix not in (".yaml", ".yml"):
        return Policy(origin="bundle", bundle=load_bundle(source))
    store = store_of(source)
    if store is not None:
        return _published(source, store)
    compiled = compile_folder(source)
    return Policy(origin="catalog", bundle=compiled.bundle, catalog=compiled.plan.catalog)


def load_bundle(file: Path) -> Bundle:
    try:
        return open_bundle(file.read_bytes())
    except BundleError as error:
        raise Refused(
            f"{file} is no bundle that this version reads: {error.code}, {error.detail}.",
            "Compile its catalog again with `proffer compile`.",
        ) from None
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}.", "Check the path.") from None


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Refuse a bundle whose notes, which deciding never reads, turn out to be damaged."""
    try:
        yield
    except BundleError as error:
        raise Refused(
            f"{what} decides, but cannot be explained: {error.code}, {error.detail}.",
            "Its notes are damaged; compile its catalog again with `proffer compile`.",
        ) from None


def compile_folder(
    folder: Path,
    projection: str = "edge",
    slice: str | None = None,
    *,
    weights: Weights | None = None,
    cache: Cache | None = None,
    progress: Progress = SILENT,
) -> Compiled:
    """Raises `Refused` with diagnostics and their excerpts, `Unusable` for an unknown slice."""
    source = read_catalog(folder, cache=cache, progress=progress)
    try:
        return compile_source(
            source,
            weights=weights,
            projection=projection,
            slice=slice,
            cache=cache,
            progress=progress,
        )
    except UnknownSlice as unknown:
        raise Unusable(
            f"{folder}: {unknown}.", "Slices are the pages that placements name, and `site`."
        ) from None
    except CatalogRefused as refused:
        raise Refused(
            f"{folder} was not compiled: {str(refused).split(';')[0]}.",
            "Correct what is listed; nothing was written.",
            diagnostics=refused.diagnostics,
            shown=render_all(refused.diagnostics, source.texts),
        ) from None


def require_tests(bundle: Bundle, what: str) -> None:
    """Ask the policy's own tests, now unless they say when.  Raises `Refused` with what failed."""
    failed = list(failures(bundle, int(time.time())))
    if failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise Refused(
            f"{what} does not pass its own tests: {failed[0].told}{more}.",
            failed[0].help,
            shown="\n".join(f"{each.path}: {each.told}" for each in failed),
        )


def _published(folder: Path, store: FolderStore) -> Policy:
    trusted = require(verify_store(store, now_s=int(time.time())), str(folder))
    newest = trusted.manifest.releases[0].bundle
    return Policy(origin="published", bundle=trusted.bundles[newest], trusted=trusted)
