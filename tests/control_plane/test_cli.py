"""The command line: each command's help, results and exit codes, and clear errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.decision.beacon import unpack_record
from edge.decision.bundle import open_bundle
from tests.support.cli import Ran, proffer, program, tree
from tests.support.parts import ROOT

COMMANDS = (
    "init", "compile", "verify", "decide", "explain", "replay", "simulate", "serve", "edge",
    "demo",
)  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    assert proffer("init", folder).code == 0
    return folder


@pytest.fixture
def bundle(catalog: Path, tmp_path: Path) -> Path:
    file = tmp_path / "policy.bundle"
    assert proffer("compile", catalog, "-o", file).code == 0
    return file


def request_of(catalog: Path, **changes: object) -> Path:
    """The starter's request, changed; None takes a field out."""
    file = catalog / "request.json"
    fields = {"now_s": 1_795_000_000, "nonce": "n1"} | json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    return file


def assert_clear(ran: Ran, code: int, *words: str) -> None:
    """An error that says what and what to do, without a traceback."""
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert "error: " in ran.err and "help: " in ran.err
    for word in words:
        assert word in ran.err, ran.err


# --- help and usage -----------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_what_a_command_does_and_how_it_ends(command: str) -> None:
    ran = proffer(command, "--help")
    assert ran.code == 0
    assert f"Usage: proffer {command}" in ran.out
    assert "Exit codes: 0" in ran.out
    assert "--json" in ran.out and "--plain" in ran.out


