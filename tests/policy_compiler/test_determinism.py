"""The same catalog gives the same bytes: on every Python, in any order, and in Pyodide.

Each supported Python gets an environment of its own in `.cache/`, with nothing but what
the compiler imports, in the versions that are installed here: a bundle names its tzdata.
"""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

from bench.synthetic import catalog_files
from policy_compiler.compiling import compile_catalog
from policy_compiler.plan import Tiers
from policy_compiler.rules import check_rules
from policy_compiler.source import read_catalog
from tests.support.parts import CACHE, ROOT, MissingPart
from tests.support.pyodide import Pyodide

VERSIONS = ("3.11", "3.12", "3.13")
DISTRIBUTIONS = ("cel-expr-python", "msgspec", "protobuf", "ruamel.yaml", "tzdata")
PROJECTIONS = ("edge", "browser")
STORE = ROOT / "examples" / "store" / "catalog"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The example store, and a shop of 300 generated offers."""
    synthetic = tmp_path_factory.mktemp("catalogs") / "synthetic"
    synthetic.mkdir()
    for name, text in catalog_files(300, per_file=100).items():
        (synthetic / name).write_text(text, encoding="utf-8")
    return [STORE, synthetic]


@pytest.fixture(scope="module")
def digests(folders: list[Path]) -> dict[str, str]:
    return {
        f"{folder.name}/{projection}": compile_catalog(folder, projection=projection).digest
        for folder in folders
        for projection in PROJECTIONS
    }


# --- every Python -------------------------------------------------------------

COMPILE = """
import json, os, random, sys
from pathlib import Path

chance, walk = random.Random(sys.argv[1]), os.walk

def in_any_order(top):
    for where, folders, names in walk(top):
        chance.shuffle(folders)
        chance.shuffle(names)
        yield where, folders, names

os.walk = in_any_order
from policy_compiler.compiling import compile_catalog

