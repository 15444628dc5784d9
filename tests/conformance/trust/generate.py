"""Writes `vectors.json`: `python -m tests.conformance.trust.generate`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.conformance.trust.attacks import write
from tests.conformance.trust.making import Maker
from tests.conformance.trust.stories import Vectors

FILE = Path(__file__).with_name("vectors.json")


def made() -> Vectors:
    maker = Maker()
    write(maker)
    return maker.finished()


def as_bytes(vectors: Vectors) -> bytes:
    """JSON with one file and one vector per line."""
    fields = {name: getattr(vectors, name) for name in ("tenant", "channel", "projection")}
    files = ",\n".join(
        f"{_json(name)}: {_json(file)}" for name, file in sorted(vectors.files.items())
    )
    stories = ",\n".join(_json(vector) for vector in vectors.vectors)
    head = _json(fields)[:-1]
    return f'{head},\n"files": {{\n{files}\n}},\n"vectors": [\n{stories}\n]}}\n'.encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def stored() -> Vectors:
    return msgspec.json.decode(FILE.read_bytes(), type=Vectors)


if __name__ == "__main__":
    FILE.write_bytes(as_bytes(made()))
    print(f"{FILE.name}: {len(made().vectors)} vectors, {FILE.stat().st_size} bytes")
