"""The helpers of the tests, where a silent mistake would make other tests lie."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from tests.support import chromium, parts, prepare
from tests.support.groups import group_of
from tests.support.parts import ROOT, MissingPart
from tests.support.processes import ServerFailed, serving

FILES = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
STUBBORN = """
import signal, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("I stay")
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""


# --- servers ------------------------------------------------------------------


def test_a_server_answers_inside_the_block_and_is_gone_after_it(tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello")
    with serving(FILES, path="/hello.txt", cwd=tmp_path) as server:
        assert httpx.get(f"{server.url}/hello.txt").text == "hello"
        assert server.status is None
    assert server.status == 0
    assert "GET /hello.txt" in server.output()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_server_that_dies_while_starting_says_why() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no catalog in sight')"]
    with pytest.raises(ServerFailed, match=r"status 1[\s\S]*no catalog in sight"):
        _serve(command)


def test_a_server_that_never_answers_is_given_up_with_its_output() -> None:
    command = [sys.executable, "-c", "import time; print('thinking'); time.sleep(60)"]
    with pytest.raises(ServerFailed, match=r"did not answer[\s\S]*thinking"):
        _serve(command, start_s=1.0)


def test_a_server_that_ignores_ctrl_c_fails_and_is_killed() -> None:
    with pytest.raises(ServerFailed, match=r"after Ctrl-C[\s\S]*I stay"):
        _serve([sys.executable, "-c", STUBBORN, "{port}"], stop_s=0.5)


def test_a_failure_inside_the_block_carries_the_servers_output(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as error, serving(FILES, cwd=tmp_path):
        _ = 1 // 0
    assert "GET / HTTP" in "".join(error.value.__notes__)


def _serve(command: list[str], start_s: float = 30, stop_s: float = 15) -> None:
    with serving(command, start_s=start_s, stop_s=stop_s):
        pass


# --- missing parts --------------------------------------------------------------


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return tmp_path


def test_a_missing_browser_is_named_with_what_to_install(bare_path: Path) -> None:
    with pytest.raises(MissingPart, match="apt-get install chromium"):
        parts.chromium()


def test_a_missing_node_is_named_with_the_version_needed(bare_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"Node\.js is missing: install version 20 or newer"):
        parts.node()


def test_an_old_node_is_refused_with_its_version(bare_path: Path) -> None:
    old = bare_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.4\n")
    old.chmod(0o755)
    with pytest.raises(MissingPart, match=r"v18\.20\.4: install version 20 or newer"):
        parts.node()


def test_preparing_tells_all_missing_parts_at_once_and_fails(
    bare_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main() == 1
    said = capsys.readouterr().err
    assert "Node.js is missing" in said
    assert "No Chromium" in said


@pytest.mark.parametrize("missing", ["node", "chromium"])
def test_a_test_without_its_part_fails_and_is_not_skipped(tmp_path: Path, missing: str) -> None:
    """Runs pytest itself on a machine, as far as PATH tells, without the part."""
    for name in {"node", "chromium", "sh"} - {missing}:
        found = shutil.which(name)
        assert found, name
        (tmp_path / name).symlink_to(found)
    fixture = {"node": "pyodide", "chromium": "page"}[missing]
    (tmp_path / "test_it.py").write_text(f"def test_it({fixture}): pass\n")
    plugin = {"node": "tests.support.pyodide", "chromium": "tests.support.chromium"}[missing]
    done = _pytest("-q", "-p", plugin, "test_it.py", cwd=tmp_path, path=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("1 error in ")
    assert {"node": "Node.js is missing", "chromium": "No Chromium"}[missing] in done.stdout


# --- groups -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/edge/test_app.py::test_x", "edge"),
        ("tests/edge/decision/test_decide.py::TestA::test_x[a/b]", "edge"),
        ("tests/test_docs.py::test_x", "docs"),
    ],
)
def test_a_group_is_a_folder_or_a_file_below_tests(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_the_groups_stand_before_pytests_own_last_line(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "edge"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    done = _pytest("-p", "tests.support.groups", cwd=tmp_path)
    lines = done.stdout.splitlines()
    (row,) = [line for line in lines if line.startswith("edge ")]
    assert row.split()[1:3] == ["2", "tests"]
    assert row.endswith("1 failed")
    assert "1 failed, 1 passed" in lines[-1]


def _pytest(*arguments: str, cwd: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=cwd,
        env={"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


# --- the browser --------------------------------------------------------------------


def test_the_browser_is_a_real_one_that_shows_our_pages(tmp_path: Path, page: Page) -> None:
    (tmp_path / "index.html").write_text("<title>shop</title><p id=a>one</p>")
    with serving(FILES, cwd=tmp_path) as server:
        page.goto(server.url)
        assert page.title() == "shop"
        assert page.inner_text("#a") == "one"


def test_chromium_gets_no_sandbox_only_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "--no-sandbox" not in chromium.arguments()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "--no-sandbox" in chromium.arguments()


def test_the_lock_has_the_optional_packages_of_every_platform() -> None:
    """`npm install` may leave out those of other platforms, and then `npm ci` fails."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    named = {
        optional for each in packages.values() for optional in each.get("optionalDependencies", ())
    }
    assert "@cloudflare/workerd-linux-64" in named
    assert [each for each in sorted(named) if f"node_modules/{each}" not in packages] == []
