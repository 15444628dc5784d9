"""What the checks share: the source they look at, and where their findings go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct, field

from .catalog import Attribute
from .diagnostics import Diagnostic, did_you_mean, make
from .rules import CheckedRules
from .source import Parts, Source

MONEY_MAX = Decimal(1_000_000_000)
"""Currency units; in micros it stays below 2^53."""
MONEY_DIGITS_MAX = 6
"""Fraction digits of an amount: micros are the smallest unit."""
SECONDS_MAX = 10 * 366 * 86400


TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates of Unicode's bidirectional algorithm."""


class Report(Struct, frozen=True):
    source: Source
    rules: CheckedRules
    found: list[Diagnostic] = field(default_factory=list)

    @property
    def parts(self) -> Parts:
        return self.source.parts

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        return self.source.parts.attributes

    def attribute(self, name: str) -> Attribute | None:
        """A declared attribute, or one that a rule made on the spot."""
        return self.attributes.get(name) or self.rules.derived.get(name)

    def say(self, code: str, path: str, message: str, help: str = "", *, at: int = 0) -> None:
        """A finding at the path; `at` is an offset in the rule that stands there."""
        place = self.source.position_in(path, at) if at else self.source.position(path)
        self.found.append(make(code, place, path, message, help=help))

    def known(self, kind: str, name: str, path: str) -> bool:
        """Whether there is such an object; P301 if not.  Broken ones count as there."""
        names = self.source.named.get(kind, frozenset())
        if name in names:
            return True
        self.say("P301", path, f"There is no `{name}` in `{kind}`.", did_you_mean(name, names))
        return False

    def unique(self, names: Iterable[str], path: str) -> None:
        """P314 for the second of two equal items of the list at `path`."""
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                self.say("P314", f"{path}[{index}]", f"`{name}` is in the list twice.")
            seen.add(name)

    def between(
        self,
        path: str,
        value: Decimal | int | None,
        low: Decimal | int,
        high: Decimal | int,
        *,
        above: bool = False,
    ) -> None:
        """P305 unless low <= value <= high (low < value if `above`); None passes."""
        if value is None or (low <= value <= high and not (above and value == low)):
            return
        span = f"above {low} and at most {high}" if above else f"between {low} and {high}"
        self.say("P305", path, f"{value} is out of range: it must be {span}.")

    def money(self, path: str, value: Decimal | None, *, above: bool = False) -> None:
        """A non-negative amount of whole micros."""
        self.between(path, value, 0, MONEY_MAX, above=above)
        self.micros(path, value)

    def micros(self, path: str, value: Decimal | None) -> None:
        if value is not None and -int(value.as_tuple().exponent) > MONEY_DIGITS_MAX:
            message = f"The amount {value} has more than {MONEY_DIGITS_MAX} fraction digits."
            self.say("P109", path, message)

    def text(self, path: str, text: str) -> None:
        """P323 for an empty text and for control characters."""
        if not text.strip() or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
            self.say("P323", path, "The text is empty or holds a control character.")

    def forwards(self, path: str, text: str) -> None:
        """P327 for characters that change the direction of what follows."""
        if found := next((char for char in text if char in TURNING), ""):
            self.say("P327", path, f"The text holds U+{ord(found):04X}, which nobody sees.")

    def listed(self, path: str, attribute: Attribute, name: str, value: str) -> None:
        """P312 for a value that the attribute's enumeration does not have."""
        if attribute.values is not None and value not in attribute.values:
            message = f"`{name}` has no value {value!r:.60}."
            self.say("P312", path, message, did_you_mean(value, attribute.values))