def test_help_names_every_command() -> None:
    ran = program("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in ran.out


@pytest.mark.parametrize("arguments", [("nonsense",), ("compile",), ("compile", "a", "--nonsense")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    ran = proffer(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err and ran.err


# --- init ---------------------------------------------------------------------


def test_the_starter_compiles_without_any_remark(tmp_path: Path) -> None:
    made = proffer("init", tmp_path / "shop", "--json")
    assert made.document["files"] == ["shop.yaml", "offers.yaml", "request.json"]
    compiled = proffer("compile", tmp_path / "shop", "--check", "--json")
    assert compiled.code == 0
    assert compiled.document["diagnostics"] == []
    assert compiled.document["file"] is None


def test_init_never_overwrites(catalog: Path) -> None:
    before = tree(catalog)
    assert_clear(proffer("init", catalog), 1, "offers.yaml already")
    assert tree(catalog) == before


# --- compile ------------------------------------------------------------------


def test_compile_writes_the_bundle_that_it_names(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "out.bundle"
    ran = proffer("compile", catalog, "-o", file, "--json")
    assert ran.code == 0
    opened = open_bundle(file.read_bytes())
    assert ran.document["sha256"] == opened.digest.hex()
    assert ran.document["offers"] == 2 and ran.document["tenant"] == "my-shop"


def test_compile_makes_the_browser_s_projection(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "browser.bundle"
    ran = proffer("compile", catalog, "-o", file, "--projection", "browser", "--json")
    assert ran.code == 0
    assert ran.document["projection"] == "browser"
    assert {found["code"] for found in ran.document["diagnostics"]} == {"P501"}


BROKEN = [
    # what is wrong; file, a piece of it, that piece wrong; code, line and column, a word told
    ("YAML", "shop.yaml", "[en]", "[en", "P104", "8:7", "expected"),
    ("attribute", "offers.yaml", "customer.is_new", "customer.is_now",
     "P202", "9:15", "customer.is_new"),
    ("type", "offers.yaml", "cart.total >= 30.00", "cart.total >= '30'",
     "P203", "25:26", "decimal"),
    ("key", "offers.yaml", "priority: 20", "prioritty: 20", "P110", "8:5", "priority"),
    ("value", "offers.yaml", "percent: 10,", "percent: ten,", "P112", "15:28", "number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "piece", "wrong", "code", "place", "word"),
    [case[1:] for case in BROKEN],
    ids=[case[0] for case in BROKEN],
)
def test_a_broken_catalog_is_told_with_place_cause_and_help_and_writes_nothing(
    catalog: Path, tmp_path: Path, file: str, piece: str, wrong: str, code: str, place: str,
    word: str,
) -> None:  # fmt: skip
    out = tmp_path / "policy.bundle"
    out.write_bytes(b"as it was")
    text = (catalog / file).read_text()
    assert piece in text
    (catalog / file).write_text(text.replace(piece, wrong, 1))
    ran = proffer("compile", catalog, "-o", out)
    assert_clear(ran, 1, f"error[{code}]", f"--> {file}:{place}", "cause:", word, " | ")
    (first,) = proffer("compile", catalog, "--json").document["error"]["diagnostics"]
    assert (first["code"], first["file"]) == (code, file)
    assert f"{first['line']}:{first['column']}" == place and first["cause"] and first["help"]
    assert out.read_bytes() == b"as it was"


def test_all_errors_are_told_at_once(catalog: Path) -> None:
    text = (catalog / "offers.yaml").read_text()
    text = text.replace("customer.is_new", "customer.is_now").replace("percent: 10", "percent: -10")
    (catalog / "offers.yaml").write_text(text)
    ran = proffer("compile", catalog, "--check")
    assert "P202" in ran.err and "P305" in ran.err


def test_a_folder_without_catalog_is_told(tmp_path: Path) -> None:
    assert_clear(proffer("compile", tmp_path, "--check"), 1, "P101")


def test_an_output_that_cannot_be_written_ends_with_3(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    ran = proffer("compile", catalog, "-o", tmp_path / "taken" / "out.bundle")
    assert_clear(ran, 3, "cannot be written")
    assert (tmp_path / "taken").read_text() == "a file"


# --- decide -------------------------------------------------------------------


def test_catalog_and_bundle_decide_alike(catalog: Path, bundle: Path) -> None:
    request = request_of(catalog)
    by_catalog = proffer("decide", catalog, request, "--json")
    by_bundle = proffer("decide", bundle, request, "--json")
    assert by_catalog.code == by_bundle.code == 0
    assert by_catalog.document["decisions"] == by_bundle.document["decisions"]
    (decided,) = by_bundle.document["decisions"]
    assert sum(tickets for _, tickets in decided["listed"]) == 1 << 20
    assert by_bundle.document["ignored"] == ["visit.source"]


def test_decide_reads_a_request_from_stdin(catalog: Path, bundle: Path) -> None:
    request = request_of(catalog).read_bytes()
    ran = program("decide", bundle, "-", "--json", stdin=request)
    assert ran.code == 0
    (decided,) = ran.document["decisions"]
    assert decided["line"]["placement"] == "cart_banner"


def test_the_record_of_a_decision_replays(catalog: Path, bundle: Path, tmp_path: Path) -> None:
    record = tmp_path / "one.record"
    decided = proffer("decide", bundle, request_of(catalog), "--record", record, "--json")
    held = unpack_record(record.read_bytes())
    assert held.bundle_digest.hex() == decided.document["bundle"]
    ran = proffer("replay", record, "--policy", catalog, "--json")
    assert ran.code == 0
    assert (ran.document["records"], ran.document["same"]) == (1, 1)


def not_json(catalog: Path) -> Path:
    file = request_of(catalog)
    file.write_text('{"visitor": "v1",')
    return file


MALFORMED: list[tuple[str, Callable[[Path], Path], str]] = [
    ("not JSON", not_json, "JSON"),
    ("a field that is none", lambda c: request_of(c, visiter="v1"), "visiter"),
    ("no visitor", lambda c: request_of(c, visitor=None), "visitor"),
    ("no placement", lambda c: request_of(c, placements=[]), "placements"),
    ("a word for consent", lambda c: request_of(c, consent="yes"), "consent"),
    ("text for the time", lambda c: request_of(c, now_s="noon"), "now_s"),
    ("a control character", lambda c: request_of(c, visitor="v\n1"), "visitor"),
]


@pytest.mark.parametrize(("name", "make", "word"), MALFORMED, ids=[m[0] for m in MALFORMED])
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_a_malformed_request_is_told_and_leaves_no_record(
    catalog: Path, bundle: Path, tmp_path: Path, command: str, name: str,
    make: Callable[[Path], Path], word: str,
) -> None:  # fmt: skip
    record = tmp_path / "one.record"
    keep = ("--record", record) if command == "decide" else ()
    ran = proffer(command, bundle, make(catalog), *keep, "--json")
    assert_clear(ran, 1, word, "request.json")
    assert word in ran.document["error"]["problem"]
    assert not record.exists()


def test_an_invalid_attribute_withholds_the_offer_and_not_the_answer(
    catalog: Path, bundle: Path
) -> None:
    request = request_of(catalog, attributes={"cart.total": -1, "customer.is_new": "yes"})
    ran = proffer("explain", bundle, request)
    assert ran.code == 0
    assert "is invalid" in ran.out and "NO_CANDIDATE" in ran.out


def test_a_missing_file_ends_with_3(catalog: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert_clear(proffer("decide", catalog, nothing), 3, "cannot be read")
    assert_clear(proffer("decide", nothing, catalog / "request.json"), 3, "does not exist")


def test_options_of_a_batch_without_batch_end_with_2(bundle: Path, tmp_path: Path) -> None:
    assert_clear(proffer("decide", bundle, "--requests", tmp_path), 2, "--batch")
    assert_clear(proffer("decide", bundle), 2, "REQUEST")


# --- explain ------------------------------------------------------------------


def test_explain_says_for_every_offer_why_or_why_not(catalog: Path, bundle: Path) -> None:
    request = request_of(catalog, attributes={"cart.total": "12.00", "customer.is_new": True})
    ran = proffer("explain", bundle, request, "--json")
    (slot,) = ran.document["slots"]
    reasons = {arm["arm"]: arm["reason"] for arm in slot["arms"]}
    assert reasons == {
        "welcome/p5": "CANDIDATE",
        "welcome/p10": "CANDIDATE",
        "free-delivery/standard": "NOT_ELIGIBLE",
    }
    told = proffer("explain", bundle, request, "--offer", "free-delivery")
    assert "cart.total >= 30.00 must hold: cart.total is 12.00" in told.out
    assert "welcome/p5: CANDIDATE" not in told.out


def test_explain_without_a_request_lists_the_policy(bundle: Path) -> None:
    listed = proffer("explain", bundle, "--json").document
    assert [offer["id"] for offer in listed["offers"]] == ["welcome", "free-delivery"]
    assert listed["offers"][1]["eligible"] == "cart.total >= 30.00"
    assert "sizes p5, p10" in proffer("explain", bundle).out


def test_an_unknown_offer_is_told_with_the_nearest(bundle: Path) -> None:
    assert_clear(proffer("explain", bundle, "--offer", "welcom"), 1, "welcome")


# --- replay -------------------------------------------------------------------


def recorded(catalog: Path, bundle: Path, file: Path) -> bytes:
    assert proffer("decide", bundle, request_of(catalog), "--record", file).code == 0
    return file.read_bytes()


def test_replay_reads_records_one_after_the_other(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "many.records"
    file.write_bytes(recorded(catalog, bundle, file) * 3)
    ran = proffer("replay", file, "--policy", bundle, "--json")
    assert ran.code == 0 and ran.document["same"] == 3


def test_a_verdict_that_differs_is_named_with_its_first_byte(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "one.record"
    data = bytearray(recorded(catalog, bundle, file))
    data[-1] ^= 1  # the tickets of the last listed arm
    file.write_bytes(data)
    ran = proffer("replay", file, "--policy", bundle, "--json")
    assert ran.code == 1
    assert ran.document["different"] == 1
    assert "byte " in ran.document["troubles"][0]["detail"]


def test_records_without_their_bundle_and_broken_ones_count_as_failures(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "two.records"
    good = recorded(catalog, bundle, file)
    file.write_bytes(good + good[:-1])
    ran = proffer("replay", file, "--json")
    assert ran.code == 1
    assert (ran.document["no_bundle"], ran.document["malformed"]) == (1, 1)
    assert_clear(proffer("replay", tmp_path / "none.record"), 3)


# --- verify a bundle ----------------------------------------------------------


def test_a_bundle_file_is_verified_check_by_check(bundle: Path) -> None:
    ran = proffer("verify", bundle, "--json")
    assert ran.code == 0 and ran.document["ok"]
    assert {check["outcome"] for check in ran.document["checks"]} == {"passed"}
    assert ran.document["bundles"] == [open_bundle(bundle.read_bytes()).digest.hex()]


@pytest.mark.parametrize("command", ["verify", "decide", "explain"])
def test_a_damaged_bundle_is_refused_by_name_of_the_check(
    catalog: Path, bundle: Path, command: str
) -> None:
    bundle.write_bytes(b"PRFX" + bundle.read_bytes()[4:])
    arguments = () if command == "verify" else (request_of(catalog),)
    assert_clear(proffer(command, bundle, *arguments), 1, "MAGIC")
    bundle.write_bytes(b"")
    assert_clear(proffer(command, bundle, *arguments), 1, "SIZE")


# --- the compiler alone -------------------------------------------------------


def test_the_compiler_alone_gives_the_same_bundle_without_the_control_plane(
    catalog: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "alone.bundle"
    code = (
        "import sys; from policy_compiler.__main__ import main;"
        f" code = main(['compile', {str(catalog)!r}, '-o', {str(out)!r}]);"
        " loaded = [m for m in sys.modules if m.startswith('control_plane')];"
        " sys.exit(code or len(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == bundle.read_bytes()
