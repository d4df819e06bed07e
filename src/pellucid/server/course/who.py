"""Who asks: the session in a cookie, and what each role may do.

Every request under /api passes `Sessions` first, which finds the member and turns strangers away; a route of `routes_for` then
looks at the role before it looks at anything that was sent.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar, final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from pellucid.course.storage import Course
from pellucid.course.values import Closed, Conflict, CourseError, Denied, Member, NotFound, TooMany, Unavailable
from pellucid.server.answers import problem
from pellucid.server.guard import App, Receive, Scope, Send

T = TypeVar("T")
Role = Literal["student", "instructor"]
COOKIE = "pellucid-course"
KEPT = 30 * 24 * 3600
"""Seconds for which a browser keeps the cookie: as long as the session lasts."""
OPEN = frozenset({
    ("GET", "/api/course"), ("POST", "/api/course/sessions"), ("DELETE", "/api/course/sessions"),
    ("POST", "/api/course/invitations"), ("POST", "/api/course/invitations/asked"), ("GET", "/api/health"),
})  # fmt: skip
"""What a stranger may ask."""
STAFF = frozenset({("GET", "/api/jobs")})
"""What of the lab is for instructors alone: with everybody's jobs in a list, anybody could end them."""
WAITING = 1000
"""Log-ins that may wait for their turn; a whole class may come at once."""
LOG_IN = "log in first: POST /api/course/sessions, or open the course in the lab's page"
log = logging.getLogger("pellucid.course")


@final
class Classroom:
    """The course with the threads that ask it, since its storage blocks.

    subtle: passwords are checked by two threads of their own. A check is slow by design, and a class that logs in at once must
    not keep those who are already in from saving.
    """

    def __init__(self, course: Course, *, https: bool = False) -> None:
        self.course, self.https = course, https
        self._threads = ThreadPoolExecutor(16, "course")
        self._door = ThreadPoolExecutor(2, "course-log-in")
        self._waiting = 0

    async def ask(self, question: Callable[[], T]) -> T:
        """What the course answers."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, question)

    async def at_the_door(self, question: Callable[[], T]) -> T:
        """What the course answers to somebody with a password. TooMany when the line is too long."""
        if self._waiting >= WAITING:
            raise TooMany("too many are logging in at this moment; try again in a few seconds", 5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._door, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Lets what was begun finish, and begins nothing more."""
        for threads in (self._threads, self._door):
            threads.shutdown(wait=True, cancel_futures=True)

    def welcome(self, response: Response, token: str) -> Response:
        """The response, with the session in it."""
        response.set_cookie(COOKIE, token, max_age=KEPT, path="/", secure=self.https, httponly=True, samesite="strict")
        return response

    def goodbye(self, response: Response) -> Response:
        """The response, which ends the session in the browser."""
        response.delete_cookie(COOKIE, path="/", secure=self.https, httponly=True, samesite="strict")
        return response


def token_of(request: Request) -> str | None:
    """The session's token, where the cookie has one that could be."""
    token = request.cookies.get(COOKIE, "")
    return token if 0 < len(token) <= 200 and token.isascii() and token.isprintable() else None


@final
class Sessions:
    """An ASGI application whose interface is for members. The member, or None, is left in the request's state."""

    def __init__(self, app: App, *, classroom: Classroom) -> None:
        self._app, self._classroom = app, classroom

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/api" or path.startswith("/api/")):
            await self._app(scope, receive, send)
            return
        asked = (scope["method"], path)
        refused = None
        try:
            member = await self._member(scope)
        except Exception as error:
            member, refused = None, refusal(error, " ".join(asked))
        scope.setdefault("state", {})["member"] = member
        if refused is None and member is None and asked not in OPEN:
            refused = problem(401, LOG_IN)
        elif asked in STAFF and member is not None and member.role != "instructor":
            refused = problem(403, "the list of everybody's jobs is for instructors; ask for a job by its own address")
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await refused(scope, receive, send)

    async def _member(self, scope: Scope) -> Member | None:
        token = token_of(Request(scope))
        return None if token is None else await self._classroom.ask(partial(self._classroom.course.member_of, token))


def member_of(request: Request) -> Member | None:
    """Who asks; None for a stranger."""
    return request.state.member


def present(request: Request) -> Member:
    """Who asks, in a route that only members reach."""
    member = request.state.member
    assert isinstance(member, Member)
    return member


def routes_for(*roles: Role) -> type[APIRoute]:
    """The class of routes for members in one of these roles; without any, for everybody.

    subtle: a class of routes and not a dependency, since a body is read before dependencies are, and a student would be told
    what an instructor's body has to look like. An unforeseen error is told to the log alone: a key may be in its text.
    """

    class CourseRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Any]:
            handle = super().get_route_handler()

            async def checked(request: Request) -> Response:
                member = member_of(request)
                if roles and member is None:
                    return problem(401, LOG_IN)
                if roles and member is not None and member.role not in roles:
                    return problem(403, f"this is for {' and '.join(f'{role}s' for role in roles)}; you are a {member.role}")
                try:
                    return await handle(request)
                except (HTTPException, RequestValidationError):
                    raise
                except Exception as error:
                    return refusal(error, f"{request.method} {request.url.path}")

            return checked

    return CourseRoute


def refusal(error: Exception, asked: str) -> Response:
    """What the course refused, as HTTP; of an answer also what is so instead: the state, or the hash of what is asked."""
    more: dict[str, str] = {}
    headers: dict[str, str] | None = None
    match error:
        case Denied():
            status = 401
        case NotFound():
            status = 404
        case Closed():
            status, more = 409, {"state": error.state}
        case Conflict():
            status, more = 409, {} if error.hash is None else {"hash": error.hash}
        case TooMany():
            status, headers = 429, {"Retry-After": str(error.retry_after)}
        case Unavailable():
            log.error("%s: %s", asked, error)
            return problem(503, "the course cannot write at this moment; nothing was saved, try again", {"Retry-After": "2"})
        case CourseError():
            status = 422
        case _:
            log.error("%s failed", asked, exc_info=error)
            return problem(500, "the course failed at this; what happened is in the server's log")
    return problem(status, str(error), headers, **more)
