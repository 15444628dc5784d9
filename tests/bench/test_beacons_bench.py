"""The benchmark of beacons sends what counts and counts what is answered; nothing is timed here."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from bench import beacons
from bench.beacons_client import Client, Ran, is_whole, template
from control_plane.storage.database import Database
from drills.counting import held


def test_a_round_is_acknowledged_and_stored(tmp_path: Path):
    chosen = argparse.Namespace(rounds=1, connections=[4], seconds=0.4)
    with beacons.servers(tmp_path, "") as there:
        turns = list(beacons.measure(tmp_path, there, chosen))
        text, _ = beacons.line(turns, 4)
        assert beacons.peak_mb(there["single"]) > 10
    assert sorted(turn.kind for turn in turns) == ["bare", "single", "ten"]
    for turn in turns:
        assert set(turn.ran.answers) == {204 if turn.kind == "bare" else 202}, turn
    assert text.split()[0] == "4"
    database = Database(tmp_path / "var" / "proffer.db", "tinyshop")
    found = held(database, "tinyshop")
    database.close()
    by_kind = {turn.kind: turn.ran.good for turn in turns}
    assert len(found.names) == len(set(found.names))
    assert len(found.names) >= by_kind["single"] + 10 * by_kind["ten"]
    assert set(found.touches.values()) == {1}


def test_each_request_has_names_of_its_own_and_the_length_that_it_says():
    parts = template(1, 3, "")
    assert len(parts) == 7
    client = object.__new__(Client)
    client._parts, client._size, client._run, client._next = parts, 3, 1, 0
    requests = [client._request() for _ in range(5)]
    assert len(set(requests)) == 5
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        events = msgspec.json.decode(body)
        assert len({event["id"] for event in events}) == 3


def test_an_answer_is_whole_once_its_body_is_there():
    head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n"
    assert [is_whole(head[:-1]), is_whole(head), is_whole(head + b"{}")] == [False, False, True]
    assert is_whole(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_aims_are_judged_by_the_ratios_of_rounds():
    def turn(kind: str, per_s: float, p99_us: int) -> beacons.Turn:
        status = 204 if kind == "bare" else 202
        ran = Ran({status: int(per_s)}, 1.0, p99_us // 2, p99_us, p99_us)
        return beacons.Turn(8, kind, ran, 100)

    good = [turn("bare", 1000, 10_000), turn("single", 500, 40_100), turn("ten", 250, 1)]
    assert beacons.line(good, 8)[1]
    for worse in (turn("single", 499, 40_100), turn("single", 500, 40_200)):
        assert not beacons.line([good[0], worse, good[2]], 8)[1]
    assert not beacons.line([*good[:2], turn("ten", 249, 1)], 8)[1]
