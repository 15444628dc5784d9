"""Passwords: hashed with argon2id, and compared in the same time whoever is asked for.

A hash is made to be dear, so it is a way to wear a server out, too: no more than
`AT_ONCE` are computed at a time, and no more than `WAITING` wait for their turn.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from control_plane.errors import Refused

LENGTH_LEAST = 12
LENGTH_MAX = 256
AT_ONCE = 4
WAITING = 64


class Passwords:
    """Hashing with these costs; hashes of other costs are still understood."""

    def __init__(self, passes: int, memory_kib: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)

    def hashed(self, password: str) -> str:
        with self._turn():
            return self._hasher.hash(_normal(password))

    def is_right(self, stored: str, password: str) -> bool:
        """Whether the password belongs to the hash; "" is of nobody, and takes as long."""
        with self._turn():
            nobodys = self._nobodys  # made for the first attempt, whoever it is for
            try:
                found = self._hasher.verify(stored or nobodys, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return found and bool(stored)

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other costs than those of today."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobodys(self) -> str:
        """What is compared with where there is no hash: as dear as a real one, never right."""
        return self._hasher.hash(secrets.token_urlsafe(32))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Refused("busy", "too many passwords are being checked", headers=RETRY)
        try:
            with self._turns:
                yield
        finally:
            self._places.release()


RETRY = {"Retry-After": "2"}


def check_good(password: str, name: str) -> None:
    """Raises `Refused` weak-password.  Long beats complicated, so length is what counts."""
    length = len(_normal(password))
    if length < LENGTH_LEAST:
        raise Refused("weak-password", f"it has {length} characters, fewer than {LENGTH_LEAST}")
    if length > LENGTH_MAX:
        raise Refused("weak-password", f"it has {length} characters, more than {LENGTH_MAX}")
    plain = _normal(password).casefold()
    if len(set(plain)) < 5:
        raise Refused("weak-password", "it is a few characters again and again")
    if name and plain.replace(name.casefold(), "").strip("0123456789!?.-_ ") == "":
        raise Refused("weak-password", "it is the name, or the name with digits")


def _normal(password: str) -> str:
    """One text, however a keyboard composes it; halves of characters become marks."""
    return unicodedata.normalize("NFKC", password).encode(errors="replace").decode()
