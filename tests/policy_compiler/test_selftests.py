"""Self-tests in a catalog: what is a test, what is none, and how they are run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.decision.notes import SelfTest
from policy_compiler.__main__ import main
from policy_compiler.compiling import compile_catalog
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.selftests import failures
from tests.policy_compiler.samples import with_example
from tests.support.cli import proffer

NOW_S = 1_795_000_000


def folder(tmp_path: Path, request: str, expect: str, more: str = "") -> Path:
    text = f"tests:\n  it-holds:\n    request: {{{request}}}\n    expect: {{{expect}}}\n{more}"
    return with_example(tmp_path / "catalog", text)


def refused(tmp_path: Path, request: str, expect: str, more: str = "") -> list[tuple[str, str]]:
    with pytest.raises(CatalogRefused) as caught:
        compile_catalog(folder(tmp_path, request, expect, more))
    return [(d.code, d.path) for d in caught.value.diagnostics if d.severity == "error"]


def test_a_test_is_compiled_into_the_notes_with_its_time_in_the_shops_zone(tmp_path: Path):
    request = "visitor: ann, attributes: {cart.total: 80.50, customer.is_new: true}"
    where = folder(tmp_path, request, "hero: [none, welcome]", "    at: 2026-11-27T09:00\n")
    (test,) = compile_catalog(where).bundle.notes.tests
    assert test == SelfTest(
        name="it-holds",
        at_s=test.at_s,
        visitor="ann",
        attributes={"cart.total": "80.50", "customer.is_new": True},
        expect={"hero": ("none", "welcome")},
    )
    assert test.at_s is not None and test.at_s % 3600 == 0


@pytest.mark.parametrize(
    ("request_", "expect", "found"),
    [
        ("", "", ("P328", "expect")),
        ("", "hero: []", ("P328", "expect.hero")),
        ("", "attic: none", ("P301", "expect.attic")),
        ("", "hero: nine-off", ("P301", "expect.hero")),
        ("", "hero: welcome/p99", ("P301", "expect.hero")),
        ("attributes: {cart.weight: 1}", "hero: none",
         ("P301", 'request.attributes["cart.weight"]')),
        ("attributes: {cart.total: many}", "hero: none",
         ("P328", 'request.attributes["cart.total"]')),
        ("attributes: {cart.total: -1}", "hero: none",
         ("P328", 'request.attributes["cart.total"]')),
        ("attributes: {cart.total: [1]}", "hero: none",
         ("P112", 'request.attributes["cart.total"][0]')),
        ("attributes: {cart.total: [one]}", "hero: none",
         ("P328", 'request.attributes["cart.total"]')),
        ('visitor: "\\u0001"', "hero: none", ("P328", "request")),
        ("consent: perhaps", "hero: none", ("P112", "request.consent")),
        ("shoe_size: 43", "hero: none", ("P110", "request.shoe_size")),
    ],
)  # fmt: skip
def test_what_the_edge_could_not_be_asked_or_never_shows_is_refused(
    tmp_path: Path, request_: str, expect: str, found: tuple[str, str]
):
    code, path = found
    assert refused(tmp_path, request_, expect) == [(code, f'tests["it-holds"].{path}')]


def test_a_time_that_is_none_is_refused(tmp_path: Path):
    found = refused(tmp_path, "", "hero: none", "    at: tomorrow\n")
    assert found == [("P311", 'tests["it-holds"].at')]


def test_a_browsers_bundle_holds_no_tests(tmp_path: Path):
    where = folder(tmp_path, "attributes: {cart.total: 1.00}", "hero: none")
    assert compile_catalog(where, projection="browser").bundle.notes.tests == ()


@pytest.mark.parametrize("consent", ["contextual", "none"])
def test_visitors_without_consent_can_be_tested(tmp_path: Path, consent: str):
    where = folder(tmp_path, f"consent: {consent}", "hero: [none, welcome]")
    assert list(failures(compile_catalog(where).bundle, NOW_S)) == []


# --- on the command line ------------------------------------------------------

WRONG = ("attributes: {cart.total: 80.00, customer.is_new: true}", "hero: welcome")


def test_compiling_tells_what_fails_and_writes_nothing(tmp_path: Path):
    where, out = folder(tmp_path, *WRONG), tmp_path / "policy.bundle"
    ran = proffer("compile", where, "-o", out)
    assert ran.code == 1 and not out.exists()
    assert "does not pass its own tests" in ran.err and "hero may show none" in ran.err
    assert main(["compile", str(where), "-o", str(out)]) == 1 and not out.exists()


def test_verifying_a_bundle_asks_its_tests(tmp_path: Path):
    good, bad = tmp_path / "good.bundle", tmp_path / "bad.bundle"
    good.write_bytes(compile_catalog(folder(tmp_path / "a", "", "hero: [none, welcome]")).data)
    bad.write_bytes(compile_catalog(folder(tmp_path / "b", *WRONG)).data)
    assert proffer("verify", good).code == 0 and main(["verify", str(good)]) == 0
    ran = proffer("verify", bad, "--json")
    checks: list[dict[str, Any]] = json.loads(ran.out)["checks"]
    assert ran.code == 1 and checks[-1]["name"] == "TESTS" and checks[-1]["outcome"] == "failed"
    assert main(["verify", str(bad)]) == 1
