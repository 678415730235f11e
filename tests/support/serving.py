"""The page on a port of its own, in a thread, as the command serves it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

LIMIT_S = 60


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The address of the pages, for the duration of a block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, access_log=False, log_config=None, log_level="error", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until = time.monotonic() + LIMIT_S
            while not server.started:
                assert thread.is_alive()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)
