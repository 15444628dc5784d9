"""Many records: spread over processes, within a window, stopped in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.reviewing.replay_report import Window
from control_plane.reviewing.replay_run import Cancelled, Page, Plan, paged, replay
from control_plane.reviewing.replaying import Recorded
from edge.decision.bundle import Bundle, write_bundle
from tests.control_plane.replay_shop import CHEAPER, NOW_S, compiled, made
from tests.support.cli import Ran, proffer

COUNT = 1_100


@pytest.fixture(scope="module")
def live() -> Bundle:
    return compiled().bundle


@pytest.fixture(scope="module")
def records(live: Bundle) -> list[bytes]:
    return made(live, COUNT)


@pytest.fixture(scope="module")
def draft() -> bytes:
    return compiled(CHEAPER).data


def pages(records: list[bytes]) -> list[Page]:
    return list(paged(Recorded(str(n), data) for n, data in enumerate(records)))


def store(*bundles: Bundle):
    return {bundle.digest.hex(): write_bundle(bundle.tables) for bundle in bundles}.get


def test_several_processes_find_what_one_finds(
    live: Bundle, records: list[bytes], draft: bytes
) -> None:
    found = [
        replay(Plan(draft=draft, processes=processes), pages(records), store(live))
        for processes in (1, 2)
    ]
    assert found[0] == found[1]
    assert found[0].replayed == COUNT and found[0].slots.changed > 0


def test_progress_tells_every_record(live: Bundle, records: list[bytes], draft: bytes) -> None:
    heard: list[int] = []
    replay(Plan(draft=draft), pages(records), store(live), progress=heard.append)
    assert heard == [500, 500, 100]


def test_a_window_takes_decisions_from_its_beginning_to_before_its_end(
    live: Bundle, records: list[bytes], draft: bytes
) -> None:
    window = Window(since_s=NOW_S + 100, until_s=NOW_S + 300)
    report = replay(Plan(draft=draft, window=window), pages(records), store(live))
    assert report.records == report.replayed == 200
    assert (report.since_s, report.until_s) == (NOW_S + 100, NOW_S + 300)


def test_what_is_no_record_is_counted_in_any_window(live: Bundle, draft: bytes) -> None:
    torn = [Recorded("torn", b"PRRC" + bytes(90))]
    window = Window(since_s=NOW_S)
    report = replay(Plan(draft=draft, window=window), [torn], store(live))
    assert [(str(each.reason), each.records) for each in report.left_out] == [("unreadable", 1)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_replay_that_is_stopped_stops(
    live: Bundle, records: list[bytes], draft: bytes, processes: int
) -> None:
    def stop(seen: int) -> None:
        raise Cancelled

    read: list[int] = []

    def read_pages():
        for page in pages(records * 10):
            read.append(len(page))
            yield page

    with pytest.raises(Cancelled):
        replay(Plan(draft=draft, processes=processes), read_pages(), store(live), progress=stop)
    assert len(read) <= 4  # of 22: what was under way


def test_a_bundle_that_is_gone_or_another_leaves_its_records_out(
    live: Bundle, records: list[bytes], draft: bytes
) -> None:
    another = write_bundle(compiled(CHEAPER).bundle.tables)
    for get in (lambda digest: None, lambda digest: another, lambda digest: b"rot"):
        report = replay(Plan(draft=draft), pages(records[:5]), get)
        assert [(str(o.reason), o.records) for o in report.left_out] == [("no-bundle", 5)]


# --- the command --------------------------------------------------------------


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, live: Bundle, records: list[bytes], draft: bytes
) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "live.bundle").write_bytes(write_bundle(live.tables))
    (folder / "draft.bundle").write_bytes(draft)
    (folder / "records").write_bytes(b"".join(records[:300]))
    return folder


def replayed(files: Path, *more: str) -> Ran:
    return proffer(
        "replay", files / "records", "--policy", files / "live.bundle",
        "--draft", files / "draft.bundle", "--processes", "1", *more,
    )  # fmt: skip


def test_the_command_tells_who_gains_and_loses_and_what_it_costs(files: Path) -> None:
    ran = replayed(files)
    assert ran.code == 0, ran.err
    assert "300 of 300 records replayed" in ran.out
    assert "incentive if redeemed, drawn\t" in ran.out
    assert "ten-off/p20\t" in ran.out and "hero\tnew\t" in ran.out


def test_the_command_gives_programs_the_whole_report(files: Path) -> None:
    document = replayed(files, "--json", "--by", "visit.kind").document
    report = document["report"]
    assert report["records"] == report["replayed"] == 300 and report["by"] == "visit.kind"
    assert {group["segment"] for group in report["segments"]} == {"known", "new"}
    assert report["totals"]["before"]["drawn"]["incentive_micros"] > 0


def test_the_command_takes_times_as_people_say_them(files: Path) -> None:
    from_unix = replayed(files, "--json", "--since", str(NOW_S + 100)).document["report"]
    assert (from_unix["records"], from_unix["since_s"]) == (200, NOW_S + 100)
    until = replayed(files, "--json", "--until", "2026-11-18T16:28:20+00:00").document["report"]
    assert until["until_s"] == 1_795_019_300 and until["records"] == 300
    assert replayed(files, "--since", "1d", "--until", "0s").code in (0, 1)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--since", "yesterday"], 2, "--since 'yesterday' is no time"),
        (["--by", "cart.categories"], 2, "cart.categories is a set"),
        (["--until", "2020-01-01"], 1, "None of 0 records could be replayed"),
    ],
)
def test_the_command_says_what_is_wrong(
    files: Path, options: list[str], code: int, said: str
) -> None:
    ran = replayed(files, *options)
    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_the_options_of_drafts_want_a_draft(files: Path) -> None:
    ran = proffer("replay", files / "records", "--since", "1d")
    assert ran.code == 2 and "--draft" in ran.err


def test_without_their_bundles_no_record_is_replayed(files: Path) -> None:
    ran = proffer("replay", files / "records", "--draft", files / "draft.bundle")
    assert ran.code == 1 and "no-bundle" in ran.out and "--policy" in ran.err
