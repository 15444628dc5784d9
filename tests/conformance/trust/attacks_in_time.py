"""Vectors about what never ends, keys that change hands, and what survives: see `attacks.py`."""

from __future__ import annotations

from typing import Any

from edge.decision.claims import read_root
from edge.decision.jws import SIZE_LIMIT_BYTES, read_general, to_base64url
from edge.decision.trust import ROOT_TYPE
from tests.conformance.trust.making import KEEPS_7, Maker, Turn, offered, padded, running
from tests.conformance.trust.publisher import (
    LIVE,
    MANIFEST,
    ONLINE,
    ONLINE_2,
    OTHER,
    ROOT,
    ROOT_2,
    ROOT_3,
    STRANGER,
    keys_of,
    manifest,
    path_of,
    raw_payload,
    release,
    second_root,
    signed_root,
)
from tests.support.signing import (
    HOUR_S,
    NOW_S,
    forge_compact,
    forge_general,
    forge_member,
    json_of,
)

HONEST = manifest()


def write(maker: Maker) -> None:
    for part in (endless, roots, kept):
        part(maker)


# --- endless data, slow retrieval ---------------------------------------------


def endless(maker: Maker) -> None:
    def unreachable(attack: str, name: str, why: str, turn: Turn) -> None:
        maker.refuses(attack, name, why, "", KEEPS_7, turn)

    away: dict[str, Any] = {"runs": running(7), "unreachable": True}
    unreachable("endless data", "manifest", "A manifest without end.",
                Turn(endless={MANIFEST: "A"}, **away))  # fmt: skip
    unreachable("endless data", "large", "64 KiB and a byte.",
                Turn({MANIFEST: padded(SIZE_LIMIT_BYTES) + b"A"}, **away))  # fmt: skip
    news = offered(manifest(sequence=8)).serve
    unreachable("endless data", "root", "A root without end.",
                Turn(news, endless={"keys/root.2.jws": "{"}, **away))  # fmt: skip
    named = manifest(sequence=8, releases=(release(OTHER),))
    unreachable("endless data", "bundle", "A bundle that is longer than its size.",
                Turn({MANIFEST: named}, endless={path_of(OTHER): "PRFR"}, **away))  # fmt: skip
    unreachable("slow retrieval", "dripping", "A manifest that drips, byte by byte.",
                Turn({MANIFEST: manifest(sequence=8)}, drips=(MANIFEST,), **away))  # fmt: skip
    unreachable("slow retrieval", "hanging", "A store that takes the question and says nothing.",
                Turn(hangs=(MANIFEST,), **away))  # fmt: skip
    other = {MANIFEST: named, path_of(OTHER): OTHER}
    unreachable("slow retrieval", "dripping-bundle", "A bundle that drips.",
                Turn(other, drips=(path_of(OTHER),), **away))  # fmt: skip
    maker.accepts(
        "slow retrieval", "after-a-hang", "After a store that hung, news are taken again.",
        KEEPS_7, Turn(hangs=(MANIFEST,), **away), offered(manifest(sequence=8), runs=running(8)),
    )  # fmt: skip


# --- keys that change hands ---------------------------------------------------


