"""A catalog as its author wrote it: objects, and the place of each in the files.

    source = read_catalog(Path("examples/store"))
    source.catalog                          the Catalog, or None if anything is wrong
    source.diagnostics                      everything that is wrong, at once
    source.position("offers[3].eligible")   ("offers.yaml", 41, 15)

All .yaml and .yml files below the folder are merged: mappings key by key (a key
given twice is an error that names both places), lists of offers one after the
other, files in the order of their names.  Hidden files and folders are left
alone.  Objects are converted one by one, so that one broken offer hides no
other error: `parts` holds all that could be read, `named` the names of all
objects, broken or not.

Invariant: whatever the files hold, `read_catalog` returns; it never raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Sequence_
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from .cache import Cache
from .catalog import (
    Attribute,
    Budget,
    Catalog,
    Cel,
    Group,
    Model,
    Offer,
    Placement,
    SelfTest,
    Shop,
)
from .conversion import BROKEN, convert, report_unknown, step
from .diagnostics import Diagnostic, Place, errors_of, in_order, make
from .items import Item, KnownOffer, Listed, head_of, split
from .names import is_attribute_name, is_name, is_rule_name
from .nodes import AnyNode, Entry, Mapping, Refused, Scalar, Sequence, nodes_of
from .paths import node_of, place_at, place_of, walk
from .progress import SILENT, Progress
from .spelling import offset_in_file
from .yaml_text import read_nodes

OFFERS_MAX = 10_000
FILE_SIZE_MAX_BYTES = 8 * 1024 * 1024
RULE_FIELDS = ("eligible", "applicable", "suitable")


class Kind(Struct, frozen=True):
    """A top-level mapping of named objects."""

    type: Any
    named_well: Callable[[str], bool]


KINDS: dict[str, Kind] = {
    "attributes": Kind(Attribute, is_attribute_name),
    "rules": Kind(Cel, is_rule_name),
    "groups": Kind(Group, is_name),
    "budgets": Kind(Budget, is_name),
    "models": Kind(Model, is_name),
    "placements": Kind(Placement, is_name),
    "tests": Kind(SelfTest, is_name),
}
TOP = ("shop", *KINDS, "offers")
REQUIRED = ("shop", "attributes", "placements", "offers")


class Parts(Struct):
    """The objects that could be read; an offer is keyed by its index in the catalog."""

    shop: Shop | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    rules: dict[str, Cel] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)
    tests: dict[str, SelfTest] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)


class Source(Struct):
    """What reading gave.  `catalog` is None exactly if a diagnostic is an error."""

    catalog: Catalog | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    parts: Parts = field(default_factory=Parts)
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    """Kind -> names of all its objects; "offers" -> offer ids, "files" -> files read."""
    rule_texts: dict[str, str] = field(default_factory=dict)
    """Path -> CEL text, of named rules and of offers."""
    offer_ids: dict[int, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """File -> its text, for excerpts."""
    unreadable: bool = False
    """A whole file is missing, so nothing can be said about references."""
    root: Mapping = field(default_factory=lambda: Mapping(place=Place("", 1, 1)))
    """All files' keys, merged; the items of `offers` stand apart:"""
    offers: list[AnyNode | Item] = field(default_factory=list)

    def position(self, path: str) -> Place:
        """The place of a catalog path, or of the nearest object around it."""
        place = self.root.place
        for found in walk(self.root, self.offers, path):
            place = place_of(found)
        return place

    def position_in(self, path: str, offset: int) -> Place:
        """The place of the character at `offset` (code points) of the text at `path`."""
        node = self._scalar(path)
        text = self.texts.get(node.place.file) if node else None
        if node is None or text is None:
            return self.position(path)
        index = offset_in_file(text[node.start : node.end], node.text, node.style, offset)
        return node.place if index is None else place_at(text, node.start + index, node.place.file)

    def _scalar(self, path: str) -> Scalar | None:
        steps = list(walk(self.root, self.offers, path))
        last = steps[-1] if steps else None
        node = last.node if isinstance(last, Entry) else last
        return node if isinstance(node, Scalar) else None


def read_catalog(
    folder: Path, *, cache: Cache | None = None, progress: Progress = SILENT
) -> Source:
    """Read, merge and convert a folder of YAML (or a single file)."""
    reading = _Reading(cache, progress)
    reading.read(folder)
    return reading.source()


def read_texts(folder: Path) -> dict[str, str]:
    """The text of every file that can be read, for excerpts."""
    reading = _Reading()
    reading.read_files(folder)
    return reading.texts


def source_of_objects(objects: object, name: str = "catalog") -> Source:
    """The same from plain objects, as an API body or a console form gives them."""
    reading = _Reading()
    try:
        top = nodes_of(objects, name)
        if not isinstance(top, Mapping):
            raise Refused(make("P112", top.place, "", "The catalog must be an object."))
        reading.tops.append(Top(top))
    except Refused as refused:
        reading.found.append(refused.found)
        reading.unreadable = True
    return reading.source()


