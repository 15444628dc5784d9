"""Pages and slices: which placements can stand on one page.

A placement names the `pages` that it may stand on; one that names none may stand on any.
A *slice* is the part of the browser's policy that one page loads: all placements that may
stand on it.  There is a slice per named page and, for pages that no placement names, the
slice `site` with the placements that stand everywhere.  Placements that are no place on a
page (e-mail) are in no slice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from policy_compiler.catalog import Catalog, Placement

SITE = "site"


class Page(Struct, frozen=True):
    """A page by name, and its placements ascending."""

    name: str
    placements: tuple[str, ...]

    @property
    def told(self) -> str:
        return "a page" if self.name == SITE else f"the page `{self.name}`"


def pages_of(placements: Mapping[str, Placement]) -> list[Page]:
    """Every page that placements may share, ascending by name; `site` first."""
    seats = {n: p for n, p in placements.items() if p.channel == "page"}
    names = sorted({page for placement in seats.values() for page in placement.pages} - {SITE})
    everywhere = tuple(sorted(n for n, p in seats.items() if not p.pages or SITE in p.pages))
    first = [Page(SITE, everywhere)] if everywhere else []
    return first + [Page(name, _on(seats, name)) for name in names]


def _on(placements: Mapping[str, Placement], page: str) -> tuple[str, ...]:
    return tuple(sorted(n for n, p in placements.items() if not p.pages or page in p.pages))


class UnknownSlice(ValueError):
    """There is no such slice; the text names those there are."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no slice {name!r}; there is: {', '.join(known) or 'none'}")


def cut(catalog: Catalog, name: str) -> Catalog:
    """The catalog with the placements of one slice only.  Raises `UnknownSlice`."""
    pages = {page.name: page for page in pages_of(catalog.placements)}
    if name not in pages:
        raise UnknownSlice(name, list(pages))
    kept = pages[name].placements
    placements = {n: p for n, p in catalog.placements.items() if n in kept}
    return msgspec.structs.replace(catalog, placements=placements)
