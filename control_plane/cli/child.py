"""A process of the demo: `python -m control_plane.cli.child PARENT COMMAND ...`.

Runs one `proffer` command, or with `shop APP PORT` the demo shop's own server, and ends
when its parent is gone, however that died.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import uvicorn

LOOK_EVERY_S = 0.5


def main() -> int:
    parent, *arguments = sys.argv[1:]
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    if arguments[0] == "shop":
        return _run_shop(*arguments[1:])
    from control_plane.cli import run

    return run(arguments)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGINT)


def _run_shop(app: str, port: str) -> int:
    try:
        uvicorn.run(
            app, factory=True, port=int(port), log_level="warning", timeout_graceful_shutdown=1
        )
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
