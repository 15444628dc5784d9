"""What was published, through the command line: verified, decided with, replayed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_plane.services import Services
from control_plane.settings import Settings
from edge.decision.beacon import unpack_record
from policy_compiler.keys import DevelopmentKeys
from policy_compiler.sign import development_root
from tests.support.cli import PROFFER, Ran, proffer, tree
from tests.support.parts import ROOT
from tests.support.processes import Server, serving

DAY_S = 86_400
MANIFEST = "channels/production/edge.jws"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy: keys, root, manifest and bundle of the starter catalog."""
    folder = tmp_path_factory.mktemp("published")
    assert proffer("init", folder / "catalog").code == 0
    settings = Settings(data=folder / "var", tenant="my-shop", catalog=folder / "catalog")
    Services.open(settings).close()
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template / "var", tmp_path / "var"))


@pytest.fixture
def request_file(template: Path) -> Path:
    return template / "catalog" / "request.json"


def checks_of(ran: Ran, outcome: str) -> list[tuple[str, str]]:
    return [
        (check["file"].split("/")[0], check["name"])
        for check in ran.document["checks"]
        if check["outcome"] == outcome
    ]


def flip(file: Path, at: int = -2) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def bundle_file(data: Path) -> Path:
    (found,) = (data / "objects" / "bundles").iterdir()
    return found


# --- verify -------------------------------------------------------------------


def test_everything_published_passes_every_named_check(data: Path) -> None:
    ran = proffer("verify", data, "--json")
    assert ran.code == 0 and ran.document["ok"]
    names = [name for file, name in checks_of(ran, "passed") if file == "channels"]
    assert names == [
        "TOO_LARGE", "MALFORMED", "HEADER", "UNKNOWN_KEY", "SIGNATURE", "TENANT", "CHANNEL",
        "NOT_YET_VALID", "EXPIRED", "ROLLBACK",
    ]  # fmt: skip
    assert ("bundles", "DIGEST") in checks_of(ran, "passed")
    assert proffer("verify", data / "objects").code == 0
    plain = proffer("verify", data, "--plain")
    assert "ok\tchannels/production/edge.jws\tSIGNATURE" in plain.out
    assert "sequence 1" in plain.out


def tamper_bundle(data: Path) -> None:
    flip(bundle_file(data))


def tamper_manifest(data: Path) -> None:
    file = data / "objects" / MANIFEST
    head, payload, signature = file.read_bytes().split(b".")
    other = signature[:1].replace(b"A", b"B") if signature[:1] == b"A" else b"A"
    file.write_bytes(b".".join([head, payload, other + signature[1:]]))


def exchange_root(data: Path) -> None:
    root = development_root(DevelopmentKeys.generate(), "my-shop", 1_795_000_000)
    (data / "objects" / "keys" / "root.1.jws").write_bytes(root)


def lose_bundle(data: Path) -> None:
    bundle_file(data).unlink()


TAMPERED = [
    (tamper_bundle, "bundles", "DIGEST"),
    (tamper_manifest, "channels", "SIGNATURE"),
    (exchange_root, "channels", "UNKNOWN_KEY"),
    (lose_bundle, "bundles", "PRESENT"),
]


@pytest.mark.parametrize(
    ("tamper", "file", "name"), TAMPERED, ids=[t[0].__name__ for t in TAMPERED]
)
def test_what_was_tampered_with_fails_the_right_check_and_decides_nothing(
    data: Path, request_file: Path, tmp_path: Path, tamper: Any, file: str, name: str
) -> None:
    tamper(data)
    before, record = tree(data), tmp_path / "one.record"
    ran = proffer("verify", data, "--json")
    assert ran.code == 1 and not ran.document["ok"]
    assert checks_of(ran, "failed") == [(file, name)]
    decided = proffer("decide", data, request_file, "--record", record)
    assert decided.code == 1
    assert name in decided.err and "help: " in decided.err and "Traceback" not in decided.err
    assert not record.exists() and tree(data) == before


def test_an_expired_manifest_is_refused_and_what_comes_after_it_not_reached(data: Path) -> None:
    expires_s = proffer("verify", data, "--json").document["expires_s"]
    late = proffer("verify", data, "--now", str(expires_s + 61), "--json")
    assert late.code == 1
    assert checks_of(late, "failed") == [("channels", "EXPIRED")]
    assert checks_of(late, "not reached") == [("channels", "ROLLBACK")]
    assert "EXPIRED: expired" in late.err and "help: " in late.err
    early = proffer("verify", data, "--now", str(expires_s - 2 * DAY_S), "--json")
    assert checks_of(early, "failed") == [("channels", "NOT_YET_VALID")]


