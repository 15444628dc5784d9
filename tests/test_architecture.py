"""The house rules that a reader relies on, held by looking at every file.

Imports run  control_plane -> policy_compiler -> edge.decision , never back.

    R1  a package imports, of ours, only what DIRECTION allows it
    R2  edge/decision: relative imports that stay inside, the standard library
        without clocks, chance and I/O, and msgspec; no other package
    R3  only edge/worker.py imports Cloudflare's and Pyodide's modules
    R4  numpy stays in the control plane's learning and measurement
    R5  edge/decision computes in integers: no float literal, no true division
    R6  no file of code is longer than 450 lines
    R7  no machine's paths and no registry's hosts in any text file
    R8  no test can be skipped or expected to fail; nothing is left unwritten

Every rule is a function from a tree of files to findings "file:line: what is
wrong".  The second half of this file plants a violation of each rule and looks
for it, so that a rule that has gone blind fails too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.parts import ROOT

PACKAGES = ("edge", "policy_compiler", "control_plane")

DIRECTION = {
    "edge": ("edge",),
    "policy_compiler": ("policy_compiler", "edge.decision"),
    "control_plane": ("control_plane", "policy_compiler", "edge.decision"),
}

STARTS_THE_EDGE = ("control_plane/cli", "control_plane/demo", "control_plane/simulat")
"""The command line starts whole homes of the edge: these files may import all of `edge`."""

PLATFORM_MODULES = {"js", "pyodide", "workers"}
NUMPY_PLACES = ("control_plane/learning", "control_plane/measurement")
IMPURE = (
    {"datetime", "random", "secrets", "time", "uuid", "zoneinfo"}  # clocks and chance
    | {"http", "select", "selectors", "socket", "ssl", "urllib"}  # the network
    | {"io", "os", "pathlib", "shutil", "tempfile"}  # files
    | {"asyncio", "multiprocessing", "queue", "signal", "subprocess", "threading"}
)
CODE = {".py", ".js", ".mjs", ".c", ".h", ".sh"}
LINES_MAX = 450

MACHINE = re.compile(
    r"(?<![\w.:/-])/(?:work|root|tmp|opt|Users|home/\w+|mnt)/\w"
    r"|(?:registry\.npmjs|pypi|files\.pythonhosted)\.org"
)
EVASIVE = {"skip", "skipif", "skipIf", "skipTest", "xfail", "importorskip", "expectedFailure"}
NOT_OURS = {"node_modules", "var", "build", "dist", "__pycache__"}


# --- reading the tree ---------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One imported name: `from ..a import b` in edge/decision/x.py is "edge.a.b"."""

    name: str
    relative: bool
    line: int

    def within(self, *packages: str) -> bool:
        return any(self.name == p or self.name.startswith(f"{p}.") for p in packages)

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def files(root: Path, *folders: str) -> Iterator[tuple[str, Path]]:
    """(path relative to root, path) of every file of ours in the folders, or in the whole tree."""
    for folder in folders or (".",):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            hidden = any(part.startswith(".") and part != ".ci" for part in relative.parts)
            if path.is_file() and not hidden and not NOT_OURS & set(relative.parts):
                yield relative.as_posix(), path


def modules(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    for name, path in files(root, *folders):
        if name.endswith(".py"):
            yield name, _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def imports(name: str, tree: ast.Module) -> Iterator[Import]:
    """Every import of a file: also inside functions, under TYPE_CHECKING, and by import_module."""
    package = name.split("/")[:-1]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, False, node.lineno) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                base = [*base, *([module] if module else [])]
                for alias in names:
                    yield Import(".".join([*base, alias.name]), level > 0, node.lineno)
            case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]):
                if ast.unparse(func).endswith(("import_module", "__import__")):
                    yield Import(module, module.startswith("."), node.lineno)


# --- the rules ----------------------------------------------------------------

Rule = Callable[[Path], Iterator[str]]


