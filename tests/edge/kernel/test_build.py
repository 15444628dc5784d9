"""What is built is what the sources say, and small."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

from edge.decision.errors import BundleError, RequestError
from edge.kernel.build import (
    DIGEST,
    EXPORTS,
    HERE,
    PLAIN,
    SCRIPTS,
    SMALL_LOADER,
    WASM,
    compile_wasm,
    plain_module,
    small,
    small_name,
)
from edge.kernel.columns import HEADER, header
from edge.kernel.native import SLACK, VERDICT_BYTES

SIZE_LIMIT_BYTES = 16 * 1024


def test_columns_h_is_what_tables_py_says() -> None:
    assert HEADER.read_text() == header(), "run `python -m edge.kernel.build`"


def test_the_committed_module_is_what_its_source_gives() -> None:
    assert compile_wasm() == WASM.read_bytes(), "run `python -m edge.kernel.build`"


def test_the_committed_digest_is_that_of_the_module() -> None:
    assert DIGEST.read_text() == f"{sha256(WASM.read_bytes()).hexdigest()}  kernel.wasm\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_each_committed_small_script_is_what_its_source_gives(script: Path) -> None:
    assert small(script) == small_name(script).read_text(), "run `python -m edge.kernel.build`"


def test_the_committed_plain_module_is_what_the_module_gives() -> None:
    assert plain_module() == PLAIN.read_text(), "run `python -m edge.kernel.build`"


def test_no_script_holds_what_a_strict_policy_forbids() -> None:
    for path in (PLAIN, *SCRIPTS):
        text = path.read_text()
        assert not re.search(r"\beval\b|\bnew Function\b|\bFunction\(", text), path.name


def test_kernel_and_loader_together_take_at_most_16_kb() -> None:
    sizes = [len(gzip.compress(path.read_bytes(), 9)) for path in (WASM, SMALL_LOADER)]
    assert sum(sizes) <= SIZE_LIMIT_BYTES, sizes


def test_the_module_imports_nothing_and_exports_what_kernel_h_names() -> None:
    sections = dict(_sections(WASM.read_bytes()))
    assert 2 not in sections, "there is an import section"
    assert 8 not in sections, "there is a start function"
    names = set(re.findall(rb"[a-z_0-9]{6,}", sections[7]))
    assert names == {name.encode() for name in (*EXPORTS, "__heap_base", "memory")}
    assert 0 not in sections, "there are names or other custom sections"


def _sections(module: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 8
    while at < len(module):
        number, (size, start) = module[at], _leb128(module, at + 1)
        found.append((number, module[start : start + size]))
        at = start + size
    return found


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """The number there, and where it ends."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return number, at


def test_kernel_h_numbers_the_codes_as_errors_py_lists_them() -> None:
    text = (HERE / "kernel.h").read_text()
    for name, first, codes in (
        ("BUNDLE", -1, BundleError.CODES),
        ("REQUEST", -17, RequestError.CODES),
    ):
        given = re.findall(rf"PROFFER_{name}_(\w+) = (-\d+)", text)
        assert given
        for code, number in given:
            assert first - codes.index(code) == int(number)


def test_native_py_repeats_the_limits_of_kernel_h() -> None:
    text = (HERE / "kernel.h").read_text()
    assert f"#define PROFFER_SLACK {SLACK}\n" in text
    limit = re.search(r"#define PROFFER_VERDICT_BYTES (.*)\n", text)
    assert limit is not None
    assert eval(limit[1]) == VERDICT_BYTES


def test_no_file_of_the_source_is_long() -> None:
    for path in [*HERE.glob("*.[ch]"), *HERE.glob("*.py")]:
        if path != HEADER:
            assert len(path.read_text().splitlines()) <= 350, path.name
