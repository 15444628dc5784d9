"""Puts vectors together: names files, counts them, and checks what each vector says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct, structs

from edge.decision.trust import MANIFEST_TYPE
from tests.conformance.trust.publisher import (
    CHANNEL,
    LIVE,
    MANIFEST,
    ONLINE,
    OTHER,
    ROOT,
    TENANT,
    digest_of,
    manifest,
    path_of,
    raw_payload,
    signed_root,
)
from tests.conformance.trust.stories import File, Running, Served, Step, Vector, Vectors
from tests.support.signing import NOW_S, a_header, forge_compact, json_of

DRIP_MS = 50
RUN = re.compile(r"(.{4})\1{200,}", re.DOTALL)
"""What repeats itself this often is not written out."""


class Turn(Struct, frozen=True):
    """A step, with bytes where the vector has names of files."""

    serve: Mapping[str, bytes] = {}
    now_s: int = NOW_S
    runs: Running | None = None
    refused: str = ""
    unreachable: bool = False
    down: bool = False
    restart: bool = False
    kept: Mapping[str, bytes] = {}
    endless: Mapping[str, str] = {}
    drips: tuple[str, ...] = ()
    hangs: tuple[str, ...] = ()

    def also(self, serve: Mapping[str, bytes]) -> Turn:
        return structs.replace(self, serve={**self.serve, **serve})


def running(sequence: int, *bundles: bytes, epoch: int = 1) -> Running:
    names = tuple(digest_of(bundle) for bundle in bundles or (LIVE,))
    return Running(epoch=epoch, sequence=sequence, bundles=names)


class Maker:
    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.vectors: list[Vector] = []

    def accepts(
        self, attack: str, name: str, why: str, *turns: Turn, pinned: bytes = b"",
        unreachable_is_fine: bool = False,
    ) -> None:  # fmt: skip
        last = turns[-1]
        assert last.runs and not last.refused, name
        assert not last.unreachable or unreachable_is_fine, name
        self._add(attack, name, why, True, turns, pinned)

    def refuses(
        self, attack: str, name: str, why: str, code: str, *turns: Turn, pinned: bytes = b""
    ) -> None:
        """The last turn is refused with this code, or with none: then it was out of reach."""
        assert code or turns[-1].unreachable, name
        last = structs.replace(turns[-1], refused=code)
        self._add(attack, name, why, False, (*turns[:-1], last), pinned)

    def _add(
        self, attack: str, name: str, why: str, accepted: bool, turns: Any, pinned: bytes
    ) -> None:
        vector = Vector(
            id=f"{attack.replace(' ', '-')}.{name}",
            attack=attack,
            description=why,
            accepted=accepted,
            pinned=self.file(pinned or signed_root(ROOT)),
            steps=tuple(self._step(turn) for turn in turns),
        )
        assert vector.id not in {one.id for one in self.vectors}, vector.id
        self.vectors.append(vector)

    def _step(self, turn: Turn) -> Step:
        serve = {path: Served(file=self.file(data)) for path, data in turn.serve.items()}
        serve |= {path: Served(endless=text) for path, text in turn.endless.items()}
        serve |= {path: Served(hang=True) for path in turn.hangs}
        for path in turn.drips:
            serve[path] = structs.replace(serve[path], drip_ms=DRIP_MS)
        return Step(
            now_s=turn.now_s,
            serve=serve,
            down=turn.down,
            restart=turn.restart,
            kept={path: self.file(data) for path, data in turn.kept.items()},
            runs=turn.runs,
            refused=turn.refused,
            unreachable=turn.unreachable,
        )

    def file(self, data: bytes) -> str:
        """Its name: the beginning of its digest."""
        name = sha256(data).hexdigest()[:16]
        self.files[name] = file_of(data)
        assert self.files[name].data == data
        return name

    def finished(self) -> Vectors:
        files = dict(sorted(self.files.items()))
        return Vectors(
            tenant=TENANT, channel=CHANNEL, projection="edge", files=files,
            vectors=tuple(self.vectors),
        )  # fmt: skip


def file_of(data: bytes) -> File:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return File(base64=data)
    run = RUN.search(text)
    if run is None:
        return File(text=text)
    times = len(run[0]) // len(run[1])
    return File(text=text[: run.start()], repeat=run[1], times=times, end=text[run.end() :])


# --- what most stories have ---------------------------------------------------

KEEPS_7 = Turn({MANIFEST: manifest(), path_of(LIVE): LIVE}, runs=running(7))
"""How most stories begin: an honest policy runs."""


def offered(raw: bytes, **more: Any) -> Turn:
    return Turn({MANIFEST: raw, path_of(LIVE): LIVE, path_of(OTHER): OTHER}, **more)


def padded(size_bytes: int) -> bytes:
    """A good manifest of exactly this size, filled up with spaces."""
    said, header = raw_payload(sequence=8), json_of(a_header(ONLINE, MANIFEST_TYPE))
    missing = size_bytes - len(forge_compact(ONLINE, said, header))
    # Base64 has no text of every length: spaces in the header make up for that.
    for in_header in range(3):
        for spaces in range(missing * 3 // 4 - 8, missing * 3 // 4 + 1):
            spaced = header + b" " * in_header
            raw = forge_compact(ONLINE, said + b" " * spaces, spaced)
            if len(raw) == size_bytes:
                return raw
    raise AssertionError(f"no manifest has {size_bytes} bytes")
