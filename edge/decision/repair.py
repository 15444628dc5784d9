"""What smallest change would make a rule true.

A rule that is not true is repaired at its leaves: `options` are sets of leaves that
would have to hold, or not to hold, for the rule to be as wanted, fewest attributes
first.  Leaves that name one attribute may contradict each other, so an option is only
worth something once values are found for it: `smallest` looks for them around the
constants that the rule itself names, sends them in place of what was sent, and asks the
rule again.  What it answers is proven, not guessed.

A derived attribute is changed through what it is made of.  What no request can send
(an hour, an attribute that consent withholds) has no values here; its words remain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, islice, product

from msgspec import Struct, structs

from . import tables as t
from .bundle import Bundle
from .facts import RequestFacts, as_value, decimal_text, leaves
from .request import CONTEXTUAL, INVALID, Held, Request
from .request_json import Json, hold
from .rule import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Facts,
    Has,
    In,
    Leaf,
    Node,
    Not,
    Or,
    StartsWith,
    Value,
    truth,
)
from .situation import situate

OPTION_LIMIT = 24
TRY_LIMIT = 256
OTHER, BEYOND = "other", "-other"
"""A string that the rule may not name, and what makes another string of one that it does."""


class Repair(Struct, frozen=True):
    """A leaf, and whether it would have to hold."""

    leaf: Leaf
    wanted: bool

    @property
    def words(self) -> str:
        if isinstance(self.leaf, Has):
            return f"{self.leaf.attribute} must {'be' if self.wanted else 'not be'} sent"
        need = self.leaf.text or self.leaf.attribute
        return f"{need} must hold" if self.wanted else f"{need} must not hold"


Option = tuple[Repair, ...]


class Change(Struct, frozen=True):
    """An attribute, and what a request would send for it; None: nothing."""

    attribute: str
    to: Json


class Smallest(Struct, frozen=True):
    """The leaves in the rule's words, and values that were tried and do; or none were found."""

    repairs: Option = ()
    changes: tuple[Change, ...] = ()


# --- leaves ---------------------------------------------------------------------


def options(node: Node, facts: Facts, wanted: bool) -> list[Option]:
    """Ways to make a rule what is wanted, fewest attributes first; none if there is none."""
    if truth(node, facts) is wanted:
        return [()]
    match node:
        case Not():
            return options(node.part, facts, not wanted)
        case And() | Or():
            parts = [options(part, facts, wanted) for part in node.parts]
            return _all(parts) if isinstance(node, And) == wanted else _any(parts)
        case Conditional():
            then = [options(node.test, facts, True), options(node.then, facts, wanted)]
            otherwise = [options(node.test, facts, False), options(node.otherwise, facts, wanted)]
            return _any([_all(then), _all(otherwise)])
        case Constant():
            return []
        case _:
            return [(Repair(node, wanted),)]


def _all(parts: list[list[Option]]) -> list[Option]:
    """One option of every part, together."""
    together: list[Option] = [()]
    for each in parts:
        together = _fewest([(*left, *right) for left in together for right in each])
    return together


def _any(parts: list[list[Option]]) -> list[Option]:
    return _fewest([option for part in parts for option in part])


def _fewest(found: list[Option]) -> list[Option]:
    return sorted(found, key=_size)[:OPTION_LIMIT]


def _size(option: Option) -> tuple[int, int]:
    return len({repair.leaf.attribute for repair in option}), len(option)


# --- values ---------------------------------------------------------------------


class Changed(Struct):
    """Facts of which some are others; None: that attribute is not sent."""

    facts: RequestFacts
    held: dict[str, Held | None]

    def value(self, attribute: str) -> Value | None:
        if attribute not in self.held:
            return self.facts.value(attribute)
        held = self.held[attribute]
        if held is None or held.form == INVALID:
            return None
        return as_value(held.value)

    def absent(self, attribute: str) -> bool:
        if attribute in self.held:
            return self.held[attribute] is None
        return self.facts.absent(attribute)


