"""The compiler's pipeline: a folder of YAML in, the bytes of a bundle out.

    read_catalog   files -> objects with their places         source.py
    check_rules    CEL -> checked rule trees                  rules.py
    check_catalog  what must hold between objects             check.py
    weigh          what learning found, over the priors       weigh.py
    project        the browser's part, if that is wanted      projecting.py
    plan_of        order, cells, clauses                      plan.py, lower.py
    prove          what holds for every visitor and cart      proving.py
    emit           tables -> bytes                            emit.py
    ask            whether self-tests can be asked            selftests.py

Every stage is a pure function; every stage before the plan reports all it finds.
The result has been opened again by the edge's own reader before anyone sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from policy_compiler.cache import Cache
from policy_compiler.catalog import Catalog
from policy_compiler.check import check_catalog
from policy_compiler.diagnostics import CatalogRefused, Diagnostic, Place, errors_of, in_order, make
from policy_compiler.emit import emit
from policy_compiler.lower import RuleTooWide
from policy_compiler.plan import OfferTooWide, Plan, Tiers, plan_of
from policy_compiler.progress import SILENT, Progress
from policy_compiler.projecting import LeftOut, project
from policy_compiler.proving import prove, prove_bounds, prove_target
from policy_compiler.rules import CheckedRules, check_rules
from policy_compiler.selftests import objections
from policy_compiler.slicing import cut, pages_of
from policy_compiler.source import Source, read_catalog
from policy_compiler.weigh import Weights, weigh
from policy_compiler.widths import told

PROJECTIONS = {"edge": t.EDGE_PROJECTION, "browser": t.BROWSER_PROJECTION}


class Compiled(Struct, frozen=True, kw_only=True):
    """A bundle and what the compiler has to say about it (warnings and notes)."""

    data: bytes
    bundle: Bundle
    plan: Plan
    diagnostics: tuple[Diagnostic, ...]

    @property
    def digest(self) -> str:
        """The bundle's name: SHA-256 in hexadecimal."""
        return self.bundle.digest.hex()


def compile_catalog(
    folder: Path,
    *,
    weights: Weights | None = None,
    projection: str = "edge",
    slice: str | None = None,
    cache: Cache | None = None,
    progress: Progress = SILENT,
) -> Compiled:
    """Compile a catalog's folder.  Raises `CatalogRefused` with every diagnostic.

    `cache` spares reading and checking what an earlier compile has seen (`cache.py`).
    """
    source = read_catalog(folder, cache=cache, progress=progress)
    return compile_source(
        source,
        weights=weights,
        projection=projection,
        slice=slice,
        cache=cache,
        progress=progress,
    )


def compile_slices(folder: Path, *, weights: Weights | None = None) -> dict[str, Compiled]:
    """The browser's bundle of every page, by slice.  Raises `CatalogRefused`."""
    source = read_catalog(folder)
    placements = source.catalog.placements if source.catalog else {}
    names = [page.name for page in pages_of(placements)] or [None]
    compiled = {
        name: compile_source(source, weights=weights, projection="browser", slice=name)
        for name in names
    }
    return {name: each for name, each in compiled.items() if name is not None}


def compile_source(
    source: Source,
    *,
    weights: Weights | None = None,
    projection: str = "edge",
    slice: str | None = None,
    cache: Cache | None = None,
    progress: Progress = SILENT,
) -> Compiled:
    """The same, for files that were read already.

    `slice` names a part of the browser's projection (`slicing.py`); without one it holds
    all pages.  Raises `UnknownSlice`.
    """
    rules = check_rules(source, cache=cache, progress=progress)
    if cache is not None:
        cache.save()
    progress.stage("checking")
    found = [*source.diagnostics, *rules.diagnostics, *check_catalog(source, rules)]
    if source.catalog is None or errors_of(found):
        raise CatalogRefused(found)
    catalog = weigh(source.catalog, weights or Weights()).catalog
    tiers = {
        offer: Tiers(rule.eligible, rule.applicable, rule.suitable)
        for offer, rule in rules.offers.items()
    }
    if projection == "browser":
        projected = project(catalog if slice is None else cut(catalog, slice), tiers, rules.derived)
        catalog, tiers = projected.catalog, projected.tiers
        found += [_edge_only(source, out) for out in projected.left_out]
    progress.stage("lowering")
    plan = _plan(source, catalog, rules, tiers, found)
    progress.stage("proving")
    found += prove_bounds(source, plan)
    if errors_of(found):
        raise CatalogRefused(found)
    found += prove(source, plan)
    progress.stage("emitting")
    data, bundle = _emit(source, plan, PROJECTIONS[projection], found)
    found += prove_target(source, bundle, data, projection)
    found += [
        make("P328", Place(*source.position(each.path)), each.path, each.told, help=each.help)
        for each in objections(bundle)
    ]
    if errors_of(found):
        raise CatalogRefused(found)
    return Compiled(data=data, bundle=bundle, plan=plan, diagnostics=tuple(in_order(found)))


def _plan(
    source: Source,
    catalog: Catalog,
    rules: CheckedRules,
    tiers: Mapping[str, Tiers],
    found: list[Diagnostic],
) -> Plan:
    try:
        return plan_of(catalog, rules.derived, tiers)
    except OfferTooWide as error:
        too_wide = [_too_wide(source, each, tiers[each], why) for each, why in error.all.items()]
        raise CatalogRefused([*found, *too_wide]) from error


def _too_wide(source: Source, offer: str, tiers: Tiers, error: RuleTooWide) -> Diagnostic:
    width = told(offer, tiers, error)
    spoken = "" if width.tier == "daypart" else width.tier
    place, path = _place(source, offer, spoken)
    if spoken:
        place = source.position_in(path, width.start)
    return make("P401", place, path, width.message, help=width.help)


def _emit(
    source: Source, plan: Plan, projection: int, found: list[Diagnostic]
) -> tuple[bytes, Bundle]:
    try:
        data = emit(plan, projection)
        return data, open_bundle(data)
    except (BundleError, ValueError) as error:
        place = Place(*source.position("shop"))
        raise CatalogRefused([*found, make("P403", place, "shop", str(error))]) from error


def _edge_only(source: Source, out: LeftOut) -> Diagnostic:
    if out.kind == "offer":
        place, path = _place(source, out.name)
    else:
        path = f"placements.{out.name}"
        place = Place(*source.position(path))
    return make("P501", place, path, f"`{out.name}` is edge-only: {out.why}.")


def _place(source: Source, offer: str, field: str = "") -> tuple[Place, str]:
    offers = source.catalog.offers if source.catalog else []
    index = next((i for i, known in enumerate(offers) if known.id == offer), 0)
    path = f"offers[{index}]" + (f".{field}" if field else "")
    return Place(*source.position(path)), path
