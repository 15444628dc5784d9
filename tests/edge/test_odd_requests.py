"""Requests that no browser would send: byte for byte over a socket, to an edge with an origin
that only listens and remembers."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from edge.problems import PLACE
from tests.support.edges import World, until, world

SLOT = b'<proffer-slot placement="hero">default</proffer-slot>'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class RawOrigin:
    """Takes connections, keeps the bytes of each request's head, and answers with `answer`."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.answer = OK
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._door.accept()
                with connection, suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(65_536)):
                return
            head += more
        self.heads.append(head)
        connection.sendall(self.answer)

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


@contextmanager
def between(folder: Path, prefix: str = "") -> Iterator[tuple[World, RawOrigin]]:
    origin = RawOrigin()
    thread = threading.Thread(target=origin.run)
    thread.start()
    try:
        with world(folder, origin_url=origin.url + prefix) as w:
            yield w, origin
    finally:
        origin.close()
        thread.join()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, RawOrigin]]:
    with between(tmp_path_factory.mktemp("edge"), "/shop") as made:
        yield made


@pytest.fixture
def w(shared: tuple[World, RawOrigin]) -> World:
    return shared[0]


@pytest.fixture
def origin(shared: tuple[World, RawOrigin]) -> RawOrigin:
    shared[1].heads.clear()
    shared[1].answer = OK
    return shared[1]


def say(w: World, data: bytes) -> bytes:
    """Everything the edge answers before it closes; a request should ask it to."""
    host, _, port = w.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        with suppress(ConnectionResetError):
            while more := connection.recv(65_536):
                answer += more
    return answer


def ask(w: World, line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = [line + b" HTTP/1.1", b"Host: edge", b"Connection: close", *headers, b"", body]
    return say(w, b"\r\n".join(lines))


def is_problem(answer: bytes, name: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    assert msgspec.json.decode(body)["type"] == PLACE + name


def targets(origin: RawOrigin) -> list[bytes]:
    return [head.split(b" ")[1] for head in origin.heads]


# --- the address ----------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        b"/", b"//evil.example/x", b"/a//b", b"/%7Ea/%zz/%2F?q=%2f&q", b"/a|b^`{}<>\"'\\x?'\"|",
        b"/a;b=c/./d", b"/%00", b"/%C3%BC%ff", b"/x?/../..", b"/..a/b..", b"/a?b?c=http://x/",
        b"/@:80/[", b"/:80",
    ],
)  # fmt: skip
def test_an_address_reaches_the_origin_in_its_own_bytes(
    w: World, origin: RawOrigin, target: bytes
) -> None:
    assert b" 200 " in ask(w, b"GET " + target)
    assert targets(origin) == [b"/shop" + target]


