"""The truth of a synthetic shop: who comes, who buys, and what offers really change.

A truth file is YAML.  Simulated visitors behave by it; the engine never sees it, so what
it learns and what it measures can be held against it.

    title       what this shop is like, one line
    seed        whole number; equal seeds give equal visitors
    placement   the placement whose offers change anything
    order       value of an order: `median`, `spread` (standard deviation of its logarithm),
                and `margin_percent` of it that is gross margin
    types       kinds of visitors, each with
      name, share     shares are relative to each other
      persona         how the demo shop's sign-in calls them (`--through shop`)
      device, country, customer    what a real visit shows besides
      attributes, sets, ages       what the shop vouches for (`--through edge`): plain
                                   values, sets of words, and timestamps as seconds ago
      buys            probability to order in this visit when no offer is shown
      clicks          probability to follow an offer that is shown
      redeems         probability that an order uses the token of the offer shown
      uplift          arm -> factor on the *odds* of ordering; 1 where nothing is said

Odds, since a factor on them keeps every probability below 1: 0.10 are odds of 1 to 9; a
factor of 3 makes them 3 to 9, a probability of 0.25.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from statistics import NormalDist

from msgspec import Struct

from policy_compiler.conversion import BROKEN, convert, step
from policy_compiler.diagnostics import Place, make, render_all
from policy_compiler.nodes import AnyNode, Mapping, Sequence
from policy_compiler.yaml_text import read_nodes

CAUSE = "The value is of the right kind, but nobody could behave by it."
HELP = "docs/guide/simulate.md describes every key of a truth file."
ARM = re.compile("[^/]+/[^/]+")
Steps = tuple[str | int, ...]
SIZE_LIMIT_BYTES = 1 << 20
CENT = Decimal("0.01")


class TruthError(ValueError):
    """A truth file that cannot be used; the text shows every place and what to do there."""


class OrderTruth(Struct, frozen=True, kw_only=True):
    """Orders, in the shop's currency: lognormal values, and the margin in them."""

    median: Decimal
    spread: Decimal
    margin_percent: Decimal

    def value_at(self, quantile: float) -> Decimal:
        """The order value below which this share of orders lies (0 < quantile < 1)."""
        z = NormalDist().inv_cdf(quantile)
        value = float(self.median) * math.exp(float(self.spread) * z)
        return max(CENT, Decimal(value).quantize(CENT))

    def margin_of(self, value: Decimal) -> Decimal:
        return (value * self.margin_percent / 100).quantize(CENT)


class VisitorType(Struct, frozen=True, kw_only=True):
    """One kind of visitor; see the top of this file."""

    name: str
    share: Decimal
    buys: Decimal
    persona: str = "new"
    customer: bool = False
    """Signed in: the shop knows a customer, a fresh one for each visitor."""
    device: str = "desktop"
    country: str = ""
    clicks: Decimal = Decimal("0.5")
    redeems: Decimal = Decimal(1)
    uplift: dict[str, Decimal] = {}
    attributes: dict[str, bool | int | Decimal | str] = {}
    sets: dict[str, list[str]] = {}
    ages: dict[str, int] = {}

    def probability(self, arm: str) -> float:
        """To order in a visit in which this arm is shown."""
        base = float(self.buys)
        odds = base / (1 - base) * float(self.uplift.get(arm, 1))
        return odds / (1 + odds)

    def vouched(self, now_s: int) -> dict[str, bool | int | str | list[str]]:
        """What the shop says of such a visitor, as attributes of a decision."""
        plain = {k: str(v) if isinstance(v, Decimal) else v for k, v in self.attributes.items()}
        return {**plain, **self.sets, **{name: now_s - age_s for name, age_s in self.ages.items()}}


class Truth(Struct, frozen=True, kw_only=True):
    title: str
    seed: int
    placement: str
    order: OrderTruth
    types: list[VisitorType]

    def type_at(self, point: float) -> VisitorType:
        """The visitor type at this point (0 to 1) of all visitors."""
        reached = point * float(sum(kind.share for kind in self.types))
        for kind in self.types:
            reached -= float(kind.share)
            if reached < 0:
                return kind
        return self.types[-1]


class ReadTruth(Struct, frozen=True):
    """A truth, and the SHA-256 of its file in hexadecimal."""

    truth: Truth
    digest: str


def read_truth(path: Path) -> ReadTruth:
    """Raises `TruthError` with every place that is wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TruthError(f"{path}: {error.strerror}.  Name a truth file with --truth.") from None
    if len(data) > SIZE_LIMIT_BYTES:
        raise TruthError(f"{path}: {len(data)} bytes; a truth file has at most {SIZE_LIMIT_BYTES}.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise TruthError(f"{path}: byte {error.start} is not UTF-8.  Save it as UTF-8.") from None
    return ReadTruth(parse_truth(text, path.name), sha256(data).hexdigest())


def parse_truth(text: str, file: str) -> Truth:
    """A truth from YAML.  Raises `TruthError`."""
    root, found = read_nodes(text, file)

    def report(code: str, place: Place, path: str, message: str, help: str) -> None:
        found.append(make(code, place, path, message, help=help))

    truth = convert(root, Truth, "", report) if root is not None else BROKEN
    if isinstance(truth, Truth) and root is not None:
        for steps, why in _wrong(truth):
            place, path = _place(root, steps), _path(steps)
            found.append(make("P112", place, path, f"{why}.", cause=CAUSE, help=HELP))
    if found or not isinstance(truth, Truth):
        raise TruthError(render_all(found, {file: text}))
    return truth


def _place(node: AnyNode, steps: Steps) -> Place:
    """Where the value stands that these steps lead to, or the last one on the way there."""
    for each in steps:
        if isinstance(node, Mapping) and isinstance(each, str) and each in node.entries:
            node = node.entries[each].node
        elif isinstance(node, Sequence) and isinstance(each, int) and each < len(node.items):
            node = node.items[each]
    return node.place


def _path(steps: Steps) -> str:
    path = ""
    for each in steps:
        path = f"{path}[{each}]" if isinstance(each, int) else step(path, each)
    return path


# --- what makes no sense ------------------------------------------------------


def _wrong(truth: Truth) -> Iterator[tuple[Steps, str]]:
    """Where and why, for values of the right type that make no sense."""
    order = truth.order
    if order.median <= 0:
        yield ("order", "median"), "An order is worth more than nothing"
    if not 0 <= order.spread <= 3:
        yield ("order", "spread"), "The spread is from 0 to 3"
    if not -100 <= order.margin_percent <= 100:
        yield ("order", "margin_percent"), "A percentage is from -100 to 100"
    if not truth.types:
        yield ("types",), "Without a type of visitor nobody comes"
    names: set[str] = set()
    for index, kind in enumerate(truth.types):
        if kind.name in names:
            yield ("types", index, "name"), "An earlier type has this name"
        names.add(kind.name)
        for steps, why in _wrong_type(kind):
            yield ("types", index, *steps), why


def _wrong_type(kind: VisitorType) -> Iterator[tuple[Steps, str]]:
    if kind.share <= 0:
        yield ("share",), "A share is more than 0"
    if not 0 < kind.buys < 1:
        yield ("buys",), "This probability is between 0 and 1, and neither of them"
    for name in ("clicks", "redeems"):
        if not 0 <= getattr(kind, name) <= 1:
            yield (name,), "A probability is from 0 to 1"
    for arm, factor in kind.uplift.items():
        if factor <= 0:
            yield ("uplift", arm), "A factor is more than 0; 1 changes nothing"
        if not ARM.fullmatch(arm):
            yield ("uplift", arm), "An arm is written `offer/rung`"
