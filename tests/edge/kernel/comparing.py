"""The same question to Python and to the kernel, and what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from msgspec import Struct, field

from edge.decision.beacon import GLOBAL_HOLDOUT, HOLDOUT, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle, write_bundle
from edge.decision.decide import decide
from edge.decision.errors import CoreError
from edge.kernel.native import Native, Opened
from fuzz.mutate import spoiled

from .bending import bent
from .made_up_requests import Maker
from .made_up_tables import made_up_tables

SPOILED, SPOILED_BLOCKS = 0.06, 0.02


class Difference(Struct, frozen=True):
    """Where the two differ: enough to make it again."""

    seed: int
    what: str
    python: str
    kernel: str


class Compared(Struct):
    """What was compared, counted by outcome, and where the two differ.

    `slots`: of pairs, those in which some slot has candidates, draws among them, keeps a
    choice, or is held out.
    """

    bundles: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = []

    def add(self, other: Compared) -> None:
        self.bundles += other.bundles
        self.pairs += other.pairs
        self.slots += other.slots
        self.differences += other.differences

    @property
    def decided(self) -> int:
        return sum(self.pairs.values())


def answer(ask: Callable[[], bytes]) -> bytes | str:
    """The bytes, or the error's kind and code."""
    try:
        return ask()
    except CoreError as error:
        return f"{type(error).__name__} {error.code}"


def opened_by_both(kernel: Native, data: bytes) -> tuple[Bundle | str, Opened | str]:
    """The bundle as both opened it, or the code each refused it with."""
    try:
        python: Bundle | str = open_bundle(data)
    except CoreError as error:
        python = error.code
    try:
        native: Opened | str = kernel.open(data)
    except CoreError as error:
        native = error.code
    return python, native


def compare_policy(kernel: Native, seed: int, requests: int, *, manifests: int = 4) -> Compared:
    """A made-up policy, and `requests` decisions on it."""
    random, found = Random(seed), Compared()
    python, native = opened_by_both(kernel, write_bundle(made_up_tables(random)))
    if isinstance(python, str) or isinstance(native, str):
        codes = [each if isinstance(each, str) else "opened" for each in (python, native)]
        found.bundles[codes[0]] += 1
        if codes[0] != codes[1]:
            found.differences.append(Difference(seed, "open", *codes))
        return found
    found.bundles["opened"] += 1
    maker = Maker(python, random)
    for _ in range(manifests):
        manifest = sometimes_spoiled(maker.manifest(), random, SPOILED_BLOCKS)
        for _ in range(requests // manifests):
            request = sometimes_spoiled(maker.request(), random, SPOILED)
            compare_pair(python, native, manifest, request, seed, found)
    return found


def compare_spoiled(kernel: Native, seed: int) -> Compared:
    """A made-up bundle with something wrong in it: refused by both with the same code, or,
    where it is not wrong enough, opened by both and then decided alike."""
    random, found = Random(seed), Compared()
    python, native = opened_by_both(kernel, wrong_bundle(seed, random))
    found.bundles[python if isinstance(python, str) else "opened"] += 1
    if isinstance(native, str) or python == "TEXT":
        if python != (native if isinstance(native, str) else "TEXT"):
            found.differences.append(Difference(seed, "open spoiled", str(python), str(native)))
    elif isinstance(python, str):
        found.differences.append(Difference(seed, "open spoiled", python, "opened"))
    else:
        maker = Maker(python, random)
        for _ in range(4):
            compare_pair(python, native, maker.manifest(), maker.request(), seed, found)
    return found


def wrong_bundle(seed: int, random: Random) -> bytes:
    tables = made_up_tables(random)
    if random.random() < 0.6:
        return bent(tables, random)
    data = write_bundle(tables)
    return spoiled_bytes(data, random) if random.random() < 0.3 else spoiled(data, seed) or data


def sometimes_spoiled(data: bytes, random: Random, share: float) -> bytes:
    return spoiled_bytes(data, random) if random.random() < share else data


def spoiled_bytes(data: bytes, random: Random) -> bytes:
    """Bytes changed, cut off or added somewhere."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(changed) + 1)
        match random.randrange(6):
            case 0:
                del changed[at:]
            case 1:
                changed[at:at] = random.randbytes(random.choice((1, 4, 8)))
            case 2 | 3 | 4:
                changed[at : at + 1] = random.choice((b"\0", b"\1", b"\x7f", b"\xff"))
            case _:
                changed[at : at + 1] = random.randbytes(1)
    return bytes(changed)


def compare_pair(
    python: Bundle, native: Opened, manifest: bytes, request: bytes, seed: int, found: Compared
) -> None:
    """One decision by both; `found` counts it by its outcome."""
    by_python = answer(lambda: decide(python, manifest, request))
    by_kernel = answer(lambda: native.decide(manifest, request))
    found.pairs[outcome(by_python)] += 1
    found.slots.update(kinds_of_slots(by_python))
    if by_python != by_kernel:
        what = f"manifest {manifest.hex()}, request {request.hex()}"
        found.differences.append(Difference(seed, what, _shown(by_python), _shown(by_kernel)))


def outcome(verdict: bytes | str) -> str:
    """What sort of decision this is, told from its first row."""
    if isinstance(verdict, str):
        return verdict
    if len(verdict) == 16:
        return "no slot"
    reason, ghost = verdict[16 + 21], verdict[16 + 37]
    return f"reason {reason if reason not in (6, 7) else ghost}"


def kinds_of_slots(verdict: bytes | str) -> set[str]:
    """What happens in one slot or more, told from the bytes as beacon.py draws them."""
    if isinstance(verdict, str):
        return {"refused"}
    found: set[str] = set()
    for at in range(16, 16 + 64 * int.from_bytes(verdict[6:8], "little"), 64):
        flags, draw = verdict[at + 3], verdict[at + 36]
        found |= {"with candidates"} if any(verdict[at + 40 : at + 44]) else set()
        found |= {("default", "drawn", "kept")[draw]}
        found |= {"held out"} if flags & (GLOBAL_HOLDOUT | HOLDOUT) else set()
    return found


def _shown(answered: bytes | str) -> str:
    if isinstance(answered, str):
        return answered
    try:
        return "\n".join(map(str, unpack_verdict(answered)))
    except CoreError:
        return answered.hex()
