"""What a trust vector is: a story of an edge and the stores that it asks, step by step.

Only msgspec is needed here, so that every Python that runs the vectors reads them alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class File(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes: `base64`; or `text`, then `repeat` for `times` times, then `end`."""

    base64: bytes = b""
    text: str = ""
    repeat: str = ""
    times: int = 0
    end: str = ""

    @property
    def data(self) -> bytes:
        return self.base64 or (self.text + self.repeat * self.times + self.end).encode()


class Served(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a store answers for a path.

    `file`: with this file.  `endless`: with this text, again and again.  `drip_ms`: with
    the file, a byte after each such pause.  `hang`: with nothing, for ever.
    """

    file: str = ""
    endless: str = ""
    drip_ms: int = 0
    hang: bool = False


class Running(Struct, frozen=True, kw_only=True):
    """The policy that runs; `bundles` are SHA-256, in the manifest's order."""

    epoch: int
    sequence: int
    bundles: tuple[str, ...]


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One look for a newer policy, and what is true after it.

    `now_s`: the edge's clock.  `serve`: what the store has, by path; all else is a 404.
    `down`: nothing can be reached.  `restart`: the edge starts anew, with what it kept.
    `kept`: somebody wrote this into what it keeps, by path.

    `runs`: the policy that runs, None without any.  `refused`: the code of what is refused
    just now, "" while nothing is.  `unreachable`: whether something could not be had.
    """

    now_s: int
    serve: Mapping[str, Served] = {}
    down: bool = False
    restart: bool = False
    kept: Mapping[str, str] = {}
    runs: Running | None = None
    refused: str = ""
    unreachable: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a step, in its own words."""

    runs: Running | None
    refused: str
    unreachable: bool


class Vector(Struct, frozen=True, kw_only=True):
    """`attack` is a heading of the README; `accepted`: whether the last step believes all
    that it was offered."""

    id: str
    attack: str
    description: str
    accepted: bool
    pinned: str
    steps: tuple[Step, ...]


class Vectors(Struct, frozen=True, kw_only=True):
    """All vectors are about one edge: this tenant, channel and projection."""

    tenant: str
    channel: str
    projection: str
    files: Mapping[str, File]
    vectors: tuple[Vector, ...]


def expected(step: Step) -> Outcome:
    return Outcome(runs=step.runs, refused=step.refused, unreachable=step.unreachable)
