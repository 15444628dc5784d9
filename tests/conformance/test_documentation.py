"""The suite's README names every field that a case, an expectation or a vector has."""

from __future__ import annotations

import msgspec
import pytest

from tests.conformance.cases import (
    HERE,
    AttributeExpected,
    Case,
    Expect,
    ManifestGiven,
    Member,
    RowExpected,
    Shares,
    Theme,
    TrackExpected,
    themes,
)
from tests.conformance.generate import BundleFile, Vector, Vectors
from tests.support.parts import ROOT

README = (HERE / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "conformance.md").read_text()
DOCUMENTED = (
    AttributeExpected, BundleFile, Case, Expect, ManifestGiven, Member, RowExpected, Shares, Theme,
    TrackExpected, Vector, Vectors,
)  # fmt: skip


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_every_field_is_explained(kind: type[msgspec.Struct]) -> None:
    missing = [
        name
        for name in kind.__struct_fields__
        if f"`{name}`" not in README and f'"{name}"' not in README
    ]
    assert missing == []


def test_the_reference_names_every_theme() -> None:
    words = REFERENCE.replace("|", " ").replace(",", " ").split()
    assert [one.theme for one in themes() if one.theme.split("-")[0] not in " ".join(words)] == []
    assert f"{len(themes())} themes" in README


def test_the_table_of_section_7_names_only_themes_and_every_one() -> None:
    table = README.partition("## Where the design's section 7 is held")[2].partition("##")[0]
    assert [one.theme for one in themes() if one.theme not in table] == []


def test_every_description_is_a_sentence() -> None:
    for theme in themes():
        for case in theme.cases:
            assert case.description.endswith("."), f"{theme.theme}/{case.id}"
            assert len(case.description.split()) > 1, f"{theme.theme}/{case.id}"
