"""The isolate's home for `telling.py`: its fetching and its cryptography are the real ones."""

from __future__ import annotations

from edge.isolate import sources
from edge.isolate.home import IsolateHome
from edge.isolate.platform import Platform
from edge.isolate.settings import Addresses
from edge.isolate.sources import Address, PatientSource

try:
    from tests.conformance.trust.stories import Step, Vectors
except ImportError:  # beside the edge, where there are no tests
    from edge.stories import Step, Vectors  # pyright: ignore[reportMissingImports]

NOWHERE = "http://127.0.0.1:9"


class ToldIsolateHome(IsolateHome):
    def __init__(
        self, platform: Platform, vectors: Vectors, address: str, patience_s: float
    ) -> None:
        super().__init__(platform, lambda name: None, Addresses())
        sources.PATIENCE_S = patience_s
        self._vectors = vectors
        self._address = address
        self._now_s = 0
        self._files: dict[str, bytes] = {}

    async def turn(self, vector: str, index: int, step: Step) -> None:
        if index == 0:
            self._files.clear()
        self._now_s = step.now_s
        self._files |= {path: self._vectors.files[name].data for path, name in step.kept.items()}
        address = NOWHERE if step.down else f"{self._address}/{vector}/{index}/v1"
        self._source = PatientSource(self._platform, Address(self._platform, address))

    def now_s(self) -> int:
        return self._now_s

    async def load(self, path: str) -> bytes | None:
        return self._files.get(path)

    async def save(self, path: str, signed: bytes) -> None:
        self._files[path] = signed