def imports_run_one_way(root: Path) -> Iterator[str]:
    for name, tree in modules(root, *PACKAGES):
        package = name.partition("/")[0]
        allowed = DIRECTION[package] + (("edge",) if name.startswith(STARTS_THE_EDGE) else ())
        for found in imports(name, tree):
            if found.top in (*PACKAGES, "tests") and not found.within(*allowed):
                yield f"{name}:{found.line}: imports {found.name}; {package} may use {allowed}"


def the_core_is_pure(root: Path) -> Iterator[str]:
    standard = set(sys.stdlib_module_names) - IMPURE
    for name, tree in modules(root, "edge/decision"):
        for found in imports(name, tree):
            if found.relative:
                allowed = found.within("edge.decision")
            else:
                allowed = found.top in standard or found.top == "msgspec"
            if not allowed:
                yield f"{name}:{found.line}: imports {found.name}; the core may not"


def platforms_stay_in_the_worker(root: Path) -> Iterator[str]:
    for name, tree in modules(root, *PACKAGES):
        for found in imports(name, tree):
            if found.top in PLATFORM_MODULES and name != "edge/worker.py":
                yield f"{name}:{found.line}: imports {found.name}; only edge/worker.py may"


def numpy_stays_in_learning(root: Path) -> Iterator[str]:
    for name, tree in modules(root, *PACKAGES):
        for found in imports(name, tree):
            if found.top == "numpy" and not name.startswith(NUMPY_PLACES):
                yield f"{name}:{found.line}: imports numpy; only {NUMPY_PLACES} may"


def the_core_counts_in_integers(root: Path) -> Iterator[str]:
    for name, tree in modules(root, "edge/decision"):
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=float()):
                    yield f"{name}:{node.lineno}: float literal {ast.unparse(node)}"
                case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                    yield f"{name}:{node.lineno}: true division; use // on integers"


def files_stay_short(root: Path) -> Iterator[str]:
    for name, path in files(root, *PACKAGES, "examples", "tests", "scripts"):
        if path.suffix in CODE and not name.endswith((".min.js", ".min.mjs")):
            length = len(path.read_bytes().splitlines())
            if length > LINES_MAX:
                yield f"{name}:{length}: {length} lines; at most {LINES_MAX}"


def no_machine_is_named(root: Path) -> Iterator[str]:
    for name, path in files(root):
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for line, text in enumerate(data.decode(errors="replace").splitlines(), 1):
            if found := MACHINE.search(text):
                yield f"{name}:{line}: names a machine or a registry: {found[0]}"


def nothing_is_evaded(root: Path) -> Iterator[str]:
    for name, tree in modules(root, *PACKAGES, "tests"):
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=word) if name.startswith("tests/") and word in EVASIVE:
                    yield f"{name}:{node.lineno}: {word}: a test runs, or it goes"
                case ast.Raise(exc=ast.Name(id="NotImplementedError") as exc):
                    yield f"{name}:{exc.lineno}: left unwritten"
                case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError") as exc)):
                    yield f"{name}:{exc.lineno}: left unwritten"


