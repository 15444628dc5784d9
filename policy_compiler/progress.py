"""How far a compile has come, told to whoever wants to show or measure it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of each stage as it begins, and of each of its steps as it is done."""

    def stage(self, name: str, steps: int = 0) -> None:
        """`steps`: how many there will be; 0 where they are not counted."""
        ...

    def advance(self) -> None: ...


class Silent:
    """Nobody watches."""

    def stage(self, name: str, steps: int = 0) -> None: ...

    def advance(self) -> None: ...


SILENT = Silent()
