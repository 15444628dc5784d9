"""strace's own account of a collector that answers one batch at a time: the sync comes first.

Between two answers of 202 there must be, in this order and all of them ended:
    segment    the last write to its part, the part's fsync, the link to its name, and an
               fsync of the folder
    spill      the last write to the spill file, and its fsync
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from drills.log_servers import collector, sender, settings_of, settled
from drills.steps import MissingStrace
from tests.support.processes import free_port

CALLS = "write,pwrite64,fsync,fdatasync,link,sendto,sendmsg,writev"
CALL = re.compile(r"^(\d+)\s+(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
ORDER = {
    "segment": ("write part", "sync part", "link", "sync folder"),
    "spill": ("write spill", "sync spill"),
}


def drill(place: Path, batches: int) -> Counter[str]:
    """How many answers were preceded by their sync; `AssertionError` for one that was not."""
    if shutil.which("strace") is None:
        raise MissingStrace("the drill needs strace: apt-get install strace")
    counts: Counter[str] = Counter()
    for way, order in ORDER.items():
        account = _account(place / way, way, batches)
        told = list(told_between(account, _event))
        assert len(told) >= batches, f"{len(told)} of {batches} answers are in the account"
        for events in told:
            assert _holds(events, order), (way, events)
        counts[f"202 after its sync, {way}"] = len(told)
    return counts


def _account(place: Path, way: str, batches: int) -> list[str]:
    """What strace wrote while so many batches were sent, one after the other."""
    place.mkdir()
    settings, port = settings_of(place, log_wait_ms=1, log_fold_every_ms=60_000), free_port()
    load = sender(settings, way, connections=1, pause_s=0.0)
    if way == "spill":
        _block(settings.log_folder)
    out = place / "account"
    with collector(settings, port, {}) as process:
        command = ["strace", "-f", "-y", "-s", "40", "-e", f"trace={CALLS}", "-o", str(out)]
        tracer = subprocess.Popen(
            [*command, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None and "attached" in tracer.stderr.readline()
        with load.at(port):
            load.wait_for(batches)
        tracer.terminate()
        tracer.communicate()
    if way == "spill":
        shutil.rmtree(settings.log_folder, ignore_errors=True)
        settings.log_folder.unlink(missing_ok=True)
    settled(settings, [load])
    return out.read_text(errors="replace").splitlines()


def _block(folder: Path) -> None:
    """Nothing can be made below it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_bytes(b"")


def told_between(account: list[str], event: Callable[[str, str], list[str]]) -> Iterator[list[str]]:
    """For each 202, what ended since the one before; from the second one on.

    `event` gives the names of what matters about a call, by the call and what is told of it.
    """
    events: list[str] = []
    begun: dict[tuple[str, str], str] = {}
    is_first = True
    for line in account:
        found = CALL.match(line)
        if not found:
            continue
        thread, resumed, called, rest = found.groups()
        call = resumed or called
        if call in {"sendto", "sendmsg", "write", "writev"} and called and "HTTP/1.1 202" in rest:
            if not is_first:
                yield events
            events, is_first = [], False
        elif rest.endswith("<unfinished ...>"):
            begun[thread, call] = rest
        elif "= -1" not in rest:
            events += event(call, begun.pop((thread, call), "") + rest)


def _event(call: str, about: str) -> list[str]:
    if call == "link":
        return ["link"]
    what = {"fsync": "sync", "fdatasync": "sync", "write": "write"}.get(call, "")
    path = about.partition("<")[2].partition(">")[0]
    kind = {True: "part"}.get("/.parts/" in path, "spill" if path.endswith(".spill") else "")
    if not kind and "/eventlog" in path:
        kind = "folder"
    return [f"{what} {kind}"] if what and kind else []


def _holds(events: list[str], order: tuple[str, ...]) -> bool:
    """Whether the last of the first kind is followed by one of each other kind, in order."""
    if order[0] not in events:
        return False
    last = len(events) - 1 - events[::-1].index(order[0])
    rest = iter(events[last + 1 :])
    return all(wanted in rest for wanted in order[1:])
