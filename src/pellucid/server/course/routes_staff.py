"""What instructors ask: who is in the course, its state, its key, what it came to, and what is taken away from it."""

import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from pellucid.course.storage import Course
from pellucid.server.answers import PROBLEM, said
from pellucid.server.course import bodies as b
from pellucid.server.course.routes_student import about
from pellucid.server.course.who import Classroom, present, routes_for

MemberId = Annotated[int, Path(ge=1, lt=2**63)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"content": PROBLEM, "description": "It does not fit what is stored"}}


def instructors(room: Classroom) -> APIRouter:
    """The routes for instructors alone."""
    api = APIRouter(prefix="/course", tags=["course"], route_class=routes_for("instructor"))
    for add in (_people, _state, _key, _results, _exports):
        add(api, room)
    return api


def _people(api: APIRouter, room: Classroom) -> None:
    @api.get("/members", response_model=b.MembersAnswer)
    async def members() -> Response:
        """Everybody in the course, and how far they are."""
        return said(b.MembersAnswer, {"members": await room.ask(partial(people, room.course))})

    @api.post("/roster", response_model=b.RosterAnswer)
    async def roster(
        request: Request,
        body: b.TableBody,
        dry_run: Annotated[bool, Query(description="Only say what an import would do.")] = False,
    ) -> Response:
        """Imports a roster; all of it, or with problems nothing."""
        report = await room.ask(partial(room.course.import_roster, body.csv, dry_run, by=present(request)))
        return said(b.RosterAnswer, report.to_json())

    @api.post("/members/{id}/invitation", response_model=b.CodeAnswer)
    async def invitation(request: Request, id: MemberId) -> Response:
        """A new code for a member; for one who has joined, to set another password. Earlier codes end."""
        return said(b.CodeAnswer, {"code": await room.ask(partial(room.course.invite, id, by=present(request)))})

    @api.get("/audit", response_model=b.AuditAnswer)
    async def audit() -> Response:
        """Everything that instructors did, newest first."""
        rows = await room.ask(room.course.audit)
        return said(b.AuditAnswer, {"rows": [vars(row) for row in rows]})


def _state(api: APIRouter, room: Classroom) -> None:
    @api.put("/state", response_model=b.CourseAnswer, responses=CONFLICT)
    async def state(request: Request, body: b.StateBody) -> Response:
        """Opens or closes the course. Without `closes_at` it has no closing time."""
        member = present(request)

        def change() -> dict[str, Any]:
            room.course.set_state(body.state, body.closes_at, body.feedback, body.interval, by=member)
            return about(room.course, member)

        return said(b.CourseAnswer, await room.ask(change))


def _key(api: APIRouter, room: Classroom) -> None:
    @api.get("/keys", response_model=b.KeyVersions)
    async def keys() -> Response:
        """Every version of the key."""
        versions = await room.ask(room.course.versions)
        return said(b.KeyVersions, {"versions": [vars(version) for version in versions]})

    @api.get("/keys/{version}", response_model=b.KeyDocument)
    async def key(version: Number) -> Response:
        """What counts as right in that version, the evidence for it, and the votes on it."""
        return said(b.KeyDocument, await room.ask(partial(room.course.key_document, version)))

    @api.post("/keys/{version}/review", response_model=b.KeyDocument, responses=CONFLICT)
    async def review(request: Request, version: Number, body: b.ReviewBody) -> Response:
        """Adds a vote on an option, or on a whole question."""
        vote = partial(room.course.review, version, body.question, body.option, body.vote, body.reason, by=present(request))
        return said(b.KeyDocument, await room.ask(vote))

    @api.post("/regrades/preview", response_model=b.RegradeAnswer, responses=CONFLICT)
    async def preview(body: b.RegradeBody) -> Response:
        """Who would rise and who would fall under a changed key; nothing is changed."""
        found = await room.ask(partial(room.course.preview, changes(body), body.policy, body.reason))
        return said(b.RegradeAnswer, found.to_json())

    @api.post("/regrades", response_model=b.RegradeAnswer, responses=CONFLICT)
    async def regrade(request: Request, body: b.RegradeBody) -> Response:
        """A new version of the key, which counts from now on."""
        work = partial(room.course.regrade, changes(body), body.policy, body.reason, by=present(request))
        return said(b.RegradeAnswer, (await room.ask(work)).to_json())


def _results(api: APIRouter, room: Classroom) -> None:
    @api.get("/scores", response_model=b.ScoresAnswer)
    async def scores() -> Response:
        """Every student's points under the key that counts now."""
        return said(b.ScoresAnswer, await room.ask(partial(points, room.course)))

    @api.get("/items", response_model=b.ItemsAnswer)
    async def items() -> Response:
        """How the questions and their options did."""
        analysis = await room.ask(room.course.items)
        return said(b.ItemsAnswer, analysis.to_json())

    @api.post("/receipts", response_model=b.ReceiptAnswer)
    async def receipt(body: b.ReceiptBody) -> Response:
        """Whether a receipt is one of this course's, and for which answer."""
        found = await room.ask(partial(room.course.check_receipt, body.receipt))
        return said(b.ReceiptAnswer, {"valid": found is not None, **(found or {})})


def _exports(api: APIRouter, room: Classroom) -> None:
    @api.get("/exports/gradescope.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    async def gradescope() -> Response:
        """The grades in Gradescope's columns."""
        text = await room.ask(room.course.export_gradescope)
        return attached(text.encode(), "text/csv; charset=utf-8", "gradescope.csv")

    @api.get("/exports/grades.json", response_class=Response, responses={200: {"content": {"application/json": {}}}})
    async def grades() -> Response:
        """All that is known of the grades."""
        found = await room.ask(room.course.export_json)
        return attached(json.dumps(found, ensure_ascii=False, indent=1).encode(), "application/json", "grades.json")

    @api.post("/exports/canvas", response_model=b.CanvasAnswer)
    async def canvas(request: Request, body: b.CanvasBody) -> Response:
        """The gradebook that was sent, with the totals in it. Nobody is matched by name."""
        merge = partial(room.course.merge_canvas, body.csv, body.column, by=present(request))
        text, report = await room.ask(merge)
        return said(b.CanvasAnswer, {"csv": text, **report.to_json()})


def attached(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


# ------------------------------------------------------------------------------------------------------- values, as JSON


def people(course: Course) -> list[dict[str, Any]]:
    """Every member with how many questions they have answered."""
    progress = course.progress()
    found = []
    for member in course.members():
        answered, last_at = progress.get(member.id, (0, None))
        found.append({**member.to_json(), "answered": answered, "last_at": last_at})
    return found


def points(course: Course) -> dict[str, Any]:
    """The table of points, and the version of the key that they are under."""
    state = course.state()
    scores = course.scores(state.key_version)
    return {
        "version": state.key_version, "of_tenths": state.tenths,
        "scores": [
            {
                "member": s.member.id, "name": s.member.name, "login": s.member.login, "total": s.total,
                "answered": s.answered, "last_at": s.last_at, "tenths": s.tenths,
            }
            for s in scores
        ],
    }  # fmt: skip


def changes(body: b.RegradeBody) -> dict[str, dict[str, Any]]:
    """By question only what was said, in lists."""
    return {question: change.model_dump(mode="json", exclude_none=True) for question, change in body.changes.items()}
