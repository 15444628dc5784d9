"""moto's S3 server, one request at a time: `python -m tests.support.s3_server PORT`.

Of S3 it is promised that a condition is checked and the object written in one step.  moto
checks and writes one after the other, so its requests must not overlap.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def one_at_a_time(app: Any) -> Callable[[Any, Any], Iterable[bytes]]:
    turn = threading.Lock()

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        with turn:
            return list(app(environ, start_response))

    return answer


if __name__ == "__main__":
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time(moto), threaded=True)
