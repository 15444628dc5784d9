"""Rules: CEL text -> checked rule trees, with every complaint placed in its file.

In order, for each text:

    1. bounds   size and nesting, from the words alone, before anyone recurses
    2. names    `rules.<name>` must exist and not go in circles
    3. types    the CEL library parses and checks against the declared attributes
    4. profile  what CEL allows and the edge does not is refused (`builder.py`)
    5. size     of the tree, with the named rules it uses

Named rules come first, those that others use before their users; a broken one
silently breaks its users, since its own diagnostic says all there is to say.
Equal texts are checked once, and their findings placed at each of them.  With a cache,
so are those that an earlier compile checked against the same attributes and named rules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter

import msgspec
from msgspec import Struct

from .builder import Builder
from .cache import Cache
from .catalog import Attribute
from .cel import CelLibrary, Checked, Complaint, TooDeep
from .complaints import Explainer
from .conversion import step
from .diagnostics import Diagnostic, in_order, make
from .operands import Finding, NamedRule, Scope
from .progress import SILENT, Progress
from .source import RULE_FIELDS, Source
from .tree import Node, attributes_of, leaves_and_depth
from .words import DEPTH_MAX, Words, too_deep

TEXT_SIZE_MAX_BYTES = 15_000
CIRCLE_SHOWN = 8
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class OfferRules(Struct, frozen=True):
    """The three tiers of an offer's eligibility; None where there is no (whole) rule."""

    eligible: Node | None = None
    applicable: Node | None = None
    suitable: Node | None = None


class CheckedRules(Struct, frozen=True):
    offers: dict[str, OfferRules]
    """Offer id -> its rules; every offer of the source is here."""
    named: dict[str, Node]
    derived: dict[str, Attribute]
    """Attributes made on the spot, by canonical name such as `age_s(cart.updated_at)`."""
    diagnostics: list[Diagnostic]


class Outcome(Struct, frozen=True):
    """What one text came to."""

    node: Node | None = None
    found: tuple[Finding, ...] = ()


class KnownRule(Struct, frozen=True, array_like=True):
    """What the cache keeps of a rule without findings: its tree, and what it derives."""

    node: Node
    derived: dict[str, Attribute]


_decode_rule = msgspec.msgpack.Decoder(KnownRule).decode


def check_rules(
    source: Source, *, cache: Cache | None = None, progress: Progress = SILENT
) -> CheckedRules:
    """Check every rule of the source, those of offers that did not convert included."""
    checking = _Checking(source, cache, progress)
    if not source.unreadable:
        checking.named_rules()
        checking.offer_rules()
    offers = {id: checking.tiers(index) for index, id in sorted(source.offer_ids.items())}
    named = {name: rule.node for name, rule in checking.named.items()}
    return CheckedRules(offers, named, checking.derived, in_order(checking.diagnostics))


