"""Self-tests name what there is: placements, offers that stand there, attributes one can send.

Whether their values can be read at all is asked of the bundle itself (`selftests.py`), by
the edge's own reader.
"""

from __future__ import annotations

from .catalog import Offer, SelfTest
from .check_offers import local_time
from .conversion import step
from .diagnostics import did_you_mean
from .report import Report

TESTS_MAX = 500
NOTHING = "none"


def check_tests(report: Report) -> None:
    tests = report.parts.tests
    if len(tests) > TESTS_MAX:
        report.say("P313", "tests", f"{len(tests):,} self-tests; at most {TESTS_MAX:,}.")
    offers = {offer.id: offer for offer in report.parts.offers.values()}
    for name, test in tests.items():
        _check_test(report, step("tests", name), test, offers)


def _check_test(report: Report, path: str, test: SelfTest, offers: dict[str, Offer]) -> None:
    local_time(report, f"{path}.at", test.at)
    _check_attributes(report, f"{path}.request.attributes", test)
    if not test.expect:
        report.say("P328", f"{path}.expect", "The test expects nothing.")
    for placement, arms in test.expect.items():
        where = step(f"{path}.expect", placement)
        if not report.known("placements", placement, where):
            continue
        listed = [arms] if isinstance(arms, str) else arms
        if not listed:
            report.say("P328", where, "The list is empty; write none for nothing.")
        for arm in listed:
            _check_arm(report, where, placement, arm, offers)


def _check_attributes(report: Report, path: str, test: SelfTest) -> None:
    for name in test.request.attributes:
        where = step(path, name)
        if not report.known("attributes", name, where):
            continue
        attribute = report.attributes.get(name)
        if attribute is not None and attribute.derived is not None:
            report.say("P328", where, f"`{name}` is computed by the edge and cannot be sent.")


def _check_arm(
    report: Report, path: str, placement: str, arm: str, offers: dict[str, Offer]
) -> None:
    name, slash, rung = arm.partition("/")
    if arm == NOTHING or not report.known("offers", name, path) or name not in offers:
        return
    offer, rungs = offers[name], [each.id for each in offers[name].rungs]
    if placement not in offer.placements:
        report.say("P328", path, f"`{name}` is not offered in `{placement}`.")
    if slash and rung not in rungs:
        report.say(
            "P301", path, f"There is no size `{rung}` in `{name}`.", did_you_mean(rung, rungs)
        )
