"""A pytest plugin: runs the tests in groups, cheapest first, and tells each group's time.

A group is a folder below `tests/`, or a file there (`test_style.py` is the
group "style").  The table stands right before pytest's own summary, which
stays the last line.  Two processes run them (pytest-xdist), a file in one of them, so
the times of the groups add up to more than the clock shows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import pytest

ORDER = ("style", "architecture", "edge", "policy_compiler", "control_plane", "conformance")
"""These come first; the others follow by name."""


@dataclass
class Group:
    tests: int = 0
    failed: int = 0
    spent_s: float = 0.0


GROUPS = pytest.StashKey[dict[str, Group]]()


def group_of(nodeid: str) -> str:
    """`tests/edge/test_app.py::test_x` -> "edge"; `tests/test_docs.py::test_x` -> "docs"."""
    parts = nodeid.partition("::")[0].split("/")
    below = parts[parts.index("tests") + 1 :] if "tests" in parts else parts
    return below[0].removeprefix("test_").removesuffix(".py")


def _rank(item: pytest.Item) -> tuple[bool, int, str]:
    # Playwright's event loop stays marked as running in the main thread until the
    # browser is closed, so no test that runs a loop of its own may come after it.
    group = group_of(item.nodeid)
    place = ORDER.index(group) if group in ORDER else len(ORDER)
    return "browser" in getattr(item, "fixturenames", ()), place, group


def pytest_configure(config: pytest.Config) -> None:
    config.stash[GROUPS] = defaultdict(Group)
    config.pluginmanager.register(_Clock(config.stash[GROUPS]), "proffer-group-clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files, in this order: tests of a file share what it starts, and often its state."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        @cached_property
        def _scopes(self) -> dict[str, str]:
            # a file with tests in a browser and others is two, since the browser's come last
            (names, *_) = self.registered_collections.values()
            files = groupby(names, lambda nodeid: nodeid.partition("::")[0])
            return {name: f"{at} {file}" for at, (file, run) in enumerate(files) for name in run}

        def _split_scope(self, nodeid: str) -> str:
            return self._scopes[nodeid]

    config.option.loadscopereorder = False
    return ByFile(config, log)


class _Clock:
    def __init__(self, groups: dict[str, Group]) -> None:
        self._groups = groups

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        group = self._groups[group_of(report.nodeid)]
        group.spent_s += report.duration
        group.tests += report.when == "setup"
        group.failed += report.failed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    groups = terminalreporter.config.stash[GROUPS]
    if not groups:
        return
    terminalreporter.section("groups")
    for name, group in groups.items():
        failed = f"  {group.failed} failed" if group.failed else ""
        terminalreporter.line(f"{name:<18} {group.tests:5d} tests {group.spent_s:8.1f} s{failed}")
