"""The kernel from Python in Pyodide, through JavaScript: an optional fast path.

    kernel = Bridge(bridge)                         # what edge/browser/pyodide-bridge.js makes
    opened = kernel.open(bundle bytes)              # raises BundleError
    opened.decide(manifest block, encoded request)  # verdict bytes, or RequestError

The same bytes as `edge.decision.decide.decide`, and the interface of `native.py`.
"""

from __future__ import annotations

from typing import Protocol

from edge.decision.errors import BundleError, RequestError


class Answer(Protocol):
    """A Uint8Array."""

    def to_bytes(self) -> bytes: ...


class JsPolicy(Protocol):
    def decide(self, manifest: bytes, request: bytes) -> Answer | str: ...


class JsBridge(Protocol):
    def open(self, bundle: bytes) -> JsPolicy | str: ...


class Bridge:
    def __init__(self, bridge: JsBridge) -> None:
        self.bridge = bridge

    def open(self, bundle: bytes) -> Opened:
        """Raises `BundleError`, never TEXT: notes are not looked at."""
        policy = self.bridge.open(bundle)
        if isinstance(policy, str):
            raise _refused(policy)
        return Opened(policy)


class Opened:
    def __init__(self, policy: JsPolicy) -> None:
        self.policy = policy

    def decide(self, manifest: bytes, request: bytes) -> bytes:
        """Verdict bytes.  Raises `RequestError` ENCODING."""
        verdict = self.policy.decide(manifest, request)
        if isinstance(verdict, str):
            raise _refused(verdict)
        return verdict.to_bytes()


def _refused(said: str) -> BundleError | RequestError:
    """The error that a text such as `RequestError ENCODING` names."""
    kind, code = said.split()
    error = BundleError if kind == "BundleError" else RequestError
    return error(code, "says the kernel")
