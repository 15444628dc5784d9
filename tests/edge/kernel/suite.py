"""What every home of the kernel's loader is asked: the conformance suite, and made-up requests.

Each check asks the same of Python and of the home, and wants the same bytes: the encoded
request, the verdict, and what a page shows for it.
"""

from __future__ import annotations

import gzip
from random import Random

from msgspec import structs

from edge.decision.beacon import Record, Row, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle, write_bundle
from edge.decision.creatives import Shown, show
from edge.decision.decide import decide
from edge.decision.errors import CoreError
from edge.decision.manifest import pack_manifest, unpack_manifest
from edge.decision.notes import OfferNote, pack_notes
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_request
from policy_compiler.emit import emit
from tests.conformance import generated
from tests.conformance.building import manifest_bytes, request_bytes
from tests.conformance.cases import POLICIES, themes
from tests.conformance.texts import BLOCK, BUNDLE, expected, request_text, text_cases
from tests.support.policies import random_plan
from tests.support.requests import RequestMaker

from .asking import Answer, Home, Question, ask

POLICY_COUNT, REQUESTS = 20, 100


def by_python(bundle: Bundle, manifest: bytes, text: bytes) -> Answer:
    try:
        encoded = encode_request(bundle, text)
        verdict = decide(bundle, manifest, encoded.data)
    except CoreError as error:
        return Answer(error=f"{type(error).__name__} {error.code}")
    rows = unpack_verdict(verdict)
    record = Record(
        bundle_digest=bundle.digest,
        manifest_digest=unpack_manifest(manifest).digest,
        manifest_block=manifest,
        request=encoded.data,
        verdict=verdict,
    )
    return Answer(
        data=encoded.data,
        verdict=verdict,
        rows=[_row(row) for row in rows],
        shown=[_shown(bundle, record, row) for row in rows],
        unknown_placements=encoded.unknown_placements,
        unknown_attributes=encoded.unknown_attributes,
    )


def _row(row: Row) -> dict[str, object]:
    tracks = {name: getattr(row, name) for name in ("shown", "ghost")}
    return {
        "placement": row.placement, "slot": row.slot, "flags": row.flags, "epoch": row.epoch,
        "redraw": row.redraw, "drawn_by": row.drawn_by.hex(),
        **{
            name: {field: getattr(track, field) for field in track.__struct_fields__}
            | {"listed": [list(each) for each in track.listed]}
            for name, track in tracks.items()
        },
    }  # fmt: skip


def _shown(bundle: Bundle, record: Record, row: Row) -> dict[str, object]:
    return structs.asdict(show(bundle, record, unpack_request(record.request), row))


def same_answers(
    bundles: list[bytes], questions: list[Question], home: Home | None = None
) -> list[Answer]:
    opened = [open_bundle(data) for data in bundles]
    answers = ask(bundles, questions, home)
    for question, answer in zip(questions, answers, strict=True):
        expected = by_python(opened[question.bundle], question.manifest, question.content)
        assert answer == expected, question
    return answers


def check_every_case(home: Home) -> None:
    """The hand-written cases, from their JSON text on."""
    policies = sorted({theme.policy for theme in themes()})
    bundles = [(POLICIES / f"{name}.bundle").read_bytes() for name in policies]
    questions = [
        Question(
            policies.index(theme.policy),
            manifest_bytes(theme, case),
            "text",
            request_bytes(theme, case),
        )
        for theme in themes()
        for case in theme.cases
    ]
    answers = same_answers(bundles, questions, home)
    assert len(answers) > 600 and sum(not answer.error for answer in answers) > 500


def check_10000_generated_cases(home: Home) -> None:
    """Those of generated.bin.gz, which are encoded requests; some are broken."""
    suite = generated.unpack_generated(gzip.decompress(generated.FILE.read_bytes()))
    questions = [
        Question(each.bundle, suite.manifests[each.manifest], "encoded", each.request)
        for each in suite.questions
    ]
    answers = ask(suite.bundles, questions, home)
    refused = Answer(error="RequestError ENCODING")
    assert len(answers) == 10_000
    for answer, verdict in zip(answers, suite.verdicts, strict=True):
        assert answer.verdict == verdict
        assert verdict or answer == refused


def check_2000_made_up_requests(home: Home) -> None:
    """As JSON, over made-up policies with made-up notes."""
    bundles = [with_made_up_notes(emit(random_plan(seed)), seed) for seed in range(POLICY_COUNT)]
    questions = []
    for row, data in enumerate(bundles):
        maker = RequestMaker(open_bundle(data), seed=row)
        questions += [
            Question(row, pack_manifest(maker.manifest()), "text", maker.request().text)
            for _ in range(REQUESTS)
        ]
    answers = same_answers(bundles, questions, home)
    assert sum(not answer.error for answer in answers) > 0.9 * len(answers)
    assert sum(bool(each["creative"]) for answer in answers for each in answer.shown) > 100


def check_every_text(home: Home) -> None:
    """The cases of what a page shows, of addresses and of notices."""
    suite = text_cases()
    texts = [request_text(suite.base, case) for case in suite.cases]
    answers = same_answers(
        [BUNDLE.read_bytes()], [Question(0, BLOCK, "text", text) for text in texts], home
    )
    for case, answer in zip(suite.cases, answers, strict=True):
        (found,) = answer.shown
        assert found == expected(case, Shown(**found)), case.description
    safe, unsafe = suite.addresses.safe, suite.addresses.unsafe
    asked = [Question(0, b"", "address", each.encode()) for each in (*safe, *unsafe)]
    said = [answer.shown[0]["safe"] for answer in ask([], asked, home)]
    assert said == [True] * len(safe) + [False] * len(unsafe)
    asked = [Question(0, b"", "notice", each.encode()) for each in suite.notices]
    notices = [answer.shown[0]["notice"] for answer in ask([], asked, home)]
    assert notices == list(suite.notices.values())


LOCALES = ("en", "de", "de-AT", "fr", "pt-BR", "", "x")
NAMES = ("amount", "percent")
PLACEHOLDERS = ("{percent}", "{amount}", "{}", "$&", "{", "é", "😀", "\ud7ff", "7.5", "\x00")


def with_made_up_notes(data: bytes, seed: int) -> bytes:
    """The bundle with other texts, also such as no compiler writes."""
    random, bundle = Random(seed), open_bundle(data)
    names = [bundle.placement_name(row) for row in range(bundle.rows["placement"])]
    locales = tuple(random.sample(LOCALES, random.randint(0, 4)))

    def text() -> str:
        return " ".join(random.choices(PLACEHOLDERS, k=random.choice((0, 2, 5, 60))))

    def creative() -> dict[str, str]:
        return {name: text() for name in ("headline", "body", "href", "__proto__")}

    def offer(row: int) -> OfferNote:
        by_locale = {each: creative() for each in random.sample(LOCALES, random.randint(0, 5))}
        sizes = tuple(
            {name: random.choice(("7.5", "1.2.3", "{amount}", "$1")) for name in NAMES}
            for _ in bundle.arms(row)
        )
        return structs.replace(
            bundle.notes.offers[row],
            creatives={name: by_locale for name in names if random.random() < 0.9},
            sizes=sizes if random.random() < 0.9 else (),
        )

    offers = tuple(offer(row) for row in range(bundle.rows["offer"]))
    notes = structs.replace(bundle.notes, locales=locales, offers=offers)
    tables = bundle.tables
    return write_bundle(structs.replace(tables, notes=pack_notes(notes)))
