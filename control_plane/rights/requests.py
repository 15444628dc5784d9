"""A recorded request in clear: rows as names, numbers as they were sent."""

from __future__ import annotations

from typing import Any

from control_plane.rights.mentions import read
from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.request import (
    CONSENTS,
    INVALID,
    NUMBER,
    STRINGS,
    UNKNOWN_ARM,
    Held,
    Request,
    Taken,
)
from edge.decision.state import State


def in_clear(data: bytes, bundle: Bundle | None) -> dict[str, Any]:
    """What a record's request says.  Without its bundle, rows stay numbers.

    A record that this version does not read is given as it is, hexadecimal.
    """
    found = read(data)
    if found is None:
        return {"unreadable": data.hex()}
    _, request = found
    return {
        "time_s": request.now_s,
        "consent": CONSENTS[request.consent],
        "visitor": request.visitor,
        "customer": request.customer,
        "nonce": request.nonce,
        "locale": request.locale,
        "placements": [_placement(row, bundle) for row in request.placements],
        "attributes": _attributes(request, bundle),
        "taken": [_taken(each, bundle) for each in request.taken],
        "state": _state(request.state),
    }


def _attributes(request: Request, bundle: Bundle | None) -> dict[str, Any]:
    names = {row: name for name, row in bundle.attribute_rows.items()} if bundle else {}
    return {
        names.get(held.attribute, f"attribute {held.attribute}"): _value(held, bundle)
        for held in request.attributes
    }


def _value(held: Held, bundle: Bundle | None) -> Any:
    if held.form == INVALID:
        return None
    if held.form == NUMBER:
        assert isinstance(held.value, int)
        return _number(held.attribute, held.value, bundle)
    if held.form == STRINGS:
        assert isinstance(held.value, bytes)
        return held.value.decode(errors="replace")
    assert isinstance(held.value, tuple)
    return [each.decode(errors="replace") for each in held.value]


def _number(attribute: int, value: int, bundle: Bundle | None) -> Any:
    if bundle is None or attribute >= len(bundle.tables.attribute_type):
        return value
    kind, scale = bundle.tables.attribute_type[attribute], bundle.tables.attribute_scale[attribute]
    if kind == t.BOOL:
        return bool(value)
    if kind != t.DECIMAL or not scale:
        return value
    whole, rest = divmod(abs(value), 10**scale)
    return f"{'-' * (value < 0)}{whole}.{rest:0{scale}d}"


def _placement(row: int, bundle: Bundle | None) -> str | int:
    known = bundle is not None and row < len(bundle.placement_rows)
    return bundle.placement_name(row) if bundle and known else row


def _taken(taken: Taken, bundle: Bundle | None) -> dict[str, Any]:
    arm: str | int | None = taken.arm
    if taken.arm == UNKNOWN_ARM:
        arm = None
    elif bundle is not None and taken.arm <= bundle.rows["rung"]:
        arm = bundle.arm_name(taken.arm)
    return {"placement": _placement(taken.placement, bundle), "slot": taken.slot, "arm": arm}


def _state(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    caps = [{"key": c.key, "window": c.window, "count": c.count} for c in state.caps]
    kept = [
        {
            "placement_key": k.placement_key,
            "slot": k.slot,
            "redraw": k.redraw,
            "epoch": k.epoch,
            "arm_key": k.arm_key,
            "drawn_by": k.drawn_by.hex(),
        }
        for k in state.kept
    ]
    return {"caps": caps, "kept": kept, "overflow": state.overflow}