class _Checking:
    def __init__(self, source: Source, cache: Cache | None, progress: Progress) -> None:
        self.source = source
        self.cache = cache
        self.progress = progress
        self.attributes: Mapping[str, Attribute] = source.parts.attributes
        self.rule_names = source.named.get("rules", frozenset())
        self.library = CelLibrary(self.attributes, source.parts.rules)
        self.named: dict[str, NamedRule] = {}
        self.trees: dict[str, Node | None] = {}
        self.derived: dict[str, Attribute] = {}
        self.diagnostics: list[Diagnostic] = []
        self.outcomes: dict[str, Outcome] = {}
        self.scope = Scope(self.attributes, self.derived, self.named)

    def named_rules(self) -> None:
        texts = {
            name: self.source.rule_texts[path]
            for name in self.rule_names
            if (path := step("rules", name)) in self.source.rule_texts
        }
        for name in self._in_order_of_use(texts):
            node = self._check(step("rules", name), texts[name])
            if node is not None:
                self.named[name] = NamedRule(node, leaves_and_depth(node)[0])

    def offer_rules(self) -> None:
        texts = {p: t for p, t in self.source.rule_texts.items() if p.startswith("offers[")}
        context = self._context() if self.cache else b""
        self.progress.stage("rules", len(texts))
        for path, text in texts.items():
            if self.cache and text not in self.outcomes:
                self.outcomes[text] = self._remembered(self.cache, context, text)
            self.trees[path] = self._check(path, text)
            self.progress.advance()

    def _context(self) -> bytes:
        """Digest of all that a rule's tree depends on besides its text."""
        named = {name: rule.node for name, rule in sorted(self.named.items())}
        scope = (sorted(self.attributes.items()), sorted(self.rule_names), named)
        return hashlib.sha256(msgspec.msgpack.encode(scope)).digest()

    def _remembered(self, cache: Cache, context: bytes, text: str) -> Outcome:
        key = cache.key("rule", context, text)
        known = cache.get(key, _decode_rule)
        if known is not None:
            self.derived.update(known.derived)
            return Outcome(known.node)
        outcome = self._outcome(text)
        if outcome.node is not None and not outcome.found:
            used = attributes_of(outcome.node)
            known = KnownRule(outcome.node, {n: a for n, a in self.derived.items() if n in used})
            with suppress(msgspec.MsgspecError, ValueError):
                packed = msgspec.msgpack.encode(known)
                if _decode_rule(packed) == known:
                    cache.put(key, packed)
        return outcome

    def tiers(self, index: int) -> OfferRules:
        return OfferRules(*(self.trees.get(f"offers[{index}].{name}") for name in RULE_FIELDS))

    def _in_order_of_use(self, texts: Mapping[str, str]) -> list[str]:
        """Used rules before their users; rules in a circle are left out with a diagnostic."""
        uses = {name: self._uses(texts[name]) & texts.keys() for name in sorted(texts)}
        while True:
            try:
                return list(TopologicalSorter(uses).static_order())
            except CycleError as error:
                circle: list[str] = error.args[1][:0:-1]  # graphlib names users after the used
                self._report_circle(circle)
                uses = {
                    name: used - set(circle) for name, used in uses.items() if name not in circle
                }

    def _uses(self, text: str) -> set[str]:
        if len(text.encode()) > TEXT_SIZE_MAX_BYTES:
            return set()
        return {name for name, _ in Words(text).rule_names()}

    def _report_circle(self, circle: list[str]) -> None:
        first = min(circle)
        at = circle.index(first)
        names = [*circle[at:], *circle[:at]]
        if (hidden := len(names) - CIRCLE_SHOWN) > 0:
            names = [*names[: CIRCLE_SHOWN - 1], f"({hidden:,} more)", names[-1]]
        way = " -> ".join([*names, first])
        path = step("rules", first)
        message = f"The named rules go in a circle: {way}."
        self.diagnostics.append(make("P212", self.source.position(path), path, message))

    def _check(self, path: str, text: str) -> Node | None:
        outcome = self.outcomes.get(text)
        if outcome is None:
            outcome = self.outcomes[text] = self._outcome(text)
        for found in outcome.found:
            place = self.source.position_in(path, found.offset)
            message = f"{found.message} (column {_column(text, found.offset)} of the rule)"
            self.diagnostics.append(make(found.code, place, path, message, help=found.help))
        return outcome.node

    # --- one text ---

    def _outcome(self, text: str) -> Outcome:
        if len(text.encode()) > TEXT_SIZE_MAX_BYTES:
            return Outcome(found=(Finding("P209", 0, "The rule is too long."),))
        if control := CONTROL.search(text):  # CEL's own words about it would end there
            message = f"The rule holds the control character U+{ord(control[0]):04X}."
            help = "Remove the character; no rule needs one."
            return Outcome(found=(Finding("P201", control.start(), message, help),))
        words = Words(text)
        if deep := too_deep(words.words):
            message = f"The rule nests more than {DEPTH_MAX} levels."
            return Outcome(found=(Finding("P210", deep.start, message),))
        try:
            return self._typed(text, words)
        except (TooDeep, RecursionError):
            return Outcome(found=(Finding("P210", 0, "The rule nests too deeply."),))

    def _typed(self, text: str, words: Words) -> Outcome:
        checked = self.library.check(text)
        if not isinstance(checked, Checked):
            return Outcome(found=tuple(self._explained(text, words, checked)))
        if checked.type not in ("BOOL", "DYN"):
            message = f"The rule gives a value of type {checked.type.lower()}."
            return Outcome(found=(Finding("P204", 0, message),))
        builder = Builder(words, self.scope)
        node = builder.build(checked.expr)
        if node is not None and (deep := _too_deep_tree(node)):
            return Outcome(found=(Finding("P210", 0, deep),))
        return Outcome(node, tuple(builder.found))

    def _explained(self, text: str, words: Words, complaints: list[Complaint]) -> list[Finding]:
        parsed = self.library.parse(text)
        explainer = Explainer(
            words=words,
            expr=parsed.expr if isinstance(parsed, Checked) else None,
            attributes=self.attributes,
            declared=self.source.named.get("attributes", frozenset()),
            rule_names=self.rule_names,
        )
        found = [finding for each in complaints if (finding := explainer.explain(each))]
        broken = [finding for finding in found if finding.code == "P201"]
        return broken[:1] or found


def _column(text: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return str(column) if "\n" not in text.rstrip("\n") else f"{column} in line {line}"


def _too_deep_tree(node: Node) -> str:
    _, depth = leaves_and_depth(node)
    if depth > DEPTH_MAX:
        return f"With the named rules it uses, the rule nests {depth} levels."
    return ""
