"""The attributes that generated rules read: an attribute of every type and its conditions.

The first word of each attribute is its own.  CEL has no values that are withheld or
invalid, but it knows expressions that are errors: where `level` is an error, so are
`level.points` and every test of it, for that attribute and no other.

Each value that may be sent stands beside what it means, so nothing of the edge is asked
what its own input means.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from random import Random

from msgspec import Struct

Json = None | bool | int | float | str | list["Json"]


class State(Enum):
    ABSENT = "absent"
    ERROR = "withheld or invalid"


class Moment(Struct, frozen=True):
    at_s: int


Meant = bool | int | float | str | tuple[str, ...] | Moment | State
Writer = Callable[[Random, "Input"], str]


class Input(Struct, frozen=True, kw_only=True):
    """An attribute: its declaration, what may be sent, and what rules compare it with."""

    name: str
    declared: dict[str, object]
    good: tuple[tuple[Json, Meant], ...]
    bad: tuple[Json, ...]
    constants: tuple[str, ...]
    forms: tuple[Writer, ...] = ()

    @property
    def personal(self) -> bool:
        return "labels" in self.declared


ZONE = "America/New_York"
NOW_S = 1_790_000_000
OUTSIDE_S = 4_200_000_000
"""After the horizon of every bundle: what clocks say there is invalid."""
PERSONAL: dict[str, object] = {"labels": ["personal"]}
SURROGATE = "half \ud800"
TOO_LONG = "x" * 257
OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


# --- conditions ---------------------------------------------------------------


def _constant(random: Random, of: Input) -> str:
    return random.choice(of.constants)


def _list(random: Random, of: Input) -> str:
    return "[" + ", ".join(_constant(random, of) for _ in range(random.randrange(1, 4))) + "]"


def _either_way(random: Random, left: str, operator: str, right: str) -> str:
    return f"{right} {operator} {left}" if random.random() < 0.4 else f"{left} {operator} {right}"


def _ordered(random: Random, of: Input) -> str:
    return _either_way(random, of.name, random.choice(OPERATORS), _constant(random, of))


def _equal(random: Random, of: Input) -> str:
    return _either_way(random, of.name, random.choice(OPERATORS[:2]), _constant(random, of))


def _bare(random: Random, of: Input) -> str:
    return of.name


def has(random: Random, of: Input) -> str:
    return f"has({of.name})"


def _in(random: Random, of: Input) -> str:
    return f"{of.name} in {_list(random, of)}"


def _element(random: Random, of: Input) -> str:
    return f"{_constant(random, of)} in {of.name}"


def _intersects(random: Random, of: Input) -> str:
    sides = [of.name, _list(random, of)]
    random.shuffle(sides)
    return f"sets.intersects({', '.join(sides)})"


def _exists(random: Random, of: Input) -> str:
    one = _either_way(random, "e", "==", _constant(random, of))
    other = random.choice((f"e in {_list(random, of)}", f"e == {_constant(random, of)}"))
    body = random.choice((one, other, f"{one} || {other}"))
    return f"{of.name}.exists(e, {body})"


def _starts(random: Random, of: Input) -> str:
    return f"{of.name}.startsWith({random.choice(PREFIXES)})"


def _piece(random: Random, of: Input) -> str:
    return f"{of.name}.{random.choice(PIECES)}"


def _age(random: Random, of: Input) -> str:
    seconds = random.choice((0, 1, 59, 3600, 86_400, -60, 10**9))
    return _either_way(random, f"age_s({of.name})", random.choice(OPERATORS), str(seconds))


def _pair(random: Random, of: Input) -> str:
    other, constants = PAIRS[of.name]
    names = [of.name, other]
    random.shuffle(names)
    pair = f"{names[0]} {random.choice('+-')} {names[1]}"
    return _either_way(random, pair, random.choice(OPERATORS), random.choice(constants))


# --- attributes ---------------------------------------------------------------

PREFIXES = ("'U'", "'US'", "''", '"é"', "'zz'", "r'U'")
PIECES = ("startsWith('gold')", "endsWith('en')", "contains('l')", "contains('')", "endsWith('d')")
QUARTERS = ("0.25", "10.50", "-0.75", "1e1", "12.75", ".5", "100.00", "0.0")
"""Sums of such are exact in binary, so that the oracle's doubles do not round."""
WHOLES = ("0", "1", "-1", "3", "0x0A", "-50", "900")
PAIRS = {
    "spend.total": ("saved.total", QUARTERS),
    "saved.total": ("spend.total", QUARTERS),
    "count.items": ("level.points", WHOLES),
    "level.points": ("count.items", WHOLES),
}
NOT_NUMBERS: tuple[Json, ...] = ("", "x", "1e3", " 1", [], True)


