"""What all tests share.  Fixtures live in `tests/support/`, beside what they start."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = [
    "tests.support.groups",
    "tests.support.pyodide",
    "tests.support.chromium",
    "tests.support.postgres",
    "tests.support.s3",
]

# Two busy cores make deadlines measure the machine.  The rest is hypothesis' own
# choice, which in CI (the variable CI is set) means: the same examples each time.
settings.register_profile("proffer", settings(), deadline=None)
settings.load_profile("proffer")