@pytest.mark.parametrize(
    "target",
    [
        b"/../secret", b"/a/../../secret", b"/%2e%2e/secret", b"/.%2E/secret", b"/..", b"/a/..",
        b"/..%2fsecret", b"/..%5Csecret", b"/..\\secret", b"/a%2f..%2f..%2fsecret", b"/..?x",
        b"http://edge/../secret",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_origins_folder(
    w: World, origin: RawOrigin, target: bytes
) -> None:
    is_problem(ask(w, b"GET " + target), "malformed-request")
    assert origin.heads == []


def test_without_a_folder_there_is_nothing_to_lead_out_of(tmp_path: Path) -> None:
    with between(tmp_path) as (w, origin):
        assert b" 200 " in ask(w, b"GET /a/../b/%2e%2e")
        assert targets(origin) == [b"/a/../b/%2e%2e"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://shop.example/a?b", b"/a?b"), (b"HTTP://shop.example", b"/"),
        (b"https://shop.example:8443?b", b"/?b"),
    ],
)  # fmt: skip
def test_an_absolute_address_names_the_host(
    w: World, origin: RawOrigin, target: bytes, path: bytes
) -> None:
    assert b" 200 " in ask(w, b"GET " + target)
    assert targets(origin) == [b"/shop" + path]
    assert b"host: shop.example" in origin.heads[0].lower()


def test_an_absolute_address_may_be_the_edges_own(w: World, origin: RawOrigin) -> None:
    assert b'"status":"ok"' in ask(w, b"GET http://edge/_proffer/healthz")
    assert origin.heads == []


@pytest.mark.parametrize(
    "line",
    [
        b"GET a", b"GET *", b"OPTIONS *", b"CONNECT shop.example:443", b"CONNECT /x", b"GET ?x",
        b"GET ftp://edge/", b"GET http://", b"GET http:///x", b"GET http://a@edge/", b"GET /a#b",
        b"GET http://edge/#", b"GET x/_proffer/healthz",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(
    w: World, origin: RawOrigin, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    is_problem(ask(w, line), "malformed-request")
    assert origin.heads == [] and caplog.records == []


def test_a_method_keeps_its_case(w: World, origin: RawOrigin) -> None:
    ask(w, b"get /")
    ask(w, b"M-SEARCH /")
    assert [head.split(b" ")[0] for head in origin.heads] == [b"get", b"M-SEARCH"]


# --- length -----------------------------------------------------------------------


def test_two_lengths_are_refused_and_the_connection_ends(w: World, origin: RawOrigin) -> None:
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: edge\r\n\r\n"
    head = b"POST /x HTTP/1.1\r\nHost: edge\r\n"
    lengths = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = say(w, head + lengths + smuggled)
    is_problem(answer, "malformed-request")
    assert answer.count(b"HTTP/1.1 ") == 1 and origin.heads == []


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: -1"], [b"Content-Length: 1, 2"], [b"Content-Length: x"],
        [b"Transfer-Encoding: gzip"], [b"Transfer-Encoding: chunked, chunked"], [b"Bad Name: x"],
        [b"X: a\x00b"], [b"Host: other"],
    ],
)  # fmt: skip
def test_what_is_no_http_is_a_400_and_no_matter_for_the_log(
    w: World, origin: RawOrigin, headers: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(w, b"POST /x", *headers, body=b"x")
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answer
    assert origin.heads == [] and not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_a_body_that_is_cut_off_is_nobodys_fault(
    w: World, origin: RawOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = w.url.removeprefix("http://").partition(":")
    for path in (b"/x", b"/_proffer/decide", b"/_proffer/beacon"):
        with socket.create_connection((host, int(port))) as connection:
            head = b"POST " + path + b" HTTP/1.1\r\nHost: edge\r\nContent-Length: 10\r\n"
            connection.sendall(head + b"Content-Type: application/json\r\n\r\n123")
    until(lambda: origin.heads)
    assert b'"status":"ok"' in ask(w, b"GET /_proffer/healthz")
    assert caplog.records == []


def test_http_1_0_without_a_host_is_served(w: World, origin: RawOrigin) -> None:
    assert b" 200 " in say(w, b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nhost: 127.0.0.1" in origin.heads[0].lower()


# --- names that only the edge may say ---------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        b"Proffer-Visitor", b"Proffer_Visitor", b"PROFFER_VISITOR", b"proffer_context",
        b"Proffer-Anything", b"X_Forwarded_For", b"X-Forwarded_Host", b"x_forwarded-proto",
    ],
)  # fmt: skip
def test_a_client_cannot_say_what_only_the_edge_says(
    w: World, origin: RawOrigin, name: bytes
) -> None:
    ask(w, b"GET /", name + b": forged", b"X_Own: mine", b"Accept: text/html")
    assert b"forged" not in origin.heads[0]
    assert b"\r\nx_own: mine" in origin.heads[0].lower()


# --- an origin in trouble -----------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
HELD = b'<p>before<proffer-slot placement="hero">the shop\'s own'


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 1000\r\n\r\n" + HELD,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(HELD), HELD),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\nzz\r\n" % (len(HELD), HELD),
    ],
)
def test_what_came_before_a_break_reaches_the_browser(
    w: World, origin: RawOrigin, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    origin.answer = answer
    got = ask(w, b"GET /", b"Accept: text/html")
    assert b"before" in got and b"the shop's own" in got
    assert not got.endswith(b"0\r\n\r\n")
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "GET / broke off" in line.getMessage() and line.exc_info is None


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\x00\xff", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_502(w: World, origin: RawOrigin, answer: bytes) -> None:
    origin.answer = answer
    is_problem(ask(w, b"GET /"), "origin-unreachable")


def test_of_two_lengths_of_the_origin_the_one_that_counts_is_kept(
    w: World, origin: RawOrigin
) -> None:
    lengths = b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    origin.answer = b"HTTP/1.1 200 OK\r\n" + lengths + b"5\r\nhello\r\n0\r\n\r\n"
    got = ask(w, b"GET /")
    assert b"hello" in got and b"content-length" not in got.lower()


# --- nobody else's offer ------------------------------------------------------------

FOR_CACHES = (
    b'ETag: "1"\r\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\nExpires: 9\r\nAge: 1\r\n'
    b"Cache-Control: public, max-age=600\r\nCDN-Cache-Control: max-age=600\r\n"
    b"Cloudflare-CDN-Cache-Control: max-age=600\r\nSurrogate-Control: max-age=600\r\n"
    b"X-Accel-Expires: 600\r\nAccept-Ranges: bytes\r\n"
)


def a_page(more: bytes = b"") -> bytes:
    head = HEAD + FOR_CACHES + more + b"Connection: close\r\nContent-Length: %d\r\n\r\n"
    return head % len(SLOT) + SLOT


def test_no_cache_may_keep_a_filled_page(w: World, origin: RawOrigin) -> None:
    origin.answer = a_page()
    head, _, page = ask(w, b"GET /", b"Accept: text/html").partition(b"\r\n\r\n")
    assert b"proffer-offer" in page
    assert b"\r\ncache-control: private, no-store\r\n" in head.lower()
    names = {line.partition(b":")[0] for line in head.lower().split(b"\r\n")}
    left = {
        b"etag", b"last-modified", b"expires", b"age", b"surrogate-control", b"x-accel-expires",
        b"cdn-cache-control", b"cloudflare-cdn-cache-control", b"accept-ranges",
    } & names  # fmt: skip
    assert left == set()


CONDITIONS = [b'If-None-Match: "1"', b"If-Modified-Since: Sat, 21 Nov 2026 00:00:00 GMT",
              b"Range: bytes=0-9", b'If-Range: "1"']  # fmt: skip


def test_a_page_is_asked_for_without_conditions(w: World, origin: RawOrigin) -> None:
    origin.answer = a_page()
    ask(w, b"GET /", b"Accept: text/html", *CONDITIONS)
    assert b"if-" not in origin.heads[0].lower() and b"range" not in origin.heads[0].lower()


def test_what_is_written_keeps_its_conditions(w: World, origin: RawOrigin) -> None:
    ask(w, b"PUT /", b"Accept: text/html", b"If-None-Match: *", b"Content-Length: 0")
    assert b"if-none-match: *" in origin.heads[0].lower()


PARTS: list[Callable[[], bytes]] = [
    lambda: b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
    lambda: a_page().replace(b"200 OK", b"206 Partial Content"),
]


@pytest.mark.parametrize("part", PARTS)
def test_a_304_and_a_part_hold_nobodys_offer(
    w: World, origin: RawOrigin, part: Callable[[], bytes]
) -> None:
    origin.answer = part()
    got = ask(w, b"GET /", b"Accept: */*", *CONDITIONS)
    assert b'\r\netag: "1"\r\n' in got.lower()
    assert b"proffer-offer" not in got and b"set-cookie" not in got.lower()
