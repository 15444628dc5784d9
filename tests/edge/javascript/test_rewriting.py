"""HTML through both rewriters: workerd's HTMLRewriter, and the edge's own lexer under Deno."""

from __future__ import annotations

import json
import random
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from edge.pages import SLOT_LIMIT_BYTES, Filling, Rewriter
from tests.edge.test_pages import PIECES, SEEN, SLOT, WHOLE, cut
from tests.support.javascript import ENTRY, deno, modules, plain_worker, plain_workerd
from tests.support.parts import ROOT

HERE = Path(__file__).parent
Rewrite = Callable[[list[list[bytes]], bool], list[bytes]]


def python(chunks: list[bytes], fills: bool = True) -> bytes:
    def fill(attributes: Mapping[str, str]) -> Filling | None:
        name = attributes.get("placement") or "no"
        if not fills or name == "no":
            return None
        if name == "keep":
            return Filling({"data-kept": "1"})
        return Filling({"data-filled": name}, f"[{name}]")

    rewriter = Rewriter(fill)
    return b"".join([*(rewriter.feed(chunk) for chunk in chunks), rewriter.close()])


def question(documents: list[list[bytes]], fills: bool) -> bytes:
    listed = [[b64encode(chunk).decode() for chunk in chunks] for chunks in documents]
    return json.dumps({"fills": fills, "documents": listed}).encode()


def answer(text: bytes) -> list[bytes]:
    return [b64decode(document) for document in json.loads(text)]


def under_deno(documents: list[list[bytes]], fills: bool = True) -> list[bytes]:
    command = [deno(), "run", "--no-lock", str(HERE / "rewriting_deno.mjs")]
    done = subprocess.run(command, input=question(documents, fills), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return answer(done.stdout)


@pytest.fixture(scope="module")
def in_workerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rewrite]:
    here = HERE.relative_to(ROOT).as_posix()
    entry = f"{here}/rewriting_worker.js"
    listed = [m for m in modules(entry, f"{here}/rewriting.mjs") if m["path"] != ENTRY]
    folder = plain_worker(tmp_path_factory.mktemp("pages"), listed)
    with plain_workerd(folder) as server, httpx.Client(timeout=60) as client:

        def ask(documents: list[list[bytes]], fills: bool = True) -> list[bytes]:
            asked = client.post(server.url, content=question(documents, fills))
            assert asked.status_code == 200, asked.text
            return answer(asked.content)

        yield ask


@pytest.fixture(params=["workerd", "Deno"])
def rewrite(request: pytest.FixtureRequest) -> Rewrite:
    return under_deno if request.param == "Deno" else request.getfixturevalue("in_workerd")


def documents(count: int) -> list[list[bytes]]:
    """Broken HTML of all kinds, cut anywhere."""
    chance = random.Random(20)
    made = []
    for _ in range(count):
        html = "".join(chance.choices(PIECES, k=chance.randint(1, 30))).encode()
        made.append(
            cut(html, [chance.randrange(len(html) + 1) for _ in range(chance.randrange(6))])
        )
    return made


def test_nothing_changes_where_nothing_is_filled(rewrite: Rewrite) -> None:
    asked = documents(600)
    for chunks, got in zip(asked, rewrite(asked, False), strict=True):
        assert got == b"".join(chunks), chunks


def test_our_lexer_under_deno_does_what_pythons_does() -> None:
    asked = documents(1500)
    for chunks, got in zip(asked, under_deno(asked), strict=True):
        assert got == python(chunks), chunks


def test_documents_that_chromium_was_asked_about_are_filled_alike(rewrite: Rewrite) -> None:
    asked = [[html.encode()] for html in SEEN]
    for (html,), got in zip(asked, rewrite(asked, True), strict=True):
        assert got == python([html]), html


def test_chunks_do_not_matter(rewrite: Rewrite) -> None:
    whole = python([WHOLE])
    asked = [cut(WHOLE, [place, place + 3]) for place in range(len(WHOLE))]
    asked.append([WHOLE[i : i + 1] for i in range(len(WHOLE))])
    for chunks, got in zip(asked, rewrite(asked, True), strict=True):
        assert got == whole, chunks


def test_where_html_rewriter_gives_up_the_page_goes_on_as_it_came(in_workerd: Rewrite) -> None:
    """It refuses raw text in a `<select>`, whose meaning depends on the browser."""
    html = f"{SLOT}<select><xmp>a</select>{SLOT}<p>the rest".encode()
    whole, cut_up = in_workerd([[html], [html[i : i + 5] for i in range(0, len(html), 5)]], True)
    assert whole == cut_up
    assert whole.endswith(f"<select><xmp>a</select>{SLOT}<p>the rest".encode())
    assert b"data-filled" in whole.partition(b"<select>")[0]


def test_a_large_page_and_a_large_slot(rewrite: Rewrite) -> None:
    text = b"<p class='x'>text &amp; more</p>\n" * 20_000
    large = b"<proffer-slot placement=a>" + b"x" * SLOT_LIMIT_BYTES + b"</proffer-slot>"
    html = text + SLOT.encode() + large + text + SLOT.encode()
    chunks = [html[i : i + 16_384] for i in range(0, len(html), 16_384)]
    (got,) = rewrite([chunks], True)
    assert got == python(chunks)
    assert got.count(b"data-filled") == 2
