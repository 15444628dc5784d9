"""The kernel as a shared library of this machine, called from CPython.

    kernel = built() or Native(library)
    opened = kernel.open(bundle bytes)              # raises BundleError
    opened.decide(manifest block, encoded request)  # verdict bytes, or RequestError

The same bytes as `edge.decision.decide.decide`, many times faster.  One `Opened` belongs to
one thread at a time.

`python -m edge.kernel.build native` builds the library, beside Python's own compiled files.
It is named by the SHA-256 of its source, so one of another version is never used.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

from edge.decision.errors import BundleError, RequestError

SLACK = 8
REQUEST_CODES = -17
VERDICT_BYTES = 16 + 1024 * (64 + 2 * 32 * 8)
"""`PROFFER_VERDICT_BYTES`."""


HERE = Path(__file__).parent


def sources() -> list[Path]:
    """Files that the kernel is compiled from."""
    return [HERE / "kernel.c", *sorted(HERE.glob("*.h"))]


def library_path() -> Path:
    """Where the library of this source and this platform is, if it is built."""
    digest = sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()
    return HERE / "__pycache__" / f"kernel-{sys.platform}-{digest[:16]}.so"


@cache
def built() -> Native | None:
    """The library, or None where it is not built."""
    path = library_path()
    return Native(path) if path.is_file() else None


class KernelError(RuntimeError):
    """A code that is only the kernel's: its caller did something wrong."""


def raise_code(code: int) -> None:
    """The error that a code of `kernel.h` stands for."""
    for error, first in ((BundleError, -1), (RequestError, REQUEST_CODES)):
        index = first - code
        if 0 <= index < len(error.CODES):
            raise error(error.CODES[index], "says the kernel")
    raise KernelError(f"the kernel answers {code}")


class Native:
    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        address, u32, i32 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32
        text = ctypes.c_char_p
        self.library.proffer_scratch_bytes.argtypes = [address, u32]
        self.library.proffer_scratch_bytes.restype = u32
        self.library.proffer_open.argtypes = [address, u32, address, u32]
        self.library.proffer_open.restype = i32
        self.library.proffer_decide.argtypes = [address, text, u32, text, u32, address, u32]
        self.library.proffer_decide.restype = i32
        self.library.proffer_sha256.argtypes = [text, u32, address]
        self.library.proffer_sha256.restype = None

    def open(self, bundle: bytes) -> Opened:
        """Raises `BundleError`, never TEXT: notes are not looked at."""
        return Opened(self.library, bundle)

    def sha256(self, data: bytes) -> bytes:
        out = ctypes.create_string_buffer(32)
        self.library.proffer_sha256(data, len(data), out)
        return out.raw


class Opened:
    def __init__(self, library: ctypes.CDLL, bundle: bytes) -> None:
        self.library = library
        self.bundle = ctypes.create_string_buffer(bundle, len(bundle) + SLACK)
        self.scratch_bytes: int = library.proffer_scratch_bytes(self.bundle, len(bundle))
        self.scratch = (ctypes.c_uint64 * (self.scratch_bytes // 8 + 1))()
        self.out = ctypes.create_string_buffer(VERDICT_BYTES)
        self.out_view = memoryview(self.out).cast("B")
        code = library.proffer_open(self.bundle, len(bundle), self.scratch, self.scratch_bytes)
        if code:
            raise_code(code)

    def decide(self, manifest: bytes, request: bytes) -> bytes:
        """Verdict bytes.  Raises `RequestError` ENCODING."""
        size = self.library.proffer_decide(
            self.scratch, manifest, len(manifest), request, len(request), self.out, VERDICT_BYTES
        )
        if size < 0:
            raise_code(size)
        return bytes(self.out_view[:size])