def _numbers(*values: int) -> tuple[tuple[Json, Meant], ...]:
    return tuple((value, value) for value in values)


def _decimals(*texts: str) -> tuple[tuple[Json, Meant], ...]:
    return tuple((text, float(text)) for text in texts)


def _texts(*texts: str) -> tuple[tuple[Json, Meant], ...]:
    return tuple((text, text) for text in texts)


def _sets(*sets: str) -> tuple[tuple[Json, Meant], ...]:
    return tuple((list(words), words) for words in (tuple(s.split()) for s in sets))


def _moments(*at_s: int) -> tuple[tuple[Json, Meant], ...]:
    return tuple((each, Moment(each)) for each in at_s)


def _stamp(at_s: int) -> str:
    return f'timestamp("{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}")'


STAMPS = tuple(_stamp(NOW_S - age_s) for age_s in (0, 60, 3600, 86_400, 10**9))
BOOLS: tuple[tuple[Json, Meant], ...] = ((True, True), (False, False))
MOMENTS = _moments(NOW_S, NOW_S + 60, *(NOW_S - age_s for age_s in (1, 59, 60, 3600, 3601, 10**9)))

SENT = (
    Input(
        name="flag.on",
        declared={"type": "bool"},
        good=BOOLS,
        bad=(1, 0, "true", []),
        constants=("true", "false"),
        forms=(_bare, _bare, _equal),
    ),
    Input(
        name="fresh.now",
        declared={"type": "bool", **PERSONAL},
        good=BOOLS,
        bad=(1, "false"),
        constants=("true", "false"),
        forms=(_bare, _bare, _equal),
    ),
    Input(
        name="count.items",
        declared={"type": "int", "minimum": 0, "maximum": 1000},
        good=_numbers(0, 1, 2, 3, 4, 9, 10, 11, 999, 1000),
        bad=(-1, 1001, 2.5, *NOT_NUMBERS),
        constants=("0", "1", "3", "10", "0xA", "-1", "1001", "999999999999999"),
        forms=(_ordered, _ordered, _in, _pair),
    ),
    Input(
        name="level.points",
        declared={"type": "int", "minimum": -50, "maximum": 50, **PERSONAL},
        good=_numbers(-50, -3, -1, 0, 1, 3, 50),
        bad=(51, 9.5, "3", False),
        constants=("0", "-3", "-1", "50", "0x3"),
        forms=(_ordered, _ordered, _in, _pair),
    ),
    Input(
        name="spend.total",
        declared={"type": "decimal", "scale": 2, "money": True, "maximum": 5000},
        good=(*_decimals("0", "0.25", "10.50", "12.75", "100.00", "5000.00"), (12, 12.0)),
        bad=("-0.25", "5000.25", "1.234", 0.5, *NOT_NUMBERS),
        constants=(*QUARTERS, "5000.00"),
        forms=(_ordered, _ordered, _in, _pair),
    ),
    Input(
        name="saved.total",
        declared={"type": "decimal", "scale": 2, "minimum": -100, "maximum": 100, **PERSONAL},
        good=_decimals("0", "-0.75", "0.25", "10.25", "-100", "100"),
        bad=("100.01", "0.001", "ten"),
        constants=QUARTERS,
        forms=(_ordered, _in, _pair),
    ),
    Input(
        name="weight.kg",
        declared={"type": "decimal", "scale": 3},
        good=_decimals("0.1", "0.29", "0.290", "0.3", "0.300", "-0.001", "1234567.891"),
        bad=("0.2900", ".3", "3.", *NOT_NUMBERS),
        constants=("0.29", "0.290", "3e-1", "0.3", "-0.001", "1234567.891", "0.0"),
        forms=(_ordered, _ordered, _in),
    ),
    Input(
        name="land.code",
        declared={"type": "string"},
        good=_texts("US", "U", "UK", "UZ", "DE", "", "é", "éa", "zz", "\U0001f431", "u"),
        bad=(SURROGATE, TOO_LONG, 5, True, ["US"]),
        constants=("'US'", '"UK"', "r'DE'", "''", "'é'", "'\\u00e9a'", "'\U0001f431'"),
        forms=(_equal, _in, _starts, _starts),
    ),
    Input(
        name="town.name",
        declared={"type": "string", **PERSONAL},
        good=_texts("Rome", "Bern", "rome", "Elsewhere"),
        bad=(SURROGATE, 1),
        constants=("'Rome'", "'Bern'", '"Oslo"'),
        forms=(_equal, _in),
    ),
    Input(
        name="tier.name",
        declared={"type": "string", "values": ["gold", "golden", "silver", "wooden"]},
        good=_texts("gold", "golden", "silver", "wooden"),
        bad=("Gold", "", SURROGATE, 0),
        constants=("'gold'", "'golden'", '"silver"', "'wooden'"),
        forms=(_equal, _in, _piece, _piece),
    ),
    Input(
        name="tags.all",
        declared={"type": "set"},
        good=_sets("", "a", "b", "a b", "c é", "never mentioned", "a never b"),
        bad=("a", [1], [SURROGATE], [["a"]], [str(i) for i in range(65)]),
        constants=("'a'", "'b'", '"c"', "'é'"),
        forms=(_element, _element, _intersects, _exists),
    ),
    Input(
        name="roles.all",
        declared={"type": "set", "values": ["staff", "vip", "guest"], **PERSONAL},
        good=_sets("", "staff", "vip guest", "staff vip guest"),
        bad=(["boss"], ["vip", "boss"], "vip", [True]),
        constants=("'staff'", "'vip'", "'guest'"),
        forms=(_element, _intersects, _exists),
    ),
    Input(
        name="seen.at",
        declared={"type": "timestamp"},
        good=MOMENTS,
        bad=("2026-01-01T00:00:00Z", 1.5, False),
        constants=STAMPS,
        forms=(_ordered, _in, _age, _age),
    ),
    Input(
        name="joined.at",
        declared={"type": "timestamp", **PERSONAL},
        good=MOMENTS,
        bad=("yesterday", []),
        constants=STAMPS,
        forms=(_ordered, _age),
    ),
)
DERIVED = (
    Input(
        name="clock.hour",
        declared={"type": "int", "source": "edge", "derived": {"hour": ZONE}},
        good=(),
        bad=(),
        constants=("0", "6", "12", "18", "23"),
        forms=(_ordered, _in),
    ),
    Input(
        name="day.number",
        declared={"type": "int", "source": "edge", "derived": {"weekday": ZONE}},
        good=(),
        bad=(),
        constants=("1", "5", "7"),
        forms=(_ordered, _in),
    ),
    Input(
        name="rest.total",
        declared={
            "type": "decimal",
            "scale": 2,
            "derived": {"difference": ["spend.total", "saved.total"]},
        },
        good=(),
        bad=(),
        constants=QUARTERS,
        forms=(_ordered, _in),
    ),
)
INPUTS = (*SENT, *DERIVED)
ATTRIBUTES = {each.name: each.declared for each in INPUTS}
NAMED_RULES = {
    "modern": "count.items > 3 || fresh.now",
    "near": "land.code.startsWith('U') && !(town.name == 'Rome')",
    "both": "rules.modern ? !rules.near : has(level.points)",
}