def roots(maker: Maker) -> None:
    new_online = manifest(ONLINE_2, sequence=8)

    def handed(name: str, why: str, raw: bytes, runs: Any, *files: bytes) -> None:
        serve = {f"keys/root.{n}.jws": data for n, data in enumerate(files, 2)}
        maker.accepts("key compromise", name, why, KEEPS_7, offered(raw, runs=runs).also(serve))

    def refused(name: str, why: str, code: str, *files: bytes, raw: bytes = new_online) -> None:
        serve = {f"keys/root.{n}.jws": data for n, data in enumerate(files, 2)}
        turn = offered(raw, runs=running(7)).also(serve)
        maker.refuses("key compromise", name, why, code, KEEPS_7, turn)

    second = second_root(**keys_of([ROOT_2], [ONLINE_2]))
    third = signed_root(ROOT_2, ROOT_3, version=3, **keys_of([ROOT_3], [ONLINE_2]))
    handed("handed-over", "Old and new root keys together hand over.", new_online, running(8),
           second)  # fmt: skip
    handed("two-at-once", "An edge that slept applies roots one by one.", new_online, running(8),
           second, third)  # fmt: skip
    slept = second_root(expires_s=NOW_S - 9, **keys_of([ROOT_2], [ONLINE_2]))
    handed("expired-between", "An expired root still introduces the next one.", new_online,
           running(8), slept, third)  # fmt: skip
    pair = signed_root(ROOT, threshold=1, version=2, **keys_of([ROOT, ROOT_2, ROOT_3], [ONLINE_2]))
    handed("same-root-key", "The root key may stay.", new_online, running(8), pair)
    spare = forge_general([ROOT, ROOT_2, STRANGER], json_of(_root_said(second)))
    handed("spare-signature", "A stranger's signature beside enough good ones does no harm.",
           new_online, running(8), spare)  # fmt: skip
    _rotated(maker)
    refused("old-online", "A removed online key signs nothing any more.", "UNKNOWN_KEY", second,
            raw=manifest(sequence=8))  # fmt: skip
    refused("only-old", "A successor that its own key did not sign.", "THRESHOLD",
            second_root(ROOT, **keys_of([ROOT_2], [ONLINE_2])))  # fmt: skip
    refused("only-new", "A successor that the old key did not sign.", "THRESHOLD",
            second_root(ROOT_2, **keys_of([ROOT_2], [ONLINE_2])))  # fmt: skip
    refused("by-online", "An online key signs no root.", "THRESHOLD",
            second_root(ONLINE, ROOT_2, **keys_of([ROOT_2], [ONLINE_2])))  # fmt: skip
    said = json_of(_root_said(second))
    twice = json_of({"payload": to_base64url(said).decode(),
                     "signatures": [forge_member(ROOT_2, said)] * 2})  # fmt: skip
    refused("signed-twice", "Signing twice does not count twice.", "THRESHOLD", twice)
    refused("skipped", "A version left out.", "ROLLBACK",
            signed_root(ROOT, version=3, **keys_of([ROOT], [ONLINE_2])))  # fmt: skip
    rival = signed_root(ROOT, version=2, tenant="rival", **keys_of([ROOT], [ONLINE_2]))
    refused("rival-root", "A root of another shop.", "TENANT", rival)
    refused("root-alg", "A root without an algorithm.", "HEADER",
            forge_general([ROOT, ROOT_2], said, alg="none"))  # fmt: skip
    refused("root-stripped", "A root without signatures.", "MALFORMED",
            json_of({"payload": to_base64url(said).decode(), "signatures": []}))  # fmt: skip
    both = signed_root(ROOT, ROOT_2, threshold=2, **keys_of([ROOT, ROOT_2], [ONLINE]))
    after = {"version": 2, "threshold": 2, **keys_of([ROOT_2, ROOT_3], [ONLINE_2])}
    enough = signed_root(ROOT, ROOT_2, ROOT_3, **after)
    maker.accepts(
        "key compromise", "two-of-two", "A threshold of two is reached by two.",
        KEEPS_7, offered(new_online, runs=running(8)).also({"keys/root.2.jws": enough}),
        pinned=both,
    )  # fmt: skip
    maker.refuses(
        "key compromise", "one-of-two", "One stolen root key is not enough.", "THRESHOLD",
        KEEPS_7,
        offered(new_online, runs=running(7)).also(
            {"keys/root.2.jws": signed_root(ROOT_2, ROOT_3, **after)}),
        pinned=both,
    )  # fmt: skip
    maker.refuses(
        "key compromise", "pinned-unsigned", "A pinned root that its keys did not sign.",
        "THRESHOLD", offered(HONEST), pinned=forge_general([STRANGER], json_of(_first_root())),
    )  # fmt: skip
    maker.refuses(
        "wrong software", "pinned-rival", "A pinned root of another shop.", "TENANT",
        offered(HONEST), pinned=signed_root(ROOT, tenant="rival"),
    )  # fmt: skip