class Sender(Struct):
    """Tries other attributes in a request."""

    bundle: Bundle
    request: Request
    facts: RequestFacts

    def holds(self, rule: Node, changes: Iterable[Change]) -> bool:
        held = {change.attribute: self._held(change) for change in changes}
        changed = [name for leaf in leaves(rule) if self._derived(name := leaf.attribute)]
        if any(self.reached_through(name) & held.keys() for name in changed):
            return truth(rule, self._sent(held)) is True
        return truth(rule, Changed(self.facts, held)) is True

    def _held(self, change: Change) -> Held | None:
        row = self.facts.rows[change.attribute]
        return None if change.to is None else hold(self.bundle, row, change.to)

    def _derived(self, name: str) -> bool:
        return self.bundle.tables.attribute_op[self.facts.rows[name]] != t.NO_OP

    def _sent(self, changes: dict[str, Held | None]) -> RequestFacts:
        """A whole request, so that what is derived is derived anew."""
        rows = {self.facts.rows[name]: held for name, held in changes.items()}
        request = _with(self.request, rows)
        facts = RequestFacts(self.bundle, request, situate(self.bundle, request))
        facts.rows = self.facts.rows
        return facts

    def reached_through(self, name: str) -> set[str]:
        """The attributes that can be sent to change this one: itself, or what it is made of."""
        tables, row = self.bundle.tables, self.facts.rows[name]
        operands = (tables.attribute_left[row], tables.attribute_right[row])
        made_of = [row] if tables.attribute_op[row] == t.NO_OP else operands
        read = [each for each in made_of if each >= 0 and not self.withheld(each)]
        return {self.bundle.text(tables.attribute_name[each]) for each in read}

    def roots(self, option: Option) -> set[str]:
        """All attributes through which an option's leaves are reached."""
        return set().union(*(self.reached_through(each.leaf.attribute) for each in option))

    def withheld(self, row: int) -> bool:
        personal = self.bundle.tables.attribute_flags[row] & t.PERSONAL
        return self.request.consent == CONTEXTUAL and personal > 0

    def json(self, row: int, value: Value) -> Json:
        tables = self.bundle.tables
        if isinstance(value, frozenset):
            return [*sorted(value)]
        if isinstance(value, str):
            return value
        if tables.attribute_type[row] == t.BOOL:
            return bool(value)
        scale = tables.attribute_scale[row]
        return decimal_text(value, scale) if tables.attribute_type[row] == t.DECIMAL else value


def sending(bundle: Bundle, request: Request, changes: Iterable[Change]) -> Request:
    """The request with these changes."""
    rows = bundle.attribute_rows
    held = {
        rows[each.attribute]: None
        if each.to is None
        else hold(bundle, rows[each.attribute], each.to)
        for each in changes
    }
    return _with(request, held)


def _with(request: Request, rows: dict[int, Held | None]) -> Request:
    kept = {each.attribute: each for each in request.attributes}
    held = [each for _, each in sorted((kept | rows).items()) if each is not None]
    return structs.replace(request, attributes=tuple(held))


def smallest(rule: Node, sender: Sender) -> Smallest:
    """The smallest change that makes a rule true which is not."""
    found = options(rule, sender.facts, True)
    for count in range(1, 1 + max((len(sender.roots(option)) for option in found), default=0)):
        for option in found:
            for changes in islice(_tries(rule, option, count, sender), TRY_LIMIT):
                if sender.holds(rule, changes):
                    return Smallest(option, changes)
    return Smallest(found[0]) if found else Smallest()


def _tries(rule: Node, option: Option, count: int, sender: Sender) -> Iterator[tuple[Change, ...]]:
    """Values for so many attributes through which all leaves of the option can be reached."""
    through = [sender.reached_through(repair.leaf.attribute) for repair in option]
    for names in combinations(sorted(sender.roots(option)), count):
        if all(each.intersection(names) for each in through):
            yield from product(*(_values(rule, option, name, sender) for name in names))


def _values(rule: Node, option: Option, name: str, sender: Sender) -> list[Change]:
    """What could be sent for an attribute, nearest to what was sent first."""
    asked = dict.fromkeys(repair.leaf.attribute for repair in option)
    found = [
        change
        for other in asked
        for change in _changes(rule, option, other, sender)
        if change.attribute == name
    ]
    return [change for at, change in enumerate(found) if change not in found[:at]]


def _changes(rule: Node, option: Option, name: str, sender: Sender) -> list[Change]:
    """What could be sent so that an attribute has a value that the rule tells apart."""
    row = sender.facts.rows[name]
    values = _candidates(rule, option, name, sender)
    lacking = any(isinstance(r.leaf, Has) and not r.wanted for r in option)
    if sender.bundle.tables.attribute_op[row] == t.NO_OP:
        found = [Change(name, sender.json(row, value)) for value in values]
        return [Change(name, None), *found] if lacking else found
    operands = sorted(sender.reached_through(name))
    gone = [Change(operand, None) for operand in operands] if lacking else []
    exact = [each for value in values for each in _through_operand(sender, row, value)]
    return [*gone, *exact, *(each for operand in operands for each in _anything(sender, operand))]


