"""A policy's own tests, asked of the very bytes that would be signed.

    test -> the request that an edge would get -> decide -> what could be shown -> expected?

What could be shown is every arm with a ticket on the ghost track, on which no holdout
applies.  So a test holds for whoever asks, and no share of holdouts, no salt and no weight
makes it fail by chance: that needs an arm that nobody expected.  A later placement of the
page sees what this visitor's draw took in the earlier ones, as on a real page.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.beacon import Row, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.notes import SelfTest
from edge.decision.request import INVALID, Request
from edge.decision.request_json import Json, encode_fields, read_fields
from policy_compiler.conversion import step

NOTHING = "none"
SOME_TIME_S = 1_800_000_000
"""Where a test does not say when, and only its form matters."""
HORIZON_S = 86_400
"""How long the manifest of a test is valid; it was issued when the test is asked."""


class Trouble(Struct, frozen=True, kw_only=True):
    """What is wrong with a test, or with the policy: `path` is the catalog's."""

    path: str
    told: str
    help: str


def objections(bundle: Bundle) -> Iterator[Trouble]:
    """Tests that no edge could be asked: values that do not fit their attributes."""
    for test in bundle.notes.tests:
        path = step("tests", test.name)
        if not all(placement in bundle.placement_rows for placement in test.expect):
            continue  # a test of what is not in this projection
        try:
            request, _, _ = read_fields(bundle, fields_of(bundle, test, test.at_s or SOME_TIME_S))
        except RequestError as error:
            yield Trouble(path=f"{path}.request", told=f"{error.detail}.", help="")
            continue
        yield from _invalid(bundle, request, f"{path}.request.attributes")


def _invalid(bundle: Bundle, request: Request, path: str) -> Iterator[Trouble]:
    names = {row: name for name, row in bundle.attribute_rows.items()}
    for held in request.attributes:
        if held.form == INVALID:
            name = names[held.attribute]
            told = f"The value does not fit `{name}`: its type, its range or its enumeration."
            yield Trouble(path=step(path, name), told=told, help="")


def failures(bundle: Bundle, now_s: int) -> Iterator[Trouble]:
    """Tests that the policy does not pass, asked at `now_s` unless they say when."""
    for test in bundle.notes.tests:
        at_s = now_s if test.at_s is None else test.at_s
        for row in verdict_on(bundle, test, at_s):
            placement = bundle.placement_name(row.placement)
            expected, possible = test.expect[placement], possible_in(bundle, row)
            if stray := [arm for arm in possible if not is_expected(arm, expected)]:
                yield Trouble(
                    path=step(f"{step('tests', test.name)}.expect", placement),
                    told=(
                        f"self-test {test.name!r}: {placement} may show {', '.join(stray)},"
                        f" and only {' or '.join(expected)} is expected"
                    ),
                    help="Correct the offer's rule or the test; `proffer explain` tells why.",
                )


def verdict_on(bundle: Bundle, test: SelfTest, at_s: int) -> tuple[Row, ...]:
    """What an edge decides for the test's request at that time.  Raises `RequestError`."""
    request = encode_fields(bundle, fields_of(bundle, test, at_s)).data
    block = ManifestBlock(digest=bytes(32), issued_s=at_s, expires_s=at_s + HORIZON_S)
    return unpack_verdict(decide(bundle, pack_manifest(block), request))


def fields_of(bundle: Bundle, test: SelfTest, at_s: int) -> dict[str, Json]:
    """The request as its JSON has it; nothing was seen or taken before."""
    attributes: dict[str, Json] = {
        name: _value(bundle, name, value, at_s) for name, value in test.attributes.items()
    }
    return {
        "visitor": test.visitor if test.consent == "full" else None,
        "customer": test.customer if test.consent == "full" and test.customer else None,
        "nonce": f"self-test {test.name}",
        "locale": test.locale or None,
        "consent": test.consent,
        "now_s": at_s,
        "placements": list(test.expect),
        "attributes": attributes,
        "state": {"caps": [], "kept": []} if test.consent == "full" else None,
    }


def _value(bundle: Bundle, name: str, value: bool | int | str | list[str], at_s: int) -> Json:
    """As it is sent; timestamps of at most 0 count from the time of asking."""
    row = bundle.attribute_rows.get(name, -1)
    is_time = row >= 0 and bundle.tables.attribute_type[row] == t.TIMESTAMP
    if is_time and isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        return at_s + value
    return list(value) if isinstance(value, list) else value


def possible_in(bundle: Bundle, row: Row) -> list[str]:
    """The arms that could be shown in a slot to somebody who is not held out."""
    drawn = [arm for arm, tickets in row.ghost.listed if tickets]
    return [bundle.arm_name(arm) for arm in drawn or [row.ghost.arm]]


def is_expected(arm: str, expected: tuple[str, ...]) -> bool:
    return arm in expected or arm.partition("/")[0] in expected
