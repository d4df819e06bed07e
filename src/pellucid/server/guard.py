"""Who may ask, and how much: the checks that every request passes before anything looks at it.

A page elsewhere in the browser may send requests to the loopback address, under our own name even, once its name resolves to it
(DNS rebinding). So the name that was asked for has to be a local one, or one that the lab was told to be served under; whatever
changes something has to come from our own page; and on any other address everything needs a token.
"""

import asyncio
import hmac
import json
import shlex
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, final
from urllib.parse import parse_qsl, quote, urlencode

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = ("localhost", "127.0.0.1", "[::1]")
COOKIE = "pellucid"
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
READING = ("GET", "HEAD", "OPTIONS")
JSON_BYTES = 1_000_000
UPLOAD_BYTES = 25_000_000
PATIENCE = 30.0
"""Seconds in which a body has to have come."""


@final
class Guard:
    """An ASGI application behind these checks. With a `token`, any host name will do, and nothing goes without the token.

    `names` are the host names, with a port where it is not the usual one, under which it is served beside the local ones; with
    `https` those are reached by HTTPS, whatever the proxy in between speaks to us.
    """

    def __init__(
        self,
        app: App,
        *,
        token: str | None = None,
        patience: int | float = PATIENCE,
        names: Collection[str] = (),
        https: bool = False,
    ) -> None:
        self._app, self._token, self._patience = app, token, patience
        self._names = frozenset(_name(name) for name in names)
        self._https = https
        # subtle: a proxy may ask us under a local name, while the page that its browser shows is of the public one
        self._origins = frozenset(f"{'https' if https else 'http'}://{name.lower()}" for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def covered(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given]
                if b"cache-control" not in given:
                    own.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(covered, *refusal)
        elif self._token is not None and (cleaned := self._first_visit(scope)) is not None:
            await _welcome(covered, self._token, cleaned)
        elif self._token is not None and not self._knows_token(headers):
            await _answer(covered, 401, "this lab needs its token: open the address that `pellucid lab` printed")
        elif scope["method"] in READING:
            await self._app(scope, receive, covered)
        else:
            await self._with_body(scope, headers, receive, covered)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        public = _name(host) in self._names
        if self._token is None and not public and _name(host) not in LOCAL:
            known = ", ".join(["localhost", "127.0.0.1", *sorted(self._names)])
            cure = f"; a course is served under that name by --public-name {shlex.quote(host[:80])}" if host else ""
            return 421, f"this lab answers to {known}, not to {host[:80]!r}{cure}"
        changes = scope["method"] not in READING
        origin = headers.get("origin")
        scheme = "https" if public and self._https else scope.get("scheme", "http")
        if changes and origin is not None and origin != f"{scheme}://{host}" and origin not in self._origins:
            return 403, f"a page of {origin[:80]!r} may not change anything here; use the lab's own page"
        if headers.get("sec-fetch-site") == "cross-site" and (changes or scope["path"].startswith("/api")):
            return 403, "a page of another site may not use this lab; use the lab's own page"
        return None

    def _first_visit(self, scope: Scope) -> str | None:
        """Where to go without the token, when the page is asked for with the right one."""
        if scope["method"] != "GET" or scope["path"].startswith("/api"):
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(key == "token" and _same(value, self._token) for key, value in pairs):
            return None
        rest = urlencode([(key, value) for key, value in pairs if key != "token"])
        return "/" + quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else "")

    def _knows_token(self, headers: dict[str, str]) -> bool:
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(credential.strip(), self._token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._token)

    async def _with_body(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        """The application with the whole body, once it is known to be small enough."""
        upload = scope["path"] == "/api/uploads"
        limit = UPLOAD_BYTES if upload else JSON_BYTES
        large = (413, f"the body is larger than {limit / 1e6:g} MB, the most that is taken here")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            await _answer(send, 400, f"the content length {length[:40]!r} is no number")
            return
        if int(length) > limit:
            await _answer(send, *large)
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        body = bytearray()
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    if len(body) > limit:
                        await _answer(send, *large)
                        return
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            await _answer(send, 408, f"the body did not come within {self._patience:g} s")
            return
        if body and not upload and kind != "application/json":
            await _answer(send, 415, f"the body is {kind[:80] or 'of no stated type'}; application/json is wanted")
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
        del body

        async def replayed() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replayed, send)


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    name, _, port = host.partition(":")
    return name.lower() if not port or port.isdecimal() else ""


def _same(given: str, token: str | None) -> bool:
    return token is not None and hmac.compare_digest(given.encode(), token.encode())


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _welcome(send: Send, token: str, address: str) -> None:
    """Keeps the token in a cookie and goes on.

    subtle: by a page of our own and not by a redirect, on which a browser that came from a link elsewhere would leave a strict
    cookie out.
    """
    where = address.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    body = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={where}"><title>Pellucid</title>'
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"set-cookie", f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/".encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
