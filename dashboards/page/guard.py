"""Who may see the page, and what a browser may do with it."""

import hashlib
import hmac
import http.cookies
import urllib.parse

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Of every answer: nothing is loaded from elsewhere, and no code is made of text."""
METHODS = ("GET", "HEAD")
YEAR_S = 365 * 24 * 3600


class Guard:
    """Refuses what is no question, and who does not know the token.

    Args:
        app: The pages.
        token: What visitors have to know; empty: nothing.
        cookie: The name of the cookie that keeps it after the first visit.
    """

    def __init__(self, app: ASGIApp, *, token: str, cookie: str) -> None:
        self.app = app
        self.token = token
        self.cookie = cookie
        # A cookie that leaks does not tell the token, which may be used elsewhere.
        self.mark = hashlib.sha256(f"{cookie} {token}".encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request itself, or hands it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._refusal(HTTPConnection(scope), scope["method"]) or self.app
        await app(scope, receive, send_guarded)

    def _refusal(self, asked: HTTPConnection, method: str) -> ASGIApp | None:
        if method not in METHODS:
            return PlainTextResponse("this page only shows", 405, {"allow": ", ".join(METHODS)})
        if not self.token or _is(asked.cookies.get(self.cookie, ""), self.mark):
            return None
        given = asked.query_params.get("token")
        if given is None:
            return PlainTextResponse("open the link with its token that the command printed", 401)
        if not _is(given, self.token):
            return PlainTextResponse("the token is wrong", 403)
        query = [pair for pair in asked.query_params.multi_items() if pair[0] != "token"]
        path = "/" + asked.url.path.lstrip("/")
        where = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        return RedirectResponse(where, 303, {"set-cookie": self._cookie()})

    def _cookie(self) -> str:
        jar = http.cookies.SimpleCookie({self.cookie: self.mark})
        settings = {"httponly": "yes", "samesite": "Lax", "path": "/", "max-age": str(YEAR_S)}
        jar[self.cookie].update(settings)
        return jar[self.cookie].OutputString()


def _is(given: str, wanted: str) -> bool:
    """Whether two texts are equal; the time it takes tells nothing of how much is."""
    return hmac.compare_digest(given.encode(), wanted.encode())
