"""From JSON to the encoded request: a normative function with vectors of its own.

* The text is UTF-8 without a byte order mark, at most 64 KiB, nested at most 8
  deep, an object without unknown fields.  Duplicate keys: the last one wins.
* A number is read as an IEEE 754 double; it is a whole number if it has no
  fraction and |n| < 2^53.  So 1.0 and 1e2 are whole, -0 is 0, 2^53 is not.
* bool: true or false.  int, timestamp: a whole number.  decimal: a whole number,
  or a string `-?\\d{1,15}(\\.\\d+)?` with at most `scale` fraction digits.
  string: at most 256 UTF-8 bytes.  set: an array of at most 64 such strings.
  null is absent.  Anything else, anything out of the declared range, and a value
  outside an enumeration makes that attribute invalid, never the request.
* Ill-formed Unicode (a lone surrogate) makes the attribute invalid; in visitor,
  customer, nonce, locale or placement it makes the request invalid.
* Attributes and placements that the policy does not know are reported beside
  the bytes and otherwise ignored.  Derived attributes cannot be sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from . import tables as t
from .bundle import Bundle
from .errors import RequestError
from .hashing import is_part
from .request import (
    CONSENTS,
    FULL,
    INVALID,
    NOW_LIMIT_S,
    NUMBER,
    SET_LIMIT,
    SETS,
    SIZE_LIMIT,
    STRINGS,
    UNKNOWN_ARM,
    Content,
    Held,
    Request,
    Taken,
    pack_request,
)
from .state import CapCount, Kept, State

DEPTH_LIMIT = 8
DECIMAL_TEXT = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]+))?", re.ASCII)
# A string that never ends runs to the end of the text: tried once, so this stays linear.
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Encoded(Struct, frozen=True):
    """The encoded request, and the names in it that this policy does not know."""

    data: bytes
    unknown_placements: tuple[str, ...] = ()
    unknown_attributes: tuple[str, ...] = ()


FIELDS = frozenset(
    [
        "visitor",
        "customer",
        "nonce",
        "locale",
        "consent",
        "now_s",
        "placements",
        "taken",
        "attributes",
        "state",
    ]
)


def encode_request(bundle: Bundle, text: bytes) -> Encoded:
    """The normative function JSON -> encoded request.  Raises `RequestError`."""
    return encode_fields(bundle, read_json(text))


def read_json(text: bytes) -> dict[str, Json]:
    """A JSON object under the rules above.  Raises `RequestError` JSON or SIZE."""
    if len(text) > SIZE_LIMIT:
        raise RequestError("SIZE", f"{len(text)} bytes of JSON; at most {SIZE_LIMIT}")
    try:
        string = text.decode()
        _check_depth(string)
        value = json.loads(
            string, parse_int=_number, parse_float=_number, parse_constant=_no_constant
        )
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError("JSON", str(error)) from None
    if not isinstance(value, dict):
        raise RequestError("JSON", "a request is an object")
    return value


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < t.SAFE else value


def _no_constant(text: str) -> float:
    raise RequestError("JSON", f"{text} is no JSON")


def _check_depth(text: str) -> None:
    depth = 0
    for found in STRING_OR_BRACKET.findall(text):
        if found[0] == '"':
            continue
        depth += 1 if found in "[{" else -1
        if depth > DEPTH_LIMIT:
            raise RequestError("JSON", f"nested deeper than {DEPTH_LIMIT}")


def encode_fields(bundle: Bundle, fields: Mapping[str, Json]) -> Encoded:
    """As `encode_request`, from an object that was read already."""
    request, strangers, unknown_attributes = read_fields(bundle, fields)
    return Encoded(pack_request(request), strangers, unknown_attributes)


def read_fields(
    bundle: Bundle, fields: Mapping[str, Json]
) -> tuple[Request, tuple[str, ...], tuple[str, ...]]:
    """The request itself, and the placements and attributes that are unknown here.  Raises
    `RequestError` as `encode_request` does, apart from SIZE: that is told by packing."""
    if unknown := [name for name in fields if name not in FIELDS]:
        raise RequestError("FIELD", f"unknown field {unknown[0]!a}")
    placements, strangers = _placements(bundle, fields.get("placements"))
    consent = _consent(fields.get("consent"))
    attributes, unknown_attributes = _attributes(bundle, fields.get("attributes"))
    request = Request(
        consent=consent,
        now_s=_now(fields.get("now_s")),
        visitor=_unit(fields, "visitor", required=consent == FULL),
        customer=_unit(fields, "customer"),
        nonce=_unit(fields, "nonce", required=True),
        locale=_locale(fields.get("locale")),
        placements=placements,
        taken=_taken(bundle, fields.get("taken")),
        attributes=attributes,
        state=_state(fields.get("state")),
    )
    return request, strangers, unknown_attributes


def _consent(value: Json | None) -> int:
    if not isinstance(value, str) or value not in CONSENTS:
        raise RequestError("FIELD", "consent must be one of full, contextual, none")
    return CONSENTS.index(value)


def _now(value: Json | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < NOW_LIMIT_S:
        raise RequestError("FIELD", "now_s must be Unix seconds below 2^32")
    return value


def _unit(fields: Mapping[str, Json], name: str, required: bool = False) -> str:
    value = fields.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not is_part(value) or len(value.encode()) > 128:
        raise RequestError("FIELD", f"{name} must be 1 to 128 bytes without control characters")
    return value


def _locale(value: Json | None) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not is_part(value) or len(value.encode()) > 35:
        raise RequestError("FIELD", "locale must be at most 35 bytes, such as en or de-AT")
    return value


def _list(value: Json | None, name: str, limit: int) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > limit:
        raise RequestError("FIELD", f"{name} must be an array of at most {limit}")
    return value


def _placements(bundle: Bundle, value: Json | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    wanted = _list(value, "placements", 64)
    if not wanted or len({str(name) for name in wanted}) != len(wanted):
        raise RequestError("FIELD", "placements must name at least one, none twice")
    rows, strangers = [], []
    for name in wanted:
        if not isinstance(name, str) or not is_part(name):
            raise RequestError("FIELD", "placements must be names")
        row = bundle.placement_rows.get(name)
        strangers.append(name) if row is None else rows.append(row)
    return tuple(sorted(rows)), tuple(strangers)


def _taken(bundle: Bundle, value: Json | None) -> tuple[Taken, ...]:
    taken = []
    for entry in _list(value, "taken", 64):
        if not isinstance(entry, dict) or set(entry) != {"placement", "slot", "arm"}:
            raise RequestError("FIELD", "taken entries have placement, slot and arm")
        placement, slot, arm = entry["placement"], entry["slot"], entry["arm"]
        if not isinstance(placement, str) or not isinstance(arm, str) or not is_part(placement):
            raise RequestError("FIELD", "taken placement and arm must be names")
        row = bundle.placement_rows.get(placement, 0xFFFF)
        taken.append(
            Taken(row, _whole(slot, "slot", 0xFFFF), bundle.arm_rows.get(arm, UNKNOWN_ARM))
        )
    return tuple(taken)


def _whole(value: Json | None, name: str, high: int = 0xFFFFFFFF) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        raise RequestError("FIELD", f"{name} must be a whole number up to {high}")
    return value


def _state(value: Json | None) -> State | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not set(value) <= {"caps", "kept", "overflow"}:
        raise RequestError("FIELD", "state has caps, kept and overflow")
    overflow = value.get("overflow", False)
    if not isinstance(overflow, bool):
        raise RequestError("FIELD", "state.overflow must be a boolean")
    caps = tuple(_cap_count(entry) for entry in _list(value.get("caps"), "state.caps", 48))
    kept = tuple(_kept(entry) for entry in _list(value.get("kept"), "state.kept", 48))
    return State(caps=caps, kept=kept, overflow=overflow)


def _entry(entry: Json, fields: Sequence[str], name: str) -> dict[str, Json]:
    if not isinstance(entry, dict) or set(entry) != set(fields):
        raise RequestError("FIELD", f"{name} entries have {', '.join(fields)}")
    return entry


def _cap_count(value: Json) -> CapCount:
    entry = _entry(value, CapCount.__struct_fields__, "state.caps")
    return CapCount(**{name: _whole(entry[name], name) for name in entry})


def _kept(value: Json) -> Kept:
    entry = _entry(value, Kept.__struct_fields__, "state.kept")
    drawn_by = entry["drawn_by"]
    if not isinstance(drawn_by, str) or not re.fullmatch("[0-9a-f]{32}", drawn_by):
        raise RequestError("FIELD", "state.kept drawn_by must be 32 hexadecimal digits")
    high = {"slot": 0xFFFF, "redraw": 0xFFFF}
    numbers = {
        name: _whole(entry[name], name, high.get(name, 0xFFFFFFFF))
        for name in entry
        if name != "drawn_by"
    }
    return Kept(**numbers, drawn_by=bytes.fromhex(drawn_by))


def _attributes(bundle: Bundle, value: Json | None) -> tuple[tuple[Held, ...], tuple[str, ...]]:
    if value is None:
        return (), ()
    if not isinstance(value, dict):
        raise RequestError("FIELD", "attributes must be an object")
    unknown = tuple(name for name in value if name not in bundle.attribute_rows)
    held = [
        hold(bundle, bundle.attribute_rows[name], content)
        for name, content in value.items()
        if content is not None and name in bundle.attribute_rows
    ]
    return tuple(sorted(held, key=lambda h: h.attribute)), unknown


def hold(bundle: Bundle, row: int, content: Json) -> Held:
    """The form and value of one attribute that was sent."""
    read, form = READERS[bundle.tables.attribute_type[row]]
    value = read(bundle, row, content)
    return Held(row, INVALID) if value is None else Held(row, form, value)


def _read_bool(bundle: Bundle, row: int, content: Json) -> int | None:
    return int(content) if isinstance(content, bool) else None


def _read_int(bundle: Bundle, row: int, content: Json) -> int | None:
    if isinstance(content, bool) or not isinstance(content, int):
        return None
    return _in_range(bundle, row, content)


def _read_decimal(bundle: Bundle, row: int, content: Json) -> int | None:
    scale = bundle.tables.attribute_scale[row]
    if isinstance(content, int) and not isinstance(content, bool):
        return _in_range(bundle, row, content * 10**scale)
    match = DECIMAL_TEXT.fullmatch(content) if isinstance(content, str) else None
    if match is None or len(match[3] or "") > scale:
        return None
    number = int(match[2] + (match[3] or "").ljust(scale, "0"))
    return _in_range(bundle, row, -number if match[1] else number)


def _in_range(bundle: Bundle, row: int, number: int) -> int | None:
    low, high = bundle.tables.attribute_low[row], bundle.tables.attribute_high[row]
    return number if low <= number <= high else None


def _read_string(bundle: Bundle, row: int, content: Json) -> bytes | None:
    data = _utf8(content)
    if data is None or not _is_enumerated(bundle, row, data):
        return None
    return data


def _read_set(bundle: Bundle, row: int, content: Json) -> tuple[bytes, ...] | None:
    if not isinstance(content, list) or len(content) > SET_LIMIT:
        return None
    elements = []
    for element in content:
        data = _utf8(element)
        if data is None or not _is_enumerated(bundle, row, data):
            return None
        elements.append(data)
    return tuple(sorted(set(elements)))


def _utf8(content: Json) -> bytes | None:
    if not isinstance(content, str):
        return None
    try:
        data = content.encode()
    except UnicodeEncodeError:
        return None
    return data if len(data) <= 256 else None


def _is_enumerated(bundle: Bundle, row: int, data: bytes) -> bool:
    tables = bundle.tables
    if not tables.attribute_flags[row] & t.ENUMERATED:
        return True
    return data in bundle.words[row]


Reader = Callable[[Bundle, int, Json], Content | None]
READERS: tuple[tuple[Reader, int], ...] = (
    (_read_bool, NUMBER),
    (_read_int, NUMBER),
    (_read_decimal, NUMBER),
    (_read_string, STRINGS),
    (_read_set, SETS),
    (_read_int, NUMBER),
)