def _rotated(maker: Maker) -> None:
    """As `proffer keys` does it: two roots, and at no moment an unknown key."""
    beside = signed_root(ROOT, version=2, **keys_of([ROOT], [ONLINE, ONLINE_2]))
    alone = signed_root(ROOT, version=3, **keys_of([ROOT], [ONLINE_2]))
    by_old, by_new = manifest(sequence=8), manifest(ONLINE_2, sequence=9)
    two = {"keys/root.2.jws": beside}
    three = two | {"keys/root.3.jws": alone}
    maker.accepts(
        "key compromise", "rotated-as-planned",
        "The new key comes beside the old one, signs, and then the old one goes.",
        KEEPS_7, offered(HONEST, runs=running(7)).also(two),
        offered(by_old, runs=running(8)).also(two), offered(by_new, runs=running(9)).also(two),
        offered(by_new, runs=running(9)).also(three),
        offered(manifest(ONLINE_2, sequence=10), runs=running(10), restart=True).also(three),
    )  # fmt: skip
    chain = {
        f"keys/root.{version}.jws": signed_root(
            *(ROOT, ROOT_2), version=version, epoch=1 + (version > 4),
            **keys_of([ROOT, ROOT_2], [ONLINE_2 if version > 2 else ONLINE]),
        )
        for version in range(2, 7)
    }  # fmt: skip
    late = manifest(ONLINE_2, epoch=2, sequence=1)
    maker.accepts(
        "key compromise", "slept-over-five-roots",
        "An edge that slept over five roots and a new epoch catches up in one look.",
        KEEPS_7, offered(late, runs=running(1, epoch=2), restart=True).also(chain),
    )  # fmt: skip
    maker.refuses(
        "key compromise", "stolen-after-five-roots",
        "What the old key signs for the old epoch is of nobody and of the past.", "UNKNOWN_KEY",
        KEEPS_7, offered(late, runs=running(1, epoch=2)).also(chain),
        offered(manifest(sequence=1 << 40), runs=running(1, epoch=2)).also(chain),
    )  # fmt: skip


def _root_said(raw: bytes) -> object:
    return read_root(read_general(raw, ROOT_TYPE).payload)


def _first_root() -> object:
    return _root_said(signed_root(ROOT))


# --- what survives ------------------------------------------------------------


def kept(maker: Maker) -> None:
    away: dict[str, Any] = {"down": True, "restart": True, "unreachable": True}
    maker.accepts(
        "restart", "offline", "With the network down, a restart goes on with the last good policy.",
        KEEPS_7, Turn(runs=running(7), **away), unreachable_is_fine=True,
    )  # fmt: skip
    maker.accepts(
        "restart", "offline-then-news", "And when the network is back, news are taken.",
        KEEPS_7, Turn(runs=running(7), **away), offered(manifest(sequence=8), runs=running(8)),
    )  # fmt: skip
    second = {"keys/root.2.jws": second_root(**keys_of([ROOT_2], [ONLINE_2]))}
    handed = offered(manifest(ONLINE_2, sequence=8), runs=running(8)).also(second)
    maker.refuses(
        "restart", "root-withheld", "A root that was accepted is not forgotten by withholding it.",
        "UNKNOWN_KEY", KEEPS_7, handed,
        offered(manifest(sequence=9), runs=running(8), restart=True),
    )  # fmt: skip
    stale = Turn(now_s=NOW_S + 24 * HOUR_S, refused="EXPIRED", **away)
    maker.refuses(
        "restart", "expired-meanwhile", "What was kept is not believed beyond its end.", "EXPIRED",
        KEEPS_7, stale,
    )  # fmt: skip
    forged = manifest(sequence=99)[:-4] + b"AAAA"
    maker.refuses(
        "hostile storage", "changed", "What was kept and then changed is not believed.",
        "SIGNATURE", KEEPS_7, Turn(kept={MANIFEST: forged}, **away),
    )  # fmt: skip
    maker.refuses(
        "hostile storage", "stranger", "A stranger's manifest in what was kept.", "UNKNOWN_KEY",
        KEEPS_7, Turn(kept={MANIFEST: forge_compact(STRANGER, raw_payload(sequence=99))}, **away),
    )  # fmt: skip
    maker.accepts(
        "hostile storage", "damaged-bundle", "A damaged bundle in what was kept is fetched again.",
        KEEPS_7,
        offered(manifest(sequence=8), runs=running(8), restart=True, kept={path_of(LIVE): b"x"}),
    )  # fmt: skip
    maker.refuses(
        "hostile storage", "stranger-root", "A stranger's root in what was kept.", "THRESHOLD",
        KEEPS_7,
        Turn(kept={"keys/root.2.jws": second_root(STRANGER, ROOT_2)}, **away),
    )  # fmt: skip
