"""The harness that runs edge/decision in Pyodide, by itself: does it tell the truth?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import pyodide as harness
from tests.support.parts import ROOT
from tests.support.pyodide import Pyodide, PyodideError

ECHO = "def main(payload): return payload"


def test_python_there_is_pyodide_with_the_real_msgspec(pyodide: Pyodide) -> None:
    said = pyodide.run(
        "import sys, msgspec, msgspec._core\n"
        "class Seen(msgspec.Struct):\n"
        "    platform: str\n"
        "    version: str\n"
        "    core: str\n"
        "def main(payload):\n"
        "    seen = Seen(sys.platform, msgspec.__version__, msgspec._core.__file__)\n"
        "    return msgspec.json.encode(seen)\n"
    )
    assert b'"platform":"emscripten"' in said
    assert f'"version":"{harness.MSGSPEC}"'.encode() in said
    assert b"wasm32-emscripten.so" in said


@pytest.mark.parametrize("size_bytes", [0, 1, 255, 65_536, 3_000_001])
def test_bytes_come_back_as_they_were(pyodide: Pyodide, size_bytes: int) -> None:
    payload = bytes(range(256)) * (size_bytes // 256 + 1)
    assert pyodide.run(ECHO, payload[:size_bytes]) == payload[:size_bytes]


def test_the_mounted_core_is_the_checkouts_own_to_the_byte(pyodide: Pyodide) -> None:
    there = pyodide.run(
        "import hashlib, pathlib, edge\n"
        "def main(payload):\n"
        "    home = pathlib.Path(edge.__file__).parent\n"
        "    files = sorted(p for p in home.rglob('*') if p.is_file() and p.suffix != '.pyc')\n"
        "    digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()\n"
        "    return '\\n'.join(f'{p.relative_to(home)} {digest(p)}' for p in files).encode()\n"
    )
    assert there.decode().splitlines() == [
        f"{path.relative_to(ROOT / 'edge')} {_sha256(path)}" for path in _core_files()
    ]


def test_every_module_of_the_core_can_be_imported_there(pyodide: Pyodide) -> None:
    names = pyodide.run(
        "import importlib, pkgutil, edge.decision\n"
        "def main(payload):\n"
        "    found = pkgutil.walk_packages(edge.decision.__path__, 'edge.decision.')\n"
        "    return ' '.join(importlib.import_module(m.name).__name__ for m in found).encode()\n"
    )
    modules = {p.stem for p in _core_files() if p.suffix == ".py" and p.name != "__init__.py"}
    assert {name.rpartition(".")[2] for name in names.decode().split()} == modules


def test_a_module_keeps_what_it_made_between_calls(pyodide: Pyodide) -> None:
    counting = (
        "calls = []\ndef main(payload):\n    calls.append(payload)\n    return bytes([len(calls)])"
    )
    assert [pyodide.run(counting), pyodide.run(counting)] == [b"\x01", b"\x02"]


def test_what_python_prints_does_not_disturb_the_answer(pyodide: Pyodide) -> None:
    loud = (
        "import sys\n"
        "def main(payload):\n"
        "    print('x' * 100_000); print('y', file=sys.stderr)\n"
        "    return payload\n"
    )
    assert pyodide.run(loud, b"quiet") == b"quiet"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def main(payload): return 1 // len(payload)", "ZeroDivisionError"),
        ("def main(payload): raise ValueError('v' * 1_000_000 + ' at the end')", "v at the end"),
        ("def main(payload): return 'text'", "TypeError: main() returned str, not bytes"),
        ("def main(payload): raise SystemExit(3)", "SystemExit: 3"),
        ("def main(payload: return", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("other = 1", "KeyError: 'main'"),
    ],
)
def test_an_error_arrives_short_and_the_home_goes_on(
    pyodide: Pyodide, source: str, said: str
) -> None:
    with pytest.raises(PyodideError) as error:
        pyodide.run(source)
    assert said in str(error.value)
    assert len(str(error.value)) <= harness.ERROR_CHARS
    assert pyodide.run(ECHO, b"still here") == b"still here"


@pytest.fixture
def own_home() -> Iterator[Pyodide]:
    home = harness.boot()
    yield home
    home.close()


def test_an_endless_loop_is_stopped_and_said_so(own_home: Pyodide) -> None:
    with pytest.raises(PyodideError, match=r"No answer within 1 s"):
        own_home.run("def main(payload):\n    while True: pass", timeout_s=1)
    with pytest.raises(PyodideError):
        own_home.run(ECHO)


def test_a_broken_core_fails_the_boot_with_the_end_of_what_node_said(tmp_path: Path) -> None:
    with pytest.raises(PyodideError) as error:
        harness.boot(checkout=tmp_path)
    assert "no such file" in str(error.value)
    assert len(str(error.value)) < harness.ERROR_CHARS + 100


def test_the_standard_library_there_is_bytecode_of_that_interpreter(pyodide: Pyodide) -> None:
    said = pyodide.run(
        "import importlib.util, json.decoder, zipfile\n"
        "def main(payload):\n"
        "    place, _, name = json.decoder.__file__.partition('.zip/')\n"
        "    head = zipfile.ZipFile(place + '.zip').read(name)[:4]\n"
        "    return name.encode() + b' ' + str(head == importlib.util.MAGIC_NUMBER).encode()\n"
    )
    assert said == b"json/decoder.pyc True"


def _core_files() -> list[Path]:
    core = [ROOT / "edge" / "__init__.py", *(ROOT / "edge" / "decision").rglob("*")]
    return sorted(p for p in core if p.is_file() and "__pycache__" not in p.parts)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
