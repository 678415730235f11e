"""The pages as a web application: addresses, and what answers them."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from dashboards.html.render import STATIC, rendered
from dashboards.page import views
from dashboards.page.addresses import VIEWS, address
from dashboards.page.guard import Guard
from dashboards.page.source import GoneError, Source
from dashboards.page.views import View
from dashboards.page.watched import StillReadingError
from orchestrator.errors import OrchestratorError
from orchestrator.masking import masked, shown_address
from orchestrator.process.gc_pause import uncollected

T = TypeVar("T")

log = logging.getLogger(__name__)

LOCAL = ("localhost", "127.0.0.1", "::1", "[::1]")
SEEN = "seen"
"""The query's key for the version that a page has already."""


def application(
    tracking_uri: str, *, names: Sequence[str] = (), token: str = "", cookie: str = "bnn"
) -> Starlette:
    """The pages on one store.

    Args:
        tracking_uri: MLflow's store.
        names: More names by which browsers may ask for them, such as `*.lab.org`.
        token: What visitors have to know; empty: nothing.
        cookie: The name of the cookie that keeps it.

    Raises:
        StoreError: If the address cannot be read.
    """
    source = Source(tracking_uri)
    pages = _Pages(source)
    routes = [
        Route("/", pages.answer(lambda request, query: views.studies(source, query))),
        *(
            Route(f"/study/{{study}}{end}", pages.answer(_of_study(source, name)))
            for name, end in VIEWS.items()
        ),
        Route(
            "/study/{study}/cells/{run}",
            pages.answer(
                lambda request, query: views.cell(
                    source, request.path_params["study"], request.path_params["run"], query
                )
            ),
        ),
        Route("/static/{name}", _static),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, *names], www_redirect=False),
        Middleware(Guard, token=token, cookie=cookie),
    ]
    # MLflow takes seconds to import; the first look finds it imported.
    threading.Thread(target=_warm, args=(source,), daemon=True).start()
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            StillReadingError: pages.waited,
            HTTPException: pages.refused,
            OrchestratorError: pages.refused,
        },
    )


Look = Callable[[Request, dict[str, str]], View]


def _of_study(source: Source, name: str) -> Look:
    view = views.STUDY_VIEWS[name]
    return lambda request, query: view(source, request.path_params["study"], query)


class _Pages:
    """Makes whole pages, and what a page that is open already takes in its place."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.store = shown_address(source.tracking_uri)

    def answer(self, look: Look) -> Callable[[Request], Any]:
        """What answers the address of a view."""

        async def answered(request: Request) -> Response:
            query = dict(request.query_params)
            seen = query.pop(SEEN, None)
            version = await run_in_threadpool(_unpaused, self._version, request, query)
            if seen is not None and seen == version:
                return Response(status_code=204)
            view = await run_in_threadpool(_unpaused, look, request, query)
            poll = address(request.url.path, {**query, SEEN: version})
            values = {**view.values, "poll": poll}
            is_part = seen is not None and "hx-request" in request.headers
            text = await run_in_threadpool(self._text, view, values, is_part)
            return HTMLResponse(text, headers={"cache-control": "no-store"})

        return answered

    def _version(self, request: Request, query: dict[str, str]) -> str:
        """What changes with what is shown; to ask for it is cheap."""
        study = request.path_params.get("study")
        if study is None:
            return views.version_of_studies(self.source, query)
        variant = self.source.variant(study, query.get("variant", ""))
        return self.source.summary(variant).version

    async def waited(self, request: Request, error: Exception) -> Response:
        """The page for what is being read for the first time."""
        assert isinstance(error, StillReadingError)
        query = dict(request.query_params)
        seen, reason = query.pop(SEEN, None), str(error)
        if seen == reason:
            return Response(status_code=204)
        poll = address(request.url.path, {**query, SEEN: reason})
        values = {"title": error.title, "reason": reason, "poll": poll}
        view = View(template="reading.html", title=error.title, values=values)
        text = self._text(view, values, seen is not None and "hx-request" in request.headers)
        return HTMLResponse(text, headers={"cache-control": "no-store"})

    async def refused(self, request: Request, error: Exception) -> Response:
        """The page for what is not there, or cannot be read now."""
        code, reason = 503, masked(str(error))
        if isinstance(error, GoneError):
            code = 404
        elif isinstance(error, HTTPException):
            code, reason = error.status_code, error.detail
        title = "Not found" if code == 404 else "The results cannot be read"
        view = View(template="trouble.html", title=title, values={"title": title})
        values = {**view.values, "reason": reason}
        text = self._text(view, values, "hx-request" in request.headers)
        return HTMLResponse(text, code, headers={"cache-control": "no-store"})

    def _text(self, view: View, values: dict[str, Any], is_part: bool) -> str:
        if is_part:
            return rendered(view.template, **values)
        return rendered(
            "base.html", view=view.template, **{"title": view.title, "store": self.store, **values}
        )


def _unpaused(look: Callable[[Request, dict[str, str]], T], *asked: Any) -> T:
    """Looks without a collection, which 10,000 cells make as long as the look itself."""
    with uncollected():
        return look(*asked)


async def _static(request: Request) -> Response:
    file = STATIC.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404, "there is no such file")
    return FileResponse(file, headers={"cache-control": "no-cache"})


def _warm(source: Source) -> None:
    try:
        source.variants()
    except OrchestratorError as error:
        # Whoever looks is told.
        log.info("%s", masked(str(error)))