def _anything(sender: Sender, name: str) -> list[Change]:
    """Some values of a number, so that what is made of it has one."""
    row = sender.facts.rows[name]
    return [Change(name, sender.json(row, v)) for v in _numbers([], None, sender.bundle, row)]


def _candidates(rule: Node, option: Option, name: str, sender: Sender) -> list[Value]:
    now, row = sender.facts.value(name), sender.facts.rows[name]
    named = [leaf for leaf in leaves(rule) if leaf.attribute == name]
    kind = sender.bundle.tables.attribute_type[row]
    if kind == t.SET:
        return _sets(option, name, now if isinstance(now, frozenset) else frozenset(), sender)
    if kind == t.STRING:
        return _strings(named, sender.bundle, row)
    return _numbers(named, now if isinstance(now, int) else None, sender.bundle, row)


def _numbers(named: list[Leaf], now: int | None, bundle: Bundle, row: int) -> list[Value]:
    low, high = bundle.tables.attribute_low[row], bundle.tables.attribute_high[row]
    edges = {0, 1, low, high}
    for leaf in named:
        constants = _constants(leaf)
        edges |= {c + step for c in constants for step in (-1, 0, 1) if isinstance(c, int)}
    near = 0 if now is None else now
    nearest: list[int] = sorted(edges, key=lambda edge: (abs(edge - near), edge))
    return [edge for edge in nearest if low <= edge <= high]


def _constants(leaf: Leaf) -> tuple[bool | int | str, ...]:
    if isinstance(leaf, Compare):
        return (leaf.value,)
    return leaf.values if isinstance(leaf, In) else ()


def _strings(named: list[Leaf], bundle: Bundle, row: int) -> list[Value]:
    words = [word.decode() for word in bundle.words[row]]
    if bundle.tables.attribute_flags[row] & t.ENUMERATED:
        return [*words]
    texts = [str(constant) for leaf in named for constant in _constants(leaf)]
    texts += [leaf.prefix for leaf in named if isinstance(leaf, StartsWith)]
    return [*dict.fromkeys([*texts, OTHER, *(text + BEYOND for text in texts)])]


def _sets(option: Option, name: str, now: frozenset[str], sender: Sender) -> list[Value]:
    """Without what must not be in it, and with one of each group of which one must."""
    row = sender.facts.rows[name]
    asked = [r for r in option if isinstance(r.leaf, AnyOf) and r.leaf.attribute == name]
    barred = {v for r in asked if not r.wanted for v in _elements(r)}
    groups = [[v for v in _elements(r) if v not in barred] for r in asked if r.wanted]
    picks = islice(product(*groups), TRY_LIMIT)
    found: list[Value] = [(now - barred) | frozenset(pick) for pick in picks]
    words = {word.decode() for word in sender.bundle.words[row]}
    spare = now - words if not now <= words else frozenset[str]()
    return [*found, *(frozenset(pick) | spare for pick in islice(product(*groups), TRY_LIMIT))]


def _elements(repair: Repair) -> tuple[str, ...]:
    return repair.leaf.values if isinstance(repair.leaf, AnyOf) else ()


def _through_operand(sender: Sender, row: int, value: Value) -> Iterator[Change]:
    """What to send so that a derived number becomes this one."""
    tables, facts = sender.bundle.tables, sender.facts
    left, right = tables.attribute_left[row], tables.attribute_right[row]
    if not isinstance(value, int) or left < 0:
        return
    names = [sender.bundle.text(text) for text in tables.attribute_name]
    if tables.attribute_op[row] == t.AGE:
        wanted = [(left, sender.request.now_s - value)]
    else:
        sign = 1 if tables.attribute_op[row] == t.SUM else -1
        a, b = facts.value(names[left]), facts.value(names[right])
        wanted = [(left, value - sign * b)] if isinstance(b, int) else []
        wanted += [(right, sign * (value - a))] if isinstance(a, int) else []
    for operand, number in wanted:
        low, high = tables.attribute_low[operand], tables.attribute_high[operand]
        if not sender.withheld(operand) and low <= number <= high:
            yield Change(names[operand], sender.json(operand, number))
