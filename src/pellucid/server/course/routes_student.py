"""What students ask: what the course is, a session, the questions, and their answers."""

import asyncio
import hashlib
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from pellucid.course.assignment import Assignment, Question
from pellucid.course.storage import Course, Grades, Member, Saved
from pellucid.course.storage.passwords import SHORTEST
from pellucid.course.values import stamp
from pellucid.server.answers import PROBLEM, problem, said
from pellucid.server.course import bodies as b
from pellucid.server.course.who import Classroom, member_of, present, routes_for, token_of

QuestionId = Annotated[str, Path(min_length=1, max_length=200, pattern=b.LINE)]
NOT_NOW: dict[int | str, dict[str, Any]] = {409: {"content": PROBLEM, "description": "Not in this state of the course"}}
NOT_TAKEN: dict[int | str, dict[str, Any]] = {
    409: {"model": b.SaveRefused, "description": "Closed, or an answer to another assignment"}
}
TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"content": PROBLEM, "description": "Too often for one account; see Retry-After"}
}


def anybody(room: Classroom) -> APIRouter:
    """The routes that need no session."""
    api = APIRouter(prefix="/course", tags=["course"], route_class=routes_for())

    @api.get("", response_model=b.CourseAnswer)
    async def course(request: Request) -> Response:
        """What the course is, its state, and who asks."""
        return said(b.CourseAnswer, await room.ask(partial(about, room.course, member_of(request))))

    @api.post("/sessions", response_model=b.Me, responses=TOO_MANY)
    async def log_in(request: Request, body: b.LogInBody) -> Response:
        """Begins a session, which a cookie holds; one that the browser had ends."""
        token, member = await room.at_the_door(partial(room.course.log_in, body.login, body.password))
        await _leave(room, request)
        return room.welcome(said(b.Me, me(member)), token)

    @api.delete("/sessions", status_code=204, response_class=Response)
    async def log_out(request: Request) -> Response:
        """Ends the session; well, too, where there is none."""
        await _leave(room, request)
        return room.goodbye(Response(status_code=204))

    @api.post("/invitations/asked", response_model=b.InvitedAnswer)
    async def invited(body: b.CodeBody) -> Response:
        """Whom a code invites, and so the login that goes with the password. The code is not used up by it."""
        member = await room.ask(partial(room.course.invited, body.code))
        return said(b.InvitedAnswer, {"login": member.login, "name": member.name, "password_least": SHORTEST})

    @api.post("/invitations", response_model=b.Me, responses=TOO_MANY)
    async def accept(request: Request, body: b.InvitationBody) -> Response:
        """Sets the password of the member whom the code invites, and begins a session. A code serves once."""

        def join() -> tuple[str, Member]:
            member = room.course.accept(body.code, body.password)
            return room.course.start_session(member.id), member

        token, member = await room.at_the_door(join)
        await _leave(room, request)
        return room.welcome(said(b.Me, me(member)), token)

    return api


def members(room: Classroom) -> APIRouter:
    """The routes for everybody who is in the course."""
    api = APIRouter(prefix="/course", tags=["course"], route_class=routes_for("student", "instructor"))

    @api.get("/questions", response_model=b.ShownQuestions, responses=NOT_NOW)
    async def questions(request: Request) -> Response:
        """All that is asked, once the course is open; every student sees the options in another order."""
        found = await room.ask(partial(asked, room.course, present(request)))
        if found is None:
            return problem(409, "the course is not open yet; its questions are shown when it is")
        return said(b.ShownQuestions, found)

    return api


