"""The vectors, written by hand: what is served, and what must become of it.

The headings are the attacks that The Update Framework lists, and those on the form of
signed files.  `generate.py` writes them out as bytes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from edge.decision.claims import Paused
from edge.decision.hashing import T
from edge.decision.jws import SIZE_LIMIT_BYTES, to_base64url
from edge.decision.trust import MANIFEST_TYPE, ROOT_TYPE
from tests.conformance.trust import attacks_in_time
from tests.conformance.trust.making import KEEPS_7, Maker, Turn, offered, padded, running
from tests.conformance.trust.publisher import (
    LIVE,
    MANIFEST,
    ONLINE,
    ONLINE_2,
    OTHER,
    ROOT,
    ROOT_2,
    STRANGER,
    keys_of,
    manifest,
    path_of,
    raw_payload,
    release,
    second_root,
    signed_root,
)
from tests.support import bundles
from tests.support.signing import (
    HOUR_S,
    NOW_S,
    a_header,
    changed,
    forge_compact,
    json_of,
)

PAYLOAD = raw_payload()
HONEST = manifest()


def write(maker: Maker) -> None:
    for part in (
        honest, replayed, frozen, forged_form, forged_header, forged_keys, misplaced,
        senseless, mixed,
    ):  # fmt: skip
        part(maker)
    attacks_in_time.write(maker)


# --- accepted -----------------------------------------------------------------


def honest(maker: Maker) -> None:
    def accepted(name: str, why: str, raw: bytes, runs: Any, **more: Any) -> None:
        maker.accepts("none", name, why, KEEPS_7, offered(raw, runs=runs, **more))

    maker.accepts("none", "first", "The first policy of a new edge is believed.", KEEPS_7)
    accepted("next", "The next sequence number is believed.", manifest(sequence=8), running(8))
    accepted("again", "The very same bytes are no news, and no fault.", HONEST, running(7))
    accepted(
        "leap", "Sequence numbers may be left out.", manifest(sequence=(1 << 53) - 1),
        running((1 << 53) - 1),
    )  # fmt: skip
    accepted(
        "old-content", "A business rollback is a new sequence with old content.",
        manifest(sequence=9, releases=(release(OTHER),)), running(9, OTHER),
    )  # fmt: skip
    shares = (release(OTHER, share=T // 4), release(LIVE, share=T - T // 4))
    accepted(
        "canary", "Two releases share the units.", manifest(sequence=8, releases=shares),
        running(8, OTHER, LIVE),
    )  # fmt: skip
    paused = Paused(all=True, offers=("a", "b"), rungs=("a/p5",), placements=("home",))
    accepted(
        "kill-switch", "Pauses and multipliers may be as many as there are.",
        manifest(sequence=8, paused=paused, multipliers={"spring": 1 << 24, "ü": 1}), running(8),
    )  # fmt: skip
    accepted(
        "ahead", "A publisher's clock may be 60 s ahead.",
        manifest(sequence=8, issued_s=NOW_S + 60), running(8),
    )  # fmt: skip
    accepted(
        "just-over", "A manifest is believed until 60 s after its end.",
        manifest(sequence=8, issued_s=NOW_S - HOUR_S, expires_s=NOW_S - 59), running(8),
    )  # fmt: skip
    spaced = PAYLOAD.replace(b'"sequence":7', b'"sequence" : 8 ').replace(b",", b",\n  ")
    accepted(
        "spaces", "Space between the words of JSON means nothing.", forge_compact(ONLINE, spaced),
        running(8),
    )  # fmt: skip
    header = json_of({"kid": ONLINE.kid, "typ": MANIFEST_TYPE, "alg": "Ed25519"})
    accepted(
        "header-order", "A header's fields may stand in any order.",
        forge_compact(ONLINE, raw_payload(sequence=8), header), running(8),
    )  # fmt: skip
    escaped = raw_payload(sequence=8).replace(b'"autumn"', b'"\\u0061utumn"')
    accepted("escapes", "Text may be escaped.", forge_compact(ONLINE, escaped), running(8))
    short = changed(raw_payload(sequence=8), paused=None, multipliers=None)
    accepted(
        "short", "What has a default may be left out.", forge_compact(ONLINE, short), running(8)
    )
    accepted("to-the-byte", "64 KiB are read.", padded(SIZE_LIMIT_BYTES), running(8))


# --- rollback, fast-forward, freeze -------------------------------------------


def replayed(maker: Maker) -> None:
    def refused(name: str, why: str, raw: bytes, code: str, attack: str = "rollback") -> None:
        maker.refuses(attack, name, why, code, KEEPS_7, offered(raw, runs=running(7)))

    refused("older", "An older sequence is a rollback.", manifest(sequence=6), "ROLLBACK")
    refused(
        "fork", "One number for two manifests: somebody else signs too.",
        manifest(ramp="winter"), "FORK", "fork",
    )  # fmt: skip
    refused(
        "fork-spelling", "Equal content in other bytes is a fork as well.",
        forge_compact(ONLINE, PAYLOAD.replace(b",", b", ")), "FORK", "fork",
    )  # fmt: skip
    refused(
        "epoch-back", "An epoch below the root's does not come back.",
        manifest(epoch=0, sequence=99), "ROLLBACK",
    )  # fmt: skip
    refused(
        "epoch-ahead", "Only a root opens an epoch: a stolen online key cannot spend the future.",
        manifest(epoch=2, sequence=0), "ROLLBACK", "fast-forward",
    )  # fmt: skip
    spent = offered(manifest(sequence=(1 << 53) - 1), runs=running((1 << 53) - 1))
    fresh = second_root(epoch=2, **keys_of([ROOT_2], [ONLINE_2]))
    recovered = offered(manifest(ONLINE_2, epoch=2, sequence=0), runs=running(0, epoch=2)).also(
        {"keys/root.2.jws": fresh}
    )
    maker.accepts(
        "fast-forward", "recovered",
        "After a thief spent all sequence numbers, a root with a new epoch begins anew.",
        KEEPS_7, spent, recovered,
    )  # fmt: skip
    thief = offered(manifest(sequence=(1 << 53) - 1, ramp="winter"), runs=running(0, epoch=2)).also(
        {"keys/root.2.jws": fresh}
    )
    maker.refuses(
        "fast-forward", "thief-again", "The removed key signs nothing any more.", "UNKNOWN_KEY",
        KEEPS_7, spent, recovered, thief,
    )  # fmt: skip
    maker.refuses(
        "rollback", "after-restart", "A restart does not forget the floor.", "ROLLBACK",
        KEEPS_7, offered(manifest(sequence=8), runs=running(8)),
        offered(HONEST, runs=running(8), restart=True),
    )  # fmt: skip


def frozen(maker: Maker) -> None:
    late = NOW_S + 23 * HOUR_S + 60
    maker.refuses(
        "indefinite freeze", "expired", "A store that goes on serving the same ends by itself.",
        "EXPIRED", Turn(offered(manifest(sequence=8)).serve, now_s=late, runs=None),
    )  # fmt: skip
    maker.refuses(
        "indefinite freeze", "future", "What was issued in the future is not believed yet.",
        "NOT_YET_VALID", KEEPS_7,
        offered(manifest(sequence=8, issued_s=NOW_S + 61), runs=running(7)),
    )  # fmt: skip
    root = signed_root(ROOT, expires_s=NOW_S)
    maker.refuses(
        "indefinite freeze", "expired-root", "Under an expired root no manifest is believed.",
        "EXPIRED", offered(HONEST, now_s=NOW_S + 60), pinned=root,
    )  # fmt: skip
    maker.accepts(
        "none", "root-at-its-end", "A root counts until 60 s after its end.",
        offered(HONEST, now_s=NOW_S + 59, runs=running(7)), pinned=root,
    )  # fmt: skip


# --- the form of a file -------------------------------------------------------

SPELLINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "empty": ("Nothing is no manifest.", lambda raw: b""),
    "cut": ("A file that was cut off.", lambda raw: raw[: len(raw) // 2]),
    "line-break": ("A line break at the end.", lambda raw: raw + b"\n"),
    "padding": ("Base64 with padding.", lambda raw: raw + b"=="),
    "inner-space": ("A space inside.", lambda raw: raw[:20] + b" " + raw[20:]),
    "no-ascii": ("A byte that is no ASCII.", lambda raw: raw[:20] + b"\xff" + raw[21:]),
    "two-parts": ("The signature is stripped, with its dot.", lambda raw: raw.rpartition(b".")[0]),
    "four-parts": ("A part too many.", lambda raw: raw + b"."),
    "other-alphabet": (
        "The other base64 alphabet.", lambda raw: raw.rpartition(b".")[0] + b"." + b"+/" * 43
    ),
    "stray-bits": ("Stray bits after the signature.", lambda raw: raw[:-1] + bytes([raw[-1] + 1])),
    "html": ("A captive portal's page.", lambda raw: b"<html>Please log in.</html>"),
}  # fmt: skip


def forged_form(maker: Maker) -> None:
    raw = manifest(sequence=8)
    for name, (why, spell) in SPELLINGS.items():
        maker.refuses(
            "another spelling", name, why, "MALFORMED", KEEPS_7,
            offered(spell(raw), runs=running(7)),
        )  # fmt: skip
    stripped = raw.rpartition(b".")[0] + b"."
    maker.refuses(
        "stripped signature", "emptied", "The signature is stripped, its dot left.", "SIGNATURE",
        KEEPS_7, offered(stripped, runs=running(7)),
    )  # fmt: skip
    maker.refuses(
        "stripped signature", "zeros", "A signature of zeros.", "SIGNATURE", KEEPS_7,
        offered(stripped + to_base64url(bytes(64)), runs=running(7)),
    )  # fmt: skip
    maker.refuses(
        "stripped signature", "short", "A signature of 63 bytes.", "SIGNATURE", KEEPS_7,
        offered(stripped + to_base64url(bytes(63)), runs=running(7)),
    )  # fmt: skip
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 1
    maker.refuses(
        "arbitrary software", "changed", "A bit of the payload was flipped.", "SIGNATURE", KEEPS_7,
        offered(bytes(flipped), runs=running(7)),
    )  # fmt: skip
    other = HONEST.rpartition(b".")[2]
    maker.refuses(
        "arbitrary software", "borrowed", "The signature of another manifest.", "SIGNATURE",
        KEEPS_7, offered(stripped + other, runs=running(7)),
    )  # fmt: skip


HEADERS: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "alg-none": ("wrong algorithm", "No algorithm at all.", {"alg": "none"}),
    "alg-eddsa": ("wrong algorithm", "The older name also covers other curves.", {"alg": "EdDSA"}),
    "alg-case": ("wrong algorithm", "The name in small letters.", {"alg": "ed25519"}),
    "alg-list": ("wrong algorithm", "The algorithm as a list.", {"alg": ["Ed25519"]}),
    "alg-rsa": ("wrong algorithm", "Another algorithm.", {"alg": "RS256"}),
    "typ-root": ("wrong type", "The type of a root.", {"typ": ROOT_TYPE}),
    "typ-jwt": ("wrong type", "The type of any token.", {"typ": "JWT"}),
    "jwk": (
        "embedded key", "A key comes along.",
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": STRANGER.public("online").x}},
    ),
    "jku": ("embedded key", "A key is to be fetched.", {"jku": "https://example.com/keys"}),
    "x5c": ("embedded key", "A chain of certificates.", {"x5c": ["AAAA"]}),
    "crit": ("embedded key", "A critical extension.", {"crit": ["exp"], "exp": 1}),
    "b64": ("embedded key", "A payload that is not base64.", {"b64": False}),
    "long-kid": ("embedded key", "A very long key id.", {"kid": "k" * 600}),
}  # fmt: skip


def forged_header(maker: Maker) -> None:
    said = raw_payload(sequence=8)
    for name, (attack, why, changes) in HEADERS.items():
        key = STRANGER if attack == "embedded key" else ONLINE
        maker.refuses(
            attack, name, why, "HEADER", KEEPS_7,
            offered(forge_compact(key, said, **changes), runs=running(7)),
        )  # fmt: skip
    header = json_of(a_header(ONLINE, MANIFEST_TYPE))
    twice = header[:-1] + b',"alg":"Ed25519"}'
    maker.refuses(
        "wrong algorithm", "alg-twice", "The algorithm is given twice.", "HEADER", KEEPS_7,
        offered(forge_compact(ONLINE, said, twice), runs=running(7)),
    )  # fmt: skip
    shared = json_of(a_header(ONLINE, MANIFEST_TYPE) | {"alg": "HS256"})
    text = to_base64url(shared) + b"." + to_base64url(said)
    mac = hmac.digest(ONLINE.public("online").public, text, "sha256")
    maker.refuses(
        "wrong algorithm", "alg-hmac", "The public key as a shared secret.", "HEADER", KEEPS_7,
        offered(text + b"." + to_base64url(mac), runs=running(7)),
    )  # fmt: skip


def forged_keys(maker: Maker) -> None:
    def refused(name: str, why: str, raw: bytes, code: str) -> None:
        maker.refuses("arbitrary software", name, why, code, KEEPS_7, offered(raw, runs=running(7)))

    said = raw_payload(sequence=8)
    refused("stranger", "A key that the root does not list.", forge_compact(STRANGER, said),
            "UNKNOWN_KEY")  # fmt: skip
    refused("root-key", "A root key signs no manifest.", forge_compact(ROOT, said), "UNKNOWN_KEY")
    refused("borrowed-id", "A strange key under a known id.",
            forge_compact(STRANGER, said, kid=ONLINE.kid), "SIGNATURE")  # fmt: skip


# --- wrong software, mix and match --------------------------------------------


def misplaced(maker: Maker) -> None:
    for name, why, code, changes in (
        ("tenant", "Of another shop.", "TENANT", {"tenant": "rival"}),
        ("tenant-case", "Names are compared byte by byte.", "TENANT", {"tenant": "Shop"}),
        ("channel", "Of another channel.", "CHANNEL", {"channel": "staging"}),
        ("projection", "Of another projection.", "CHANNEL", {"projection": "browser"}),
    ):
        raw = forge_compact(ONLINE, changed(raw_payload(sequence=8), **changes))
        maker.refuses("wrong software", name, why, code, KEEPS_7, offered(raw, runs=running(7)))


SENSELESS: dict[str, tuple[str, bytes]] = {
    "unknown-field": ("An unknown field.", changed(PAYLOAD, sequence=8, nonsense=1)),
    "missing-field": ("A missing field.", changed(PAYLOAD, sequence=None)),
    "field-twice": ("A field twice.", PAYLOAD[:-1] + b',"sequence":9}'),
    "field-twice-escaped": ("Twice, once escaped.", PAYLOAD[:-1] + b',"\\u0073equence":9}'),
    "fraction": ("A fraction.", PAYLOAD.replace(b'"sequence":7', b'"sequence":8.0')),
    "exponent": ("An exponent.", PAYLOAD.replace(b'"sequence":7', b'"sequence":8e0')),
    "too-big": ("A number of 2^53.", changed(PAYLOAD, sequence=1 << 53)),
    "negative": ("A negative number.", changed(PAYLOAD, sequence=-1)),
    "boolean": ("A boolean as number.", changed(PAYLOAD, sequence=True)),
    "shares": ("Shares below the whole.", PAYLOAD.replace(b":1048576", b":1048575")),
    "no-release": ("No release.", changed(PAYLOAD, sequence=8, releases=[])),
    "path": (
        "A digest that is a path.",
        changed(PAYLOAD, releases=[{"bundle": "../" * 20 + "root", "size_bytes": 9, "share": T}]),
    ),
    "surrogate": ("Half a character.", PAYLOAD.replace(b'"autumn"', b'"\\ud800"')),
    "no-utf-8": ("Bytes that are no UTF-8.", PAYLOAD.replace(b"autumn", b"autum\xff")),
    "mark": ("A byte order mark.", b"\xef\xbb\xbf" + PAYLOAD),
    "two-objects": ("Two objects.", PAYLOAD + PAYLOAD),
    "deep": ("Deeply nested.", b"[" * 40_000),
    "backwards": ("Over before it began.", changed(PAYLOAD, expires_s=NOW_S - HOUR_S)),
}  # fmt: skip


def senseless(maker: Maker) -> None:
    for name, (why, said) in SENSELESS.items():
        maker.refuses(
            "senseless payload", name, why, "MALFORMED", KEEPS_7,
            offered(forge_compact(ONLINE, said), runs=running(7)),
        )  # fmt: skip


def mixed(maker: Maker) -> None:
    named = manifest(sequence=8, releases=(release(OTHER),))

    def served(name: str, why: str, data: bytes, code: str, raw: bytes = named) -> None:
        turn = Turn({MANIFEST: raw, path_of(OTHER): data}, runs=running(7))
        maker.refuses("mix and match", name, why, code, KEEPS_7, turn)

    served("other-bundle", "A good bundle in another's place.", LIVE, "DIGEST")
    served("short-bundle", "A bundle that was cut off.", OTHER[:-1], "DIGEST")
    served("empty-bundle", "A bundle without bytes.", b"", "DIGEST")
    flipped = OTHER[:-1] + bytes([OTHER[-1] ^ 1])
    served("changed-bundle", "A bundle with a flipped bit.", flipped, "DIGEST")

    def signed(name: str, why: str, bundle: bytes) -> None:
        raw = manifest(sequence=8, releases=(release(bundle),))
        turn = Turn({MANIFEST: raw, path_of(bundle): bundle}, runs=running(7))
        maker.refuses("wrong software", name, why, "BUNDLE", KEEPS_7, turn)

    signed("rival-bundle", "A bundle of another shop.", bundles.tiny_bundle("rival"))
    browser = bundles.tiny_bundle("shop", projection=1)
    signed("browser-bundle", "A bundle of another projection.", browser)
    signed("no-bundle", "Signed bytes that are no bundle.", LIVE.replace(b"PRFR", b"PRFX"))
    gone = Turn({MANIFEST: named}, runs=running(7), unreachable=True)
    maker.refuses("mix and match", "missing-bundle", "The bundle is not there.", "", KEEPS_7, gone)
    shares = (release(OTHER, share=1), release(LIVE, share=T - 1))
    half = Turn(
        {MANIFEST: manifest(sequence=8, releases=shares), path_of(LIVE): LIVE},
        runs=running(7), unreachable=True,
    )  # fmt: skip
    maker.refuses(
        "mix and match", "half", "A policy is swapped in complete or not at all.", "", KEEPS_7, half
    )