def test_a_pinned_root_that_is_another_one_is_noticed(data: Path, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.jws"
    pinned.write_bytes(development_root(DevelopmentKeys.generate(), "my-shop", 1_795_000_000))
    ran = proffer("verify", data, "--root", pinned, "--json")
    assert ran.code == 1 and checks_of(ran, "failed") == [("channels", "UNKNOWN_KEY")]
    assert proffer("verify", data, "--tenant", "other", "--json").code == 1


def test_what_is_no_target_ends_with_3(tmp_path: Path) -> None:
    assert proffer("verify", tmp_path).code == 3
    ran = proffer("verify", "http://127.0.0.1:9")
    assert ran.code == 3 and "cannot be fetched" in ran.err and "Traceback" not in ran.err


# --- decide and replay --------------------------------------------------------


def test_a_decision_with_what_was_published_names_its_manifest(
    data: Path, request_file: Path, tmp_path: Path
) -> None:
    record = tmp_path / "one.record"
    ran = proffer("decide", data, request_file, "--record", record, "--json")
    assert ran.code == 0
    assert ran.document["origin"] == "published"
    held = unpack_record(record.read_bytes())
    assert held.manifest_digest != bytes(32)
    assert held.bundle_digest.hex() == bundle_file(data).name


def store_records(data: Path, *records: bytes) -> None:
    """As the control plane keeps them, once it collected them."""
    with closing(sqlite3.connect(data / "proffer.db")) as database, database:
        for record in records:
            database.execute(
                "INSERT INTO records (tenant, digest, attested, bundle, manifest, received_s,"
                " record) VALUES ('my-shop', ?, 1, '', '', 0, ?)",
                (sha256(record).hexdigest(), record),
            )


def test_the_records_of_a_data_folder_replay(
    data: Path, request_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "one.record"
    assert proffer("decide", data, request_file, "--record", file).code == 0
    good, bad = file.read_bytes(), bytearray(file.read_bytes())
    bad[-1] ^= 1
    store_records(data, good)
    ran = proffer("replay", data, "--json")
    assert ran.code == 0 and ran.document["same"] == 1
    store_records(data, bytes(bad))
    ran = proffer("replay", data, "--json")
    assert ran.code == 1
    assert (ran.document["same"], ran.document["different"]) == (1, 1)


def test_a_folder_that_is_no_data_folder_does_not_replay(tmp_path: Path) -> None:
    assert proffer("replay", tmp_path).code == 3


# --- serve and edge -----------------------------------------------------------


@pytest.fixture
def control(template: Path, data: Path) -> Iterator[Server]:
    command = [
        *PROFFER, "serve", "--catalog", template / "catalog", "--data", data, "--port", "{port}",
    ]  # fmt: skip
    with serving(command, path="/healthz", cwd=ROOT) as server:
        yield server
    assert server.status == 0, server.output()


def test_a_running_control_plane_is_verified_by_its_address(control: Server) -> None:
    ran = proffer("verify", control.url, "--json")
    assert ran.code == 0 and ran.document["tenant"] == "my-shop"
    assert httpx.get(f"{control.url}/console", follow_redirects=True).status_code == 200


def test_an_edge_runs_beside_its_control_plane_and_ends_well(
    control: Server, data: Path, tmp_path: Path
) -> None:
    command = [
        *PROFFER, "edge", "--origin", control.url, "--control", control.url, "--data", data,
        "--store", tmp_path / "edge", "--port", "{port}", "--json",
    ]  # fmt: skip
    with serving(command, path="/_proffer/healthz", cwd=ROOT) as edge:
        asked = {"placements": ["cart_banner"], "attributes": {"cart.total": "64.90"}}
        answer = httpx.post(f"{edge.url}/_proffer/decide", json=asked)
        assert answer.status_code == 200, answer.text
        told, _ = json.JSONDecoder().raw_decode(edge.output())
    assert edge.status == 0, edge.output()
    assert told["control"] == control.url


def test_a_taken_port_is_told_before_anything_runs(
    control: Server, template: Path, tmp_path: Path
) -> None:
    ran = proffer(
        "serve", "--catalog", template / "catalog", "--data", tmp_path / "other",
        "--port", str(control.port),
    )  # fmt: skip
    assert ran.code == 3
    assert "cannot be listened on" in ran.err and "--port" in ran.err


def test_a_broken_catalog_starts_nothing_and_leaves_no_data(template: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(template / "catalog", tmp_path / "catalog")
    offers = folder / "offers.yaml"
    offers.write_text(offers.read_text().replace("percent: 10", "percent: -10"))
    ran = proffer("serve", "--catalog", folder, "--data", tmp_path / "var", "--port", "0")
    assert ran.code == 1
    assert "offers.yaml:" in ran.err and "nothing was started" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "var").exists()


def test_keys_that_others_may_read_are_refused(data: Path) -> None:
    (data / "keys" / "development-keys.json").chmod(0o644)
    ran = proffer("serve", "--data", data, "--tenant", "my-shop", "--port", "0")
    assert ran.code == 1
    assert "chmod 600" in ran.err and "Traceback" not in ran.err


def test_a_data_folder_of_another_shop_is_refused(data: Path) -> None:
    ran = proffer("serve", "--data", data, "--tenant", "other-shop", "--port", "0")
    assert ran.code == 1
    assert "my-shop" in ran.err and "Traceback" not in ran.err


def test_an_edge_without_root_says_what_to_start_first(tmp_path: Path) -> None:
    ran = proffer("edge", "--origin", "http://127.0.0.1:1", "--data", tmp_path)
    assert ran.code == 3 and "Start the control plane" in ran.err


def test_simulate_says_who_does_not_answer(data: Path) -> None:
    nobody = "http://127.0.0.1:9"
    ran = proffer(
        "simulate", "--edge", nobody, "--control", nobody, "--data", data, "--visitors", "3"
    )
    assert ran.code == 3
    assert "Nobody answers" in ran.err and "Traceback" not in ran.err
    assert proffer("simulate", "--truth", "no-such-truth", "--data", data).code == 3
    assert proffer("simulate", "--data", data / "nothing").code == 3


def test_simulate_refuses_a_broken_truth_with_its_place(data: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.yaml"
    truth.write_text("title: [unfinished\n")
    ran = proffer("simulate", "--truth", truth, "--data", data)
    assert ran.code == 1
    assert "truth.yaml:" in ran.err and "Traceback" not in ran.err