print(json.dumps({
    f"{folder.name}/{projection}": compile_catalog(folder, projection=projection).digest
    for folder in map(Path, sys.argv[2:])
    for projection in ("edge", "browser")
}))
"""


@pytest.mark.parametrize("hash_seed", ["0", "20261122"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_gives_the_same_bytes_whatever_the_hash_seed_and_the_order_of_files(
    version: str, hash_seed: str, folders: list[Path], digests: dict[str, str]
) -> None:
    try:
        python = environment(version)
    except MissingPart as problem:
        pytest.fail(str(problem), pytrace=False)
    done = subprocess.run(
        [python, "-c", COMPILE, hash_seed, *map(str, folders)],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests


@cache
def environment(version: str) -> Path:
    """The interpreter of this version's environment; made on first use.  Raises MissingPart."""
    wanted = "\n".join(f"{name}=={metadata.version(name)}" for name in DISTRIBUTIONS)
    folder = CACHE / "pythons" / f"{version}-{sha256(wanted.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        unfinished = folder.with_suffix(f".{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        _run(str(interpreter(version)), "-m", "venv", "--without-pip", str(unfinished))
        pip = [sys.executable, "-m", "pip", "--python", str(unfinished / "bin" / "python")]
        _run(*pip, "install", "-qq", "--disable-pip-version-check", *wanted.split("\n"))
        unfinished.rename(folder)  # whole or not at all
    return folder / "bin" / "python"


def interpreter(version: str) -> Path:
    """A CPython of this version: ours, pyenv's, or one on PATH."""
    for candidate in _candidates(version):
        ask = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(ask, capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    raise MissingPart(
        f"Python {version} is missing, and the compiler must give the same bytes on it."
        f"  With pyenv: `pyenv install {version}`; or put a `python{version}` on PATH."
    )


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
    if found := shutil.which(f"python{version}"):
        yield Path(found)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MissingPart(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-2000:]}")


def test_a_python_that_is_not_there_is_named_with_what_to_install() -> None:
    with pytest.raises(MissingPart, match=r"Python 3\.99 is missing.*pyenv install 3\.99"):
        interpreter("3.99")


# --- other files, the same catalog --------------------------------------------


def test_files_of_other_names_read_in_another_order_give_the_same_bytes(
    folders: list[Path], digests: dict[str, str], tmp_path: Path
) -> None:
    for folder in folders:
        renamed = tmp_path / folder.name
        renamed.mkdir()
        for index, file in enumerate(sorted(folder.glob("*.yaml"), reverse=True)):
            shutil.copy(file, renamed / f"{index:03d}.yaml")
        assert compile_catalog(renamed).digest == digests[f"{folder.name}/edge"]


def test_another_catalog_gives_other_bytes(digests: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(STORE, tmp_path / "store")
    shop = tmp_path / "store" / "shop.yaml"
    text = shop.read_text(encoding="utf-8")
    shop.write_text(
        text.replace("order_value_otherwise: ", "order_value_otherwise: 1"), encoding="utf-8"
    )
    assert compile_catalog(tmp_path / "store").digest != digests["catalog/edge"]


# --- Pyodide ------------------------------------------------------------------
# From the checked rule trees onward the compiler is plain Python over msgspec, and a
# console may run it in a page.

STAGES = ("projecting", "plan", "emit")
ALLOWED = {"msgspec", "tzdata", *sys.stdlib_module_names}


IN_PYODIDE = """
import pickle, sys
from pathlib import Path

PLACE = Path("/compiler")

def main(payload):
    files, checked, projection = pickle.loads(payload)
    for name, data in files.items():
        (PLACE / name).parent.mkdir(parents=True, exist_ok=True)
        (PLACE / name).write_bytes(data)
    if files and str(PLACE) not in sys.path:
        sys.path.insert(0, str(PLACE))
    from edge.decision import tables
    from policy_compiler.emit import emit
    from policy_compiler.plan import plan_of
    from policy_compiler.projecting import project

    catalog, derived, tiers = pickle.loads(checked)
    if projection == "edge":
        return emit(plan_of(catalog, derived, tiers), tables.EDGE_PROJECTION)
    catalog = project(catalog, tiers, derived).catalog
    return emit(plan_of(catalog, derived, tiers), tables.BROWSER_PROJECTION)
"""


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_from_the_checked_rule_trees_onward_pyodide_gives_the_same_bytes(
    projection: str, folders: list[Path], digests: dict[str, str], pyodide: Pyodide
) -> None:
    for folder in folders:
        payload = pickle.dumps((files(), checked(folder), projection))
        data = pyodide.run(IN_PYODIDE, payload)
        assert sha256(data).hexdigest() == digests[f"{folder.name}/{projection}"]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_copy_of_the_checked_catalog_gives_the_same_bytes(
    projection: str, folders: list[Path], digests: dict[str, str]
) -> None:
    """No object in it is the same as before: nothing may depend on identity."""
    home: dict[str, Any] = {}
    exec(IN_PYODIDE, home)
    for folder in folders:
        data = home["main"](pickle.dumps(({}, checked(folder), projection)))
        assert sha256(data).hexdigest() == digests[f"{folder.name}/{projection}"]


def test_from_the_checked_rule_trees_onward_only_msgspec_and_tzdata_are_needed() -> None:
    assert set(modules()) > {"plan", "lower", "emit", "zones"}
    assert not {"cel", "source", "yaml_text"} & set(modules())


def checked(folder: Path) -> bytes:
    """The catalog, the derived attributes and the rule trees; pickled, since MessagePack
    has no decimals."""
    source = read_catalog(folder)
    rules = check_rules(source)
    tiers = {
        offer: Tiers(rule.eligible, rule.applicable, rule.suitable)
        for offer, rule in rules.offers.items()
    }
    return pickle.dumps((source.catalog, rules.derived, tiers))


def files() -> dict[str, bytes]:
    found = {f"policy_compiler/{name}.py": text.encode() for name, text in modules().items()}
    found["policy_compiler/__init__.py"] = b""
    tzdata = Path(str(resources.files("tzdata")))
    for path in [tzdata / "__init__.py", *(tzdata / "zoneinfo").rglob("*")]:
        if path.is_file() and path.suffix not in (".pyc", ".zi", ".tab"):
            found[f"tzdata/{path.relative_to(tzdata).as_posix()}"] = path.read_bytes()
    return found


@cache
def modules() -> dict[str, str]:
    """The stages after checking and all that they import, by name."""
    found: dict[str, str] = {}
    waiting: list[str] = list(STAGES)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (ROOT / "policy_compiler" / f"{name}.py").read_text(encoding="utf-8")
            waiting.extend(_imports(ast.parse(found[name])))
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    """Modules of the compiler that are imported; of others only those allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            package, _, name = module.partition(".")
            if node.level:
                yield module
            elif package == "policy_compiler":
                yield from [name] if name else [alias.name for alias in node.names]
            else:
                assert package in ALLOWED or module.startswith("edge.decision"), module
        elif isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= ALLOWED
