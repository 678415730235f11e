"""Serves the pages with uvicorn, until a signal ends it."""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette

GRACE_S = 2


def serve(app: Starlette, listening: socket.socket) -> None:
    """Serves until a signal comes, which acts at the end as it would have before.

    Args:
        app: The pages.
        listening: A bound socket.
    """
    config = uvicorn.Config(
        app,
        # Addresses of requests may hold a token.
        access_log=False,
        log_config=None,
        log_level="error",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))
