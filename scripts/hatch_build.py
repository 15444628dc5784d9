"""A wheel carries the example catalogs, so that `proffer demo` runs without a checkout.

In a wheel they are `policy_compiler/_examples/`; in a checkout, and so in an
editable install, they are `examples/`.  Plain `force-include` would also copy
them into the editable install, where they would grow stale unnoticed.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Examples(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"]["examples"] = "policy_compiler/_examples"
            # where the examples' editor comments look for it
            build_data["force_include"]["schema"] = "policy_compiler/schema"