RULES: list[Rule] = [
    imports_run_one_way,
    the_core_is_pure,
    platforms_stay_in_the_worker,
    numpy_stays_in_learning,
    the_core_counts_in_integers,
    files_stay_short,
    no_machine_is_named,
    nothing_is_evaded,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rule(rule: Rule) -> None:
    findings = list(rule(ROOT))
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


# --- do the rules see? --------------------------------------------------------

HOME_PATH = "/" + "root/secret"

PLANTED: list[tuple[Rule, str, str, str]] = [
    # rule, file, its text, the expected "file:line"
    (imports_run_one_way, "edge/app.py", "import control_plane.app", "edge/app.py:1"),
    (imports_run_one_way, "edge/app.py", "\nfrom policy_compiler import lower", "edge/app.py:2"),
    (imports_run_one_way, "edge/app.py", "def f():\n    import tests.support", "edge/app.py:2"),
    (imports_run_one_way, "edge/x.py", "__import__('policy_compiler')", "edge/x.py:1"),
    (imports_run_one_way, "policy_compiler/a.py", "import control_plane", "policy_compiler/a.py:1"),
    (imports_run_one_way, "policy_compiler/a.py", "import edge.app", "policy_compiler/a.py:1"),
    (imports_run_one_way, "policy_compiler/a.py", "from edge import app", "policy_compiler/a.py:1"),
    (imports_run_one_way, "policy_compiler/a.py", "import edge", "policy_compiler/a.py:1"),
    (imports_run_one_way, "control_plane/a.py", "from edge.local import f", "control_plane/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "import edge.decision.b", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "from ..app import serve", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "from .. import app", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "from ... import tests", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/b/c.py", "from ...app import x", "edge/decision/b/c.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "import numpy as np", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "from time import time", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "import os.path", "edge/decision/a.py:1"),
    (the_core_is_pure, "edge/decision/a.py", "if x:\n  import random", "edge/decision/a.py:2"),
    (platforms_stay_in_the_worker, "edge/app.py", "from js import Response", "edge/app.py:1"),
    (platforms_stay_in_the_worker, "edge/local.py", "import workers", "edge/local.py:1"),
    (numpy_stays_in_learning, "control_plane/app.py", "import numpy", "control_plane/app.py:1"),
    (the_core_counts_in_integers, "edge/decision/a.py", "\nx = 0.5", "edge/decision/a.py:2"),
    (the_core_counts_in_integers, "edge/decision/a.py", "x = a / b", "edge/decision/a.py:1"),
    (the_core_counts_in_integers, "edge/decision/a.py", "x /= 2", "edge/decision/a.py:1"),
    (files_stay_short, "edge/app.py", "x = 1\n" * 451, "edge/app.py:451"),
    (files_stay_short, "edge/kernel/k.c", "\n" * 451, "edge/kernel/k.c:451"),
    (no_machine_is_named, "docs/a.md", f"\nlook in {HOME_PATH}", "docs/a.md:2"),
    (no_machine_is_named, "Makefile", f"cp x {HOME_PATH}", "Makefile:1"),
    (no_machine_is_named, "p.json", '"https://registry.npmjs' + '.org/x"', "p.json:1"),
    (nothing_is_evaded, "tests/test_a.py", "\n@pytest.mark.skip\ndef f(): 0", "tests/test_a.py:2"),
    (nothing_is_evaded, "tests/edge/a.py", "pytest.importorskip('js')", "tests/edge/a.py:1"),
    (nothing_is_evaded, "edge/a.py", "raise NotImplementedError", "edge/a.py:1"),
    (nothing_is_evaded, "edge/a.py", "raise NotImplementedError('x')", "edge/a.py:1"),
]


@pytest.mark.parametrize(("rule", "name", "text", "place"), PLANTED)
def test_a_planted_violation_is_found_with_file_and_line(
    tmp_path: Path, rule: Rule, name: str, text: str, place: str
) -> None:
    _write(tmp_path, name, text)
    (finding,) = rule(tmp_path)
    assert finding.startswith(f"{place}: ")


ALLOWED = {
    "edge/app.py": "import time, asyncio\nfrom edge.decision.decide import decide\nx = 0.5",
    "edge/worker.py": "import js\nfrom workers import Response\nfrom . import app",
    "edge/decision/a.py": "import msgspec, hashlib\nfrom . import b\nfrom .b import c\nx = 7 // 2",
    "edge/decision/deep/d.py": "from ..a import x\nfrom collections.abc import Iterator",
    "policy_compiler/a.py": "from edge import decision\nimport edge.decision.bundle",
    "control_plane/app.py": "import starlette, policy_compiler.lower\nfrom edge.decision import a",
    "control_plane/cli.py": "from edge.local import serve",
    "control_plane/learning/fit.py": "import numpy as np",
    "control_plane/console/static/htmx.min.js": "\n" * 1000,
    "docs/a.md": "/work is hard; see ./tmp/x, https://example.com/root/x and /_proffer/decide",
    "var/data.txt": HOME_PATH,
    "node_modules/a/b.js": HOME_PATH,
    ".venv/a.py": HOME_PATH,
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_well_kept_house_has_no_findings(tmp_path: Path, rule: Rule) -> None:
    for name, text in ALLOWED.items():
        _write(tmp_path, name, text)
    assert list(rule(tmp_path)) == []


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
