"""The course on the lab's server: who is asking, and the routes under /api/course."""

from typing import Any

from fastapi import FastAPI

from pellucid.course.storage import Course
from pellucid.server.course import routes_staff, routes_student
from pellucid.server.course.who import Classroom, Sessions

__all__ = ["add_course"]


def add_course(app: FastAPI, course: Course, *, https: bool = False) -> Classroom:
    """Adds the course's routes to the lab, and has every other one under /api want a session.

    To be called before the guard is added, which then stands before this. With `https` the cookie goes by HTTPS alone.
    """
    room = Classroom(course, https=https)
    sessions: Any = Sessions
    app.add_middleware(sessions, classroom=room)
    for routes in (routes_student.anybody, routes_student.members, routes_student.students, routes_staff.instructors):
        app.include_router(routes(room), prefix="/api")
    return room
