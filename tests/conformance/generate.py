"""Writes what is generated here: bundles, index, vectors and the 10,000 made-up cases.

    python -m tests.conformance.generate

The bundles of a new version of the format are stored beside those of older ones, once:
what is stored stays as it is, and must be read and decided by for ever.

A vector is a case without its meaning: the bytes that go in and come out, for
implementations that only want to compare.  README.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.decision.beacon import decision_id, unpack_verdict
from edge.decision.bundle import FORMAT, Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import unpack_manifest
from edge.decision.request_json import encode_request
from tests.conformance.building import (
    committed,
    compiled,
    manifest_bytes,
    policy_names,
    request_bytes,
)
from tests.conformance.cases import HERE, POLICIES, Case, Theme, index, themes
from tests.conformance.generated import FILE, REFUSED, Generated, Question, write_generated
from tests.conformance.made_up import made_up

STORED = HERE / "stored"


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
    ids: tuple[str, ...] = ()


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
    verdict = decide(bundle, manifest, encoded.data)
    return msgspec.structs.replace(
        given,
        encoded=encoded.data.hex(),
        unknown_attributes=encoded.unknown_attributes,
        unknown_placements=encoded.unknown_placements,
        verdict=verdict.hex(),
        ids=tuple(_ids(bundle, manifest, encoded.data, verdict)),
    )


def _ids(bundle: Bundle, manifest: bytes, encoded: bytes, verdict: bytes) -> Iterator[str]:
    digest = unpack_manifest(manifest).digest
    for row in unpack_verdict(verdict):
        yield decision_id(bundle.digest, digest, encoded, row.placement, row.slot).hex()


def all_vectors() -> Iterator[Vector]:
    for theme in themes():
        for case in theme.cases:
            yield vector_of(theme, case)


def vectors() -> Vectors:
    files = {name: _file(name) for name in policy_names()}
    return Vectors(format=FORMAT, policies=files, vectors=list(all_vectors()))


def _file(policy: str) -> BundleFile:
    data = (POLICIES / f"{policy}.bundle").read_bytes()
    digest = sha256(data).hexdigest()
    return BundleFile(file=f"policies/{policy}.bundle", sha256=digest, size_bytes=len(data))


def answers(all_of_it: Generated) -> tuple[bytes, ...]:
    """This implementation's verdicts on all questions."""
    opened = [open_bundle(data) for data in all_of_it.bundles]
    return tuple(
        answer(opened[each.bundle], all_of_it.manifests[each.manifest], each.request)
        for each in all_of_it.questions
    )


def answer(bundle: Bundle, manifest: bytes, request: bytes) -> bytes:
    try:
        return decide(bundle, manifest, request)
    except RequestError:
        return REFUSED


def stored_file(version: int) -> Path:
    return STORED / f"format-{version >> 8}.{version & 255}.bin.gz"


def to_store() -> Generated:
    """The policies of the cases, each case with a manifest block of its own."""
    names = policy_names()
    told = [vector for vector in all_vectors() if vector.encoded and vector.verdict]
    return Generated(
        bundles=tuple((POLICIES / f"{name}.bundle").read_bytes() for name in names),
        manifests=tuple(bytes.fromhex(each.manifest) for each in told),
        questions=tuple(
            Question(names.index(each.policy), row, bytes.fromhex(each.encoded or ""))
            for row, each in enumerate(told)
        ),
        verdicts=tuple(bytes.fromhex(each.verdict or "") for each in told),
    )


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
    asked = made_up()
    write_generated(FILE, msgspec.structs.replace(asked, verdicts=answers(asked)))
    if not stored_file(FORMAT).is_file():
        STORED.mkdir(exist_ok=True)
        write_generated(stored_file(FORMAT), to_store())


if __name__ == "__main__":
    main()
