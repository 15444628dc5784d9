"""The trust vectors in CPython: the server's own home, real HTTP, real files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import local_home
from edge.decision.errors import TrustError
from edge.local_home import LocalHome, write_whole
from tests.conformance.trust.generate import FILE, as_bytes, made, stored
from tests.conformance.trust.lying import AT_ONCE, PATIENCE_S, lying
from tests.conformance.trust.stories import Outcome, Step, Vector, expected
from tests.conformance.trust.telling import tell

VECTORS = stored()
ATTACKS = {
    "rollback", "fast-forward", "indefinite freeze", "endless data", "slow retrieval",
    "mix and match", "wrong software", "arbitrary software", "key compromise", "fork",
    "stripped signature", "wrong algorithm", "embedded key", "hostile storage", "restart",
}  # fmt: skip
NOWHERE = "http://127.0.0.1:9"


class ToldLocalHome(LocalHome):
    """The server's home in another time, asking another place at each step."""

    def __init__(self, address: str, data: Path) -> None:
        super().__init__(address, NOWHERE, data)
        self._address = address
        self._now_s = 0

    async def turn(self, vector: str, index: int, step: Step) -> None:
        self._now_s = step.now_s
        self._control_url = NOWHERE if step.down else f"{self._address}/{vector}/{index}"
        for path, name in step.kept.items():
            write_whole(self._file(path), VECTORS.files[name].data)

    def now_s(self) -> int:
        return self._now_s


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Outcome]]]:
    folder = tmp_path_factory.mktemp("kept")

    async def one(vector: Vector, url: str, turn: asyncio.Semaphore) -> list[Outcome]:
        async with turn:
            home = ToldLocalHome(url, folder / vector.id)
            try:
                return await tell(VECTORS, vector, home)
            finally:
                await home.close()

    async def all_at_once(url: str) -> list[list[Outcome]]:
        turn = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(one(vector, url, turn) for vector in VECTORS.vectors))

    with pytest.MonkeyPatch.context() as patch, lying(VECTORS) as url:
        patch.setattr(local_home, "CONTROL_TIMEOUT_S", PATIENCE_S)
        told = asyncio.run(all_at_once(url))
        yield {vector.id: one for vector, one in zip(VECTORS.vectors, told, strict=True)}


@pytest.mark.parametrize("vector", VECTORS.vectors, ids=lambda vector: vector.id)
def test_the_servers_edge_does_what_the_vector_says(
    outcomes: dict[str, list[Outcome]], vector: Vector
) -> None:
    assert outcomes[vector.id] == [expected(step) for step in vector.steps], vector.description


# --- the vectors themselves ---------------------------------------------------


def test_the_vectors_are_those_that_the_generator_writes() -> None:
    assert as_bytes(made()) == FILE.read_bytes(), "python -m tests.conformance.trust.generate"


def test_there_are_enough_of_them_and_enough_are_accepted() -> None:
    assert len(VECTORS.vectors) >= 60
    assert sum(vector.accepted for vector in VECTORS.vectors) >= 15


def test_every_attack_and_every_refusal_has_its_vector() -> None:
    assert {vector.attack for vector in VECTORS.vectors} >= ATTACKS
    codes = {step.refused for vector in VECTORS.vectors for step in vector.steps}
    # TOO_LARGE never comes as far as that: a home reads no more than it may.
    assert codes == set(TrustError.CODES) - {"TOO_LARGE"} | {""}


def test_what_is_accepted_runs_and_what_is_not_changes_nothing() -> None:
    for vector in VECTORS.vectors:
        last = vector.steps[-1]
        assert vector.accepted == (bool(last.runs) and not last.refused and _reached(last)), vector
        if not vector.accepted and len(vector.steps) > 1 and not last.restart:
            assert last.runs == vector.steps[-2].runs, vector.id


def _reached(step: Step) -> bool:
    return step.down or not step.unreachable


def test_the_readme_names_every_attack_and_field() -> None:
    readme = FILE.with_name("README.md").read_text()
    for attack in {vector.attack for vector in VECTORS.vectors}:
        assert f"| {attack} |" in readme, attack
    for kind in (Step, Vector, type(VECTORS)):
        for name in kind.__struct_fields__:
            assert f"`{name}`" in readme, name