def students(room: Classroom) -> APIRouter:
    """The routes for students: their own answers and nobody else's."""
    api = APIRouter(prefix="/course", tags=["course"], route_class=routes_for("student"))

    @api.get("/answers", response_model=b.AnswersAnswer)
    async def answers(request: Request) -> Response:
        """The answers that count, and the points as far as the policy shows them."""
        return said(b.AnswersAnswer, await room.ask(partial(standing, room.course, present(request).id)))

    @api.put("/answers/{question}", response_model=b.SavedAnswer, responses=NOT_TAKEN | TOO_MANY)
    async def save(request: Request, question: QuestionId, body: b.SaveBody) -> Response:
        """Saves an answer; when this has been answered it is on the disk, and counts until the next one."""
        who = present(request).id
        if body.member not in (None, who):  # two who share a browser share its session, too
            return problem(401, "this answer is somebody else's than the session; whoever gave it has to log in again")
        saving = room.course.saving(who, question, body.selected, body.operation, body.base, body.hash)
        saved = await asyncio.wrap_future(saving)
        replaced = saved.superseded
        return said(b.SavedAnswer, {
            **kept(saved),
            "superseded": replaced and {"selected": replaced.selected, "sequence": replaced.sequence, "at": replaced.at},
        })  # fmt: skip

    @api.get("/history", response_model=b.HistoryAnswer)
    async def history(request: Request) -> Response:
        """Everything that the student ever saved."""
        found = await room.ask(partial(room.course.history, present(request).id))
        return said(b.HistoryAnswer, {"saves": [{"question": one.question, **kept(one)} for one in found]})

    return api


async def _leave(room: Classroom, request: Request) -> None:
    token = token_of(request)
    if token is not None and member_of(request) is not None:
        await room.ask(partial(room.course.log_out, token))


# ------------------------------------------------------------------------------------------------------- values, as JSON


def about(course: Course, member: Member | None) -> dict[str, Any]:
    """What anybody may know of the course. NotFound as long as nothing is published."""
    assignment, state = course.assignment(), course.state()
    return {
        "id": assignment.id, "title": assignment.title, "languages": assignment.languages, "groups": assignment.groups,
        "state": state.state, "closes_at": state.closes_at, "feedback": state.feedback, "interval": state.interval,
        "now": stamp(), "total_tenths": assignment.tenths, "me": None if member is None else me(member),
    }  # fmt: skip


def me(member: Member) -> dict[str, Any]:
    return {"id": member.id, "login": member.login, "name": member.name, "role": member.role}


def asked(course: Course, member: Member) -> dict[str, Any] | None:
    """The questions as this member sees them; None before the course opens."""
    if course.state().state == "draft":
        return None
    assignment = course.assignment()
    hash = assignment.hash
    return {
        "hash": hash,
        "questions": [
            {
                "id": q.id, "number": number, "group": q.group, "tenths": q.tenths, "points": points(q.tenths),
                "prompt": q.prompt, "hint": q.hint, "lab": q.lab,
                "options": [{"id": o.id, "text": o.text} for o in in_order(q, hash, member)],
            }
            for number, q in enumerate(assignment.questions, start=1)
        ],
    }  # fmt: skip


def in_order(question: Question, assignment: str, member: Member) -> list[Any]:
    """The options: a student's in an order of their own, always the same; an instructor's as they were written.

    It depends on who asks and on what is asked alone, never on what is right.
    """
    if member.role == "instructor":
        return list(question.options)

    def place(id: str) -> bytes:
        return hashlib.sha256(f"{assignment} {member.id} {question.id} {id}".encode()).digest()

    return sorted(question.options, key=lambda option: place(option.id))


def points(tenths: int) -> str:
    """Tenths for people: 3 is 0.3, 10 is 1."""
    return str(Decimal(tenths) / 10)


def standing(course: Course, member: int) -> dict[str, Any]:
    """A student's answers and what they have earned, as far as it is shown."""
    assignment, answers, grades = course.assignment(), course.answers(member), course.feedback(member)
    return {
        "answers": {id: kept(saved) for id, saved in answers.items()},
        "answered": sum(bool(saved.selected) for saved in answers.values()),
        "of": len(assignment.questions),
        "feedback": None if grades is None else feedback(assignment, grades),
    }


def feedback(assignment: Assignment, grades: Grades) -> dict[str, Any]:
    of = {question.id: question.tenths for question in assignment.questions}
    shown = grades.questions
    return {
        "total_tenths": grades.total, "of_tenths": grades.of, "as_of": grades.as_of,
        "questions": None if shown is None else {id: {"tenths": tenths, "of": of[id]} for id, tenths in shown.items()},
    }  # fmt: skip


def kept(saved: Saved) -> dict[str, Any]:
    return {"selected": saved.selected, "sequence": saved.sequence, "at": saved.at, "receipt": saved.receipt}
