"""The shapes of what comes in and goes out, as JSON Schema of OpenAPI 3.1.

They come from the very types that msgspec decodes and encodes, so the document cannot say
anything else than what the server does.  Two things are said in another way for readers
that are no Python: `\\A` and `\\Z` of patterns, and default values of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from control_plane.api.operation import Operation
from control_plane.errors import Problem

Schema = dict[str, Any]
REF = "#/components/schemas/"


BLANKS = r" \t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
DIALECT = ((r"\A", "^"), (r"\Z", "$"), (r"\ud800-\udfff", ""), (r"\s", BLANKS))
"""Whole texts; halves of characters, which no JSON holds, and not every dialect knows; and
in a class the blanks, of which every dialect has its own idea."""


class Schemas:
    """The schemas of all operations' types; Structs are components, told once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        kinds = [Problem, *(kind for one in operations for kind in _kinds(one))]
        # by their repr, since parts of a type (a dict in Meta) need not be hashable
        self._places = {repr(kind): place for place, kind in enumerate(kinds)}
        found, self._components = msgspec.json.schema_components(kinds, ref_template=REF + "{name}")
        self._found = [plainly(schema) for schema in found]
        self._components = {name: plainly(each) for name, each in self._components.items()}
        self._inlined = {
            self._name(kind) for one in operations for kind in (one.params, one.query) if kind
        }

    def of(self, kind: Any) -> Schema:
        return self._found[self._places[repr(kind)]]

    def fields_of(self, kind: type) -> tuple[dict[str, Schema], Sequence[str]]:
        """The fields of a Struct, and the names of those without a default."""
        component = self._components[self._name(kind)]
        return component.get("properties", {}), component.get("required", ())

    def components(self) -> dict[str, Schema]:
        """Without those that are told as parameters."""
        left = {n: each for n, each in self._components.items() if n not in self._inlined}
        return dict(sorted(left.items()))

    def _name(self, kind: type) -> str:
        return self.of(kind)["$ref"].removeprefix(REF)


def _kinds(one: Operation) -> list[Any]:
    told = [one.params, one.query, one.body, *one.answers.values()]
    return [kind for kind in told if kind is not None]


def plainly(schema: Any) -> Any:
    """Patterns as every dialect of regular expressions has them."""
    if isinstance(schema, list):
        return [plainly(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {name: plainly(each) for name, each in schema.items()}
    if isinstance(plain.get("pattern"), str):
        for ours, theirs in DIALECT:
            plain["pattern"] = plain["pattern"].replace(ours, theirs)
    return plain