# --- reading ------------------------------------------------------------------


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def catalog_files(folder: Path) -> Iterator[Path]:
    """The .yaml and .yml files below a folder, in the order in which they are merged."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(where, name)
            for name in names
            if name.endswith((".yaml", ".yml")) and not name.startswith(".")
        ]
    yield from sorted(found, key=lambda file: file.relative_to(folder).as_posix())


class Top(Struct, frozen=True):
    """A file's keys; and its offers, if they are read one by one."""

    keys: Mapping
    items: list[Item] | None = None


_decode_offer = msgspec.msgpack.Decoder(KnownOffer).decode


class _Reading:
    """The state of one read: tops of files, then one merged top, then objects."""

    def __init__(self, cache: Cache | None = None, progress: Progress = SILENT) -> None:
        self.found: list[Diagnostic] = []
        self.tops: list[Top] = []
        self.texts: dict[str, str] = {}
        self.offers: list[AnyNode | Item] = []
        self.unreadable = False
        self.cache = cache
        self.progress = progress

    def read_files(self, folder: Path) -> None:
        files = [folder] if folder.is_file() else list(catalog_files(folder))
        if not files:
            place = Place(_printable(str(folder)), 1, 1)
            self._refuse("P101", place, f"No .yaml file in {_printable(str(folder))}.")
        base = folder.parent if folder.is_file() else folder
        for file in files:
            self._read_file(file, _printable(file.relative_to(base).as_posix()))

    def read(self, folder: Path) -> None:
        self.read_files(folder)
        listed = {name: split(text, name) for name, text in self.texts.items()}
        if self._too_many([item for each in listed.values() if each for item in each.items]):
            return
        self.progress.stage("reading", sum(len(each.items) for each in listed.values() if each))
        for name, text in self.texts.items():
            self._read_text(text, name, listed[name])

    def _read_file(self, file: Path, name: str) -> None:
        place = Place(name, 1, 1)
        try:
            if file.exists() and not file.is_file():
                return self._refuse("P114", place, f"{name} is not a plain file.")
            with file.open("rb") as stream:
                content = stream.read(FILE_SIZE_MAX_BYTES + 1)
        except OSError as error:
            return self._refuse("P114", place, f"{name} cannot be read: {error.strerror}.")
        if len(content) > FILE_SIZE_MAX_BYTES:
            return self._refuse("P102", place, f"{name} is larger than 8 MiB.")
        try:
            self.texts[name] = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start].decode("utf-8", "replace")
            place = place_at(before, len(before), name)
            self._refuse("P103", place, f"Byte {error.start} of {name} is not UTF-8.")

    def _too_many(self, offers: Sequence_[AnyNode | Item]) -> bool:
        """P313 before any offer is read: checking so many would take minutes."""
        if len(offers) <= OFFERS_MAX:
            return False
        first = offers[OFFERS_MAX]
        place = Place(first.file, first.line + 1, 1) if isinstance(first, Item) else first.place
        message = f"{len(offers):,} offers; at most {OFFERS_MAX:,}."
        self._report("P313", place, f"offers[{OFFERS_MAX}]", message, "")
        self.unreadable = True
        return True

    def _read_text(self, text: str, name: str, listed: Listed | None) -> None:
        if listed and all(self._is_whole(item) for item in listed.items):
            top = head_of(listed)
            if top is not None:
                self.tops.append(Top(top, listed.items))
                return
        top, found = read_nodes(text, name)
        self.found += found
        if top is None:
            self.unreadable = True
        else:
            self.tops.append(Top(top))

    def _is_whole(self, item: Item) -> bool:
        self.progress.advance()
        if self.cache:
            item.known = self.cache.get(self._key(item), _decode_offer)
        return item.known is not None or item.is_whole()

    def _key(self, item: Item) -> bytes:
        return self.cache.key("offer", b"", item.text) if self.cache else b""

    def _refuse(self, code: str, place: Place, message: str) -> None:
        self.unreadable = True
        self.found.append(make(code, place, "", message))

    # --- merging ---

    def _merged(self) -> Mapping:
        first = self.tops[0].keys.place if self.tops else Place("", 1, 1)
        merged = Mapping(place=first)
        for top in self.tops:
            for name, entry in top.keys.entries.items():
                self._merge_entry(merged, name, entry, top.items)
        return merged

    def _merge_entry(
        self, merged: Mapping, name: str, entry: Entry, items: list[Item] | None
    ) -> None:
        if name not in TOP:
            report_unknown(entry, TOP, "", self._report)
            return
        if isinstance(entry.node, Scalar) and entry.node.value is None:
            return
        form, words = (Sequence, "a list") if name == "offers" else (Mapping, "a mapping of names")
        if not isinstance(entry.node, form):
            self._report("P112", entry.node.place, name, f"`{name}` must be {words}.", "")
            return
        if name not in merged.entries:
            merged.entries[name] = Entry(entry.key, form(place=entry.node.place))
        whole = merged.entries[name].node
        if isinstance(entry.node, Sequence):
            self.offers += entry.node.items if items is None else items
        elif isinstance(whole, Mapping) and isinstance(entry.node, Mapping):
            self._merge_mapping(whole, entry.node, name)

    def _merge_mapping(self, whole: Mapping, more: Mapping, name: str) -> None:
        for key, entry in more.entries.items():
            if key in whole.entries:
                file, line, column = whole.entries[key].key.place
                message = f"`{step(name, key)}` is given twice; first at {file}:{line}:{column}."
                self._report("P105", entry.key.place, step(name, key), message, "")
            else:
                whole.entries[key] = entry

    # --- converting ---

    def source(self) -> Source:
        root = self._merged()
        if self._too_many(self.offers):
            self.offers = []
        source = Source(root=root, offers=self.offers, texts=self.texts, unreadable=self.unreadable)
        for name in REQUIRED:
            if name not in source.root.entries and not self.unreadable:
                self._report("P111", source.root.place, name, f"`{name}` is missing.", "")
        self._convert_objects(source)
        self._convert_offers(source)
        source.diagnostics = in_order(self.found)
        if not errors_of(source.diagnostics):
            parts = msgspec.structs.asdict(source.parts)
            source.catalog = Catalog(**{**parts, "offers": list(source.parts.offers.values())})
        return source

    def _convert_objects(self, source: Source) -> None:
        tops = source.root.entries
        if "shop" in tops:
            shop = convert(tops["shop"].node, Shop, "shop", self._report)
            source.parts.shop = None if shop is BROKEN else shop
        for name, kind in KINDS.items():
            node = tops[name].node if name in tops else None
            entries = node.entries if isinstance(node, Mapping) else {}
            source.named[name] = frozenset(entries)
            for key in sorted(entries):
                self._convert_object(source, name, kind, entries[key])

    def _convert_object(self, source: Source, name: str, kind: Kind, entry: Entry) -> None:
        key = entry.key.text
        path = step(name, key)
        well_named = kind.named_well(key)
        if not well_named:
            self._report("P113", entry.key.place, path, f"`{key[:80]}` cannot be a name here.", "")
        value = convert(entry.node, kind.type, path, self._report)
        if value is not BROKEN and well_named:
            getattr(source.parts, name)[key] = value
        if name == "rules" and isinstance(value, str):
            source.rule_texts[path] = value

    def _convert_offers(self, source: Source) -> None:
        for index, item in enumerate(source.offers):
            known = item.known if isinstance(item, Item) else None
            known = known or self._convert_offer(source, index, item)
            if known is not None:
                source.parts.offers[index] = known.offer
                source.offer_ids[index] = known.offer.id
                for name in known.rules:
                    source.rule_texts[f"offers[{index}].{name}"] = getattr(known.offer, name)
        source.named["offers"] = frozenset(source.offer_ids.values())

    def _convert_offer(self, source: Source, index: int, item: AnyNode | Item) -> KnownOffer | None:
        """None for a broken one, of which only name and rules are noted."""
        path, node, before = f"offers[{index}]", node_of(item), len(self.found)
        offer = convert(node, Offer, path, self._report)
        noted = self._note_offer(source, index, node)
        if offer is BROKEN:
            return None
        self._check_ids(offer, source, path)
        known = KnownOffer(offer, noted)
        if self.cache and isinstance(item, Item) and len(self.found) == before:
            self._remember(self.cache, item, known)
        return known

    def _remember(self, cache: Cache, item: Item, known: KnownOffer) -> None:
        with suppress(msgspec.MsgspecError, ValueError):
            packed = msgspec.msgpack.encode(known)
            if _decode_offer(packed) == known:
                cache.put(self._key(item), packed)

    def _note_offer(self, source: Source, index: int, node: AnyNode) -> tuple[str, ...]:
        """The fields with rules, in their order."""
        rules: list[str] = []
        for name, entry in node.entries.items() if isinstance(node, Mapping) else ():
            if isinstance(entry.node, Scalar) and isinstance(entry.node.value, str):
                if name == "id":
                    source.offer_ids[index] = entry.node.value
                elif name in RULE_FIELDS:
                    rules.append(name)
                    source.rule_texts[f"offers[{index}].{name}"] = entry.node.value
        return tuple(rules)

    def _check_ids(self, offer: Offer, source: Source, path: str) -> None:
        ids = {f"{path}.id": offer.id}
        ids |= {f"{path}.rungs[{i}].id": rung.id for i, rung in enumerate(offer.rungs)}
        for where, name in ids.items():
            if not is_name(name):
                place = source.position(where)
                self._report("P113", place, where, f"`{name[:80]}` cannot be a name here.", "")

    def _report(self, code: str, place: Place, path: str, message: str, help: str) -> None:
        self.found.append(make(code, place, path, message, help=help))
