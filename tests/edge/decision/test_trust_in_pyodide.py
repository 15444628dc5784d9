"""The same files get the same answer in Pyodide, where trust must hold as well.

There is no Ed25519 in Pyodide's Python (a worker lends WebCrypto): the verifier there
answers with what the real one said here.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

import msgspec

from edge.decision.errors import TrustError
from edge.decision.jws import SIZE_LIMIT_BYTES
from edge.decision.manifest import pack_manifest
from edge.decision.trust import accept_manifest, manifest_block
from edge.local_crypto import verify_ed25519
from tests.support.pyodide import Pyodide
from tests.support.signing import (
    HOUR_S,
    NOW_S,
    a_manifest,
    a_payload,
    a_root,
    changed,
    floor_after,
    forge_compact,
    json_of,
    keys,
    stranger,
)

ONLINE = keys().online
PAYLOAD = json_of(a_payload())
SEEN = a_manifest(sequence=7)
FILES = {
    "the manifest that set the floor": SEEN,
    "a newer one": a_manifest(sequence=8, multipliers={"spring": 1 << 24}),
    "too large": b"A" * (SIZE_LIMIT_BYTES + 1),
    "cut off": SEEN[:-1],
    "no algorithm": forge_compact(ONLINE, alg="none"),
    "a strange key": forge_compact(stranger()),
    "a wrong signature": forge_compact(stranger(), kid=ONLINE.kid),
    "a field twice": forge_compact(ONLINE, PAYLOAD[:-1] + b',"sequence":9}'),
    "a fraction": forge_compact(ONLINE, PAYLOAD.replace(b'"sequence":7', b'"sequence":7.0')),
    "half a character": forge_compact(ONLINE, PAYLOAD.replace(b"autumn", b"\\ud800")),
    "deeply nested": forge_compact(ONLINE, b"[" * 40_000),
    "another tenant": forge_compact(ONLINE, changed(PAYLOAD, tenant="rival")),
    "another channel": a_manifest(channel="staging"),
    "from the future": a_manifest(issued_s=NOW_S + HOUR_S),
    "expired": a_manifest(issued_s=1, expires_s=2),
    "rolled back": a_manifest(sequence=6),
    "forked": a_manifest(sequence=7, ramp="winter"),
}

THERE = """
import hashlib, msgspec
from edge.decision.claims import Root
from edge.decision.errors import TrustError
from edge.decision.manifest import pack_manifest
from edge.decision.trust import Floor, accept_manifest, manifest_block

def main(payload):
    files, known, floor, root, now_s = msgspec.msgpack.decode(payload)
    root, floor, known = msgspec.json.decode(root, type=Root), Floor(*floor), set(known)
    async def verify(key_x, message, signature):
        return hashlib.sha256(key_x + message + signature).digest() in known
    def answer(raw):
        try:
            accept_manifest(
                root, floor, raw, verify, now_s, "shop", "production", "edge"
            ).send(None)
        except TrustError as error:
            return error.code
        except StopIteration as done:
            return pack_manifest(manifest_block(done.value)).hex()
    return msgspec.json.encode([answer(raw) for raw in files])
"""


def test_every_file_gets_the_same_answer_there_as_here(pyodide: Pyodide) -> None:
    root, floor = a_root(), floor_after(SEEN)
    valid: list[bytes] = []

    async def verify(key_x: bytes, message: bytes, signature: bytes) -> bool:
        said = await verify_ed25519(key_x, message, signature)
        if said:
            valid.append(sha256(key_x + message + signature).digest())
        return said

    def answer(raw: bytes) -> str:
        try:
            manifest = asyncio.run(
                accept_manifest(root, floor, raw, verify, NOW_S, "shop", "production", "edge")
            )
        except TrustError as error:
            return error.code
        return pack_manifest(manifest_block(manifest)).hex()

    here = {name: answer(raw) for name, raw in FILES.items()}
    lent = (list(FILES.values()), valid, msgspec.structs.astuple(floor), json_of(root), NOW_S)
    there = msgspec.json.decode(pyodide.run(THERE, msgspec.msgpack.encode(lent)))
    assert dict(zip(FILES, there, strict=True)) == here
    assert set(TrustError.CODES) - {"THRESHOLD", "DIGEST", "BUNDLE"} < set(here.values())
