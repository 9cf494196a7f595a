"""Who may ask the viewer's server for anything, and what a browser may do with its answers.

Other pages in the same browser, and other users of the same machine, can reach 127.0.0.1 too. So each address begins
with a random token, a request must name the server as its host (another name that leads here would be DNS rebinding),
and what sends an image must come from the viewer's own page.
"""

import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer."""
READING = ("GET", "HEAD")
FORBIDDEN = 403


class Guard:
    """Passes the requests on that may be answered, without the token in their path; all others get the status 403.

    Args:
        app: answers them.
        token: first part of the path of each address.
        port: of the server.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = frozenset(f"{name}:{port}" for name in NAMES) | (frozenset(NAMES) if port == 80 else frozenset())
        self.origins = frozenset(f"http://{host}" for host in self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        if not self._may_ask(scope) or not is_same(token, self.token):
            await PlainTextResponse("forbidden", FORBIDDEN)(scope, receive, send_protected)
        elif not slash:  # the page's own addresses are relative to a folder
            await RedirectResponse(f"/{self.token}/")(scope, receive, send_protected)
        else:
            await self.app({**scope, "path": f"/{rest}", "raw_path": None}, receive, send_protected)

    def _may_ask(self, scope: Scope) -> bool:
        """Return whether a request names this server as its host, and its own page as its origin."""
        headers = Headers(scope=scope)
        if len(hosts := headers.getlist("host")) != 1 or hosts[0].lower() not in self.hosts:
            return False
        # a program that is no browser sends neither of them
        own_page = _all_in(headers.getlist("origin"), self.origins)
        own_site = _all_in(headers.getlist("sec-fetch-site"), ("same-origin", "none"))
        return scope["method"] in READING or (own_page and own_site)


def is_same(given: str, token: str) -> bool:
    """Return whether a text is the token, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _all_in(given: Iterable[str], allowed: Iterable[str]) -> bool:
    return all(value in allowed for value in given)
