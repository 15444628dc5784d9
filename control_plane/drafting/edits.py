"""Edits of single offers and values, as text: every other line stays as it was.

`policy_compiler.editing` finds where a value stands in its file and replaces that stretch;
comments, order and blank lines around it remain.  An offer that is there already is changed
field by field, so that only what differs is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from control_plane.drafting.content import Files
from control_plane.errors import Refused
from policy_compiler import nodes
from policy_compiler.editing import EditRefused, Texts, add_item, remove, set_value
from policy_compiler.yaml_text import read_nodes
from policy_compiler.yaml_values import plain

BOM = "\ufeff"


class ValueEdit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`set` what stands at the path (a field that is missing is added), `add` to the list
    there, or `remove`.  Paths are those of diagnostics: `offers[welcome].rungs[p10].percent`.
    A number is written as short as it can be: 15.50 as 15.5."""

    op: Literal["set", "add", "remove"]
    path: Annotated[str, Meta(max_length=500)]
    value: Any = None


def edit_values(files: Files, edits: list[ValueEdit]) -> dict[str, bytes]:
    """The files after all edits, one after the other.  Raises `Refused` edit-refused."""
    return _written(files, lambda texts: _edited(texts, edits))


def put_offer(files: Files, offer: str, fields: Mapping[str, Any]) -> dict[str, bytes]:
    """Make the offer say exactly this; a new one goes to the end of the last list of offers.

    Raises `Refused` edit-refused.
    """
    check_offer_id(offer)
    wanted = value_of(fields)
    if wanted.setdefault("id", offer) != offer:
        raise Refused("edit-refused", f"`id` is {str(wanted['id'])[:80]!a}, not {offer!a}")
    wanted = {"id": offer} | wanted
    return _written(files, lambda texts: _with_offer(texts, offer, wanted))


def remove_offer(files: Files, offer: str) -> dict[str, bytes]:
    """Raises `Refused` unknown-offer or edit-refused."""
    check_offer_id(offer)
    return _written(files, lambda texts: _without_offer(texts, offer))


def check_offer_id(offer: str) -> None:
    """Raises `Refused` edit-refused for an id that a path would take for a position."""
    if offer.isdigit():
        raise Refused("edit-refused", f"the id {offer!a} is a number", help="Edit the file.")


def offer_of(files: Files, offer: str) -> dict[str, Any] | None:
    """The offer as it is written, None if there is none.  Raises `Refused` edit-refused."""
    return _find(_texts(files), offer)


def value_of(value: Any) -> Any:
    """JSON as the catalog's own values: a float stands for its shortest decimal.

    Raises `Refused` edit-refused for what a catalog cannot say.
    """
    try:
        return plain(nodes.nodes_of(value, ""))
    except nodes.Refused as refused:
        raise Refused("edit-refused", f"the value: {refused.found.message}") from None


# --- inside -------------------------------------------------------------------


def _written(files: Files, work: Any) -> dict[str, bytes]:
    """`work` on the files' texts; files that it leaves alone keep their very bytes."""
    texts = _texts(files)
    try:
        after = work(texts)
    except EditRefused as refused:
        raise Refused("edit-refused", refused.problem, help=refused.help) from None
    except RecursionError:
        raise Refused("edit-refused", "a file is nested too deeply to be edited") from None
    changed = {path: text for path, text in after.items() if text != texts.get(path)}
    return {**files, **{path: _encoded(files, path, text) for path, text in changed.items()}}


def _texts(files: Files) -> dict[str, str]:
    return {path: _text(path, data) for path, data in files.items()}


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} of {path} is not UTF-8"
        raise Refused("edit-refused", detail, help="Upload the file anew, in UTF-8.") from None


def _encoded(files: Files, path: str, text: str) -> bytes:
    had_mark = files.get(path, b"").startswith(BOM.encode())
    return ((BOM if had_mark else "") + text).encode()


def _edited(texts: Texts, edits: list[ValueEdit]) -> Texts:
    for edit in edits:
        if edit.op == "remove":
            texts = remove(texts, edit.path).apply(texts)
        else:
            change = set_value if edit.op == "set" else add_item
            texts = change(texts, edit.path, value_of(edit.value)).apply(texts)
    return texts


def _with_offer(texts: Texts, offer: str, wanted: Mapping[str, Any]) -> Texts:
    known = _find(texts, offer)
    if known is None:
        return add_item(texts, "offers", wanted).apply(texts)
    for field in [name for name in known if name not in wanted]:
        texts = remove(texts, _path(offer, field)).apply(texts)
    for field, value in wanted.items():
        if field not in known or not _same(known[field], value):
            texts = set_value(texts, _path(offer, field), value).apply(texts)
    return texts


def _without_offer(texts: Texts, offer: str) -> Texts:
    if _find(texts, offer) is None:
        raise Refused("unknown-offer", f"the draft has no offer {offer[:80]!a}")
    return remove(texts, f"offers[{offer}]").apply(texts)


def _path(offer: str, field: str) -> str:
    escaped = field.replace("\\", "\\\\").replace('"', '\\"')
    return f'offers[{offer}]["{escaped}"]'


def _same(one: Any, other: Any) -> bool:
    """Equal to whoever reads it: 15.00 is 15, but 1 is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _find(texts: Texts, offer: str) -> dict[str, Any] | None:
    for path in sorted(texts):
        if offer not in texts[path]:
            continue
        top, found = read_nodes(texts[path], path)
        if top is None or found:
            first = found[0].message if found else "it cannot be read"
            raise Refused("edit-refused", f"{path}: {first}", help="Mend the file first.")
        offers = plain(top).get("offers")
        for item in offers if isinstance(offers, list) else []:
            if isinstance(item, dict) and item.get("id") == offer:
                return item
    return None
