"""Writes what is generated here: bundles, index and vectors.

    python -m tests.conformance.generate

A vector is a case without its meaning: the bytes that go in and come out, for
implementations that only want to compare.  README.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec
from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.request_json import encode_request
from tests.conformance.building import (
    committed,
    compiled,
    manifest_bytes,
    policy_names,
    request_bytes,
)
from tests.conformance.cases import HERE, POLICIES, Case, Theme, index, themes


class Vector(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    policy: str
    manifest: str
    request: str | None = None
    request_hex: str | None = None
    error: str | None = None
    encoded: str | None = None
    unknown_attributes: tuple[str, ...] = ()
    unknown_placements: tuple[str, ...] = ()
    verdict: str | None = None


class BundleFile(Struct, frozen=True, kw_only=True):
    file: str
    sha256: str
    size_bytes: int


class Vectors(Struct, frozen=True, kw_only=True):
    format: int
    policies: dict[str, BundleFile]
    vectors: list[Vector]


def vector_of(theme: Theme, case: Case) -> Vector:
    """What this implementation makes of a case's inputs."""
    text, manifest = request_bytes(theme, case), manifest_bytes(theme, case)
    bare = Vector(id=f"{theme.theme}/{case.id}", policy=theme.policy, manifest=manifest.hex())
    try:
        given = msgspec.structs.replace(bare, request=text.decode())
    except UnicodeDecodeError:
        given = msgspec.structs.replace(bare, request_hex=text.hex())
    return answered(given, committed(theme.policy), manifest, text)


def answered(given: Vector, bundle: Bundle, manifest: bytes, text: bytes) -> Vector:
    try:
        encoded = encode_request(bundle, text)
    except RequestError as error:
        return msgspec.structs.replace(given, error=error.code)
    return msgspec.structs.replace(
        given,
        encoded=encoded.data.hex(),
        unknown_attributes=encoded.unknown_attributes,
        unknown_placements=encoded.unknown_placements,
        verdict=decide(bundle, manifest, encoded.data).hex(),
    )


def all_vectors() -> Iterator[Vector]:
    for theme in themes():
        for case in theme.cases:
            yield vector_of(theme, case)


def vectors() -> Vectors:
    files = {name: _file(name) for name in policy_names()}
    return Vectors(format=0, policies=files, vectors=list(all_vectors()))


def _file(policy: str) -> BundleFile:
    data = (POLICIES / f"{policy}.bundle").read_bytes()
    digest = sha256(data).hexdigest()
    return BundleFile(file=f"policies/{policy}.bundle", sha256=digest, size_bytes=len(data))


def as_text(value: object) -> bytes:
    """JSON, a vector or theme per line, so that changes are readable."""
    plain = msgspec.to_builtins(value)
    lists = {name: each for name, each in plain.items() if isinstance(each, list)}
    head = {name: each for name, each in plain.items() if name not in lists}
    lines = [f'"{name}": {_json(each)}' for name, each in head.items()]
    for name, each in lists.items():
        items = ",\n    ".join(map(_json, each))
        lines.append(f'"{name}": [\n    {items}\n  ]')
    return ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def main() -> None:
    for name in policy_names():
        (POLICIES / f"{name}.bundle").write_bytes(compiled(name))
    (HERE / "index.json").write_bytes(as_text(index()))
    (HERE / "vectors.json").write_bytes(as_text(vectors()))


if __name__ == "__main__":
    main()
