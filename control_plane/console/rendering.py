"""Templates, and the messages above a page."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from control_plane.console.texts import FILTERS
from control_plane.errors import PROBLEMS, Refused

templates = Environment(
    loader=PackageLoader("control_plane.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(FILTERS)


class Notice(Struct, frozen=True, kw_only=True):
    """A message above the page; `problems` are the compiler's findings, as text."""

    kind: str
    title: str
    detail: str = ""
    help: str = ""
    problems: list[str] = []


def notice_of(refused: Refused) -> Notice:
    title = f"{PROBLEMS[refused.name].title}."
    return Notice(kind="refused", title=title, detail=refused.detail, help=refused.help)
