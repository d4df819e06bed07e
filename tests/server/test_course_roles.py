"""Who may ask what: every route of a lab with a course, for a stranger, a student and an instructor."""

import pytest

from tests.server.courses import assignment, classroom

HASH = assignment().hash
ROSTER = {"csv": "name,email\nEd,ed@example.edu\n"}
SAVE = {"selected": ["a"], "operation": "one", "base": 0, "hash": HASH}
REGRADE = {"changes": {"lime-top": {"full": True}}, "policy": "replace", "reason": "for the matrix"}
VOTE = {"question": "lime-top", "vote": "agree", "reason": ""}
TABLE = [
    # method, path below /api/course, body: status for a stranger, a student, an instructor
    ("GET", "", None, (200, 200, 200)),
    ("POST", "/sessions", {"login": "ada", "password": "not this one"}, (401, 401, 401)),
    ("POST", "/invitations/asked", {"code": "AAAA-BBBB-CCCC"}, (404, 404, 404)),
    ("POST", "/invitations", {"code": "AAAA-BBBB-CCCC", "password": "a good password"}, (404, 404, 404)),
    ("GET", "/questions", None, (401, 200, 200)),
    ("GET", "/answers", None, (401, 200, 403)),
    ("PUT", "/answers/{question}", SAVE, (401, 200, 403)),
    ("GET", "/history", None, (401, 200, 403)),
    ("GET", "/members", None, (401, 403, 200)),
    ("POST", "/roster", ROSTER, (401, 403, 200)),
    ("POST", "/members/{id}/invitation", None, (401, 403, 200)),
    ("PUT", "/state", {"state": "open"}, (401, 403, 200)),
    ("GET", "/keys", None, (401, 403, 200)),
    ("GET", "/keys/{version}", None, (401, 403, 200)),
    ("POST", "/keys/{version}/review", VOTE, (401, 403, 200)),
    ("POST", "/regrades/preview", REGRADE, (401, 403, 200)),
    ("POST", "/regrades", REGRADE, (401, 403, 200)),
    ("GET", "/scores", None, (401, 403, 200)),
    ("GET", "/items", None, (401, 403, 200)),
    ("POST", "/receipts", {"receipt": "1-0123456789abcdef"}, (401, 403, 200)),
    ("GET", "/audit", None, (401, 403, 200)),
    ("GET", "/exports/gradescope.csv", None, (401, 403, 200)),
    ("GET", "/exports/grades.json", None, (401, 403, 200)),
    ("POST", "/exports/canvas", {"csv": "Student,ID,SIS Login ID\nBo,7,bo@example.edu\n"}, (401, 403, 200)),
    ("DELETE", "/sessions", None, (204, 204, 204)),  # last, since it ends them
]
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with classroom(tmp_path_factory.mktemp("course")) as made:
        yield made


def test_every_route_is_for_whom_it_is_for(room):
    people = (room.stranger, room.bo, room.ada)
    wrong = []
    for method, path, body, statuses in TABLE:
        filled = path.format(question="lime-top", id=room.cy.me.id, version=1)
        for person, status in zip(people, statuses, strict=True):
            answer = person.ask(method, "/api/course" + filled, json=body)
            if answer.status_code != status:
                wrong.append((method, path, status, answer.status_code, answer.text[:100]))
    assert wrong == []


def test_the_table_has_every_route_of_the_course(room):
    routes = {
        (method.upper(), path.removeprefix("/api/course"))
        for path, item in room.app.openapi()["paths"].items()
        if path.startswith("/api/course")
        for method in METHODS
        if method in item
    }
    assert routes == {(method, path) for method, path, _, _ in TABLE}


def test_a_role_is_looked_at_before_anything_that_was_sent(room):
    nonsense = {"content": b"{", "headers": {"content-type": "application/json"}}
    for method, path, _, (stranger, student, _) in TABLE:
        filled = "/api/course" + path.format(question="%00", id="none", version="none")
        if stranger == 401 and "/sessions" not in path:
            assert room.stranger.ask(method, filled, **nonsense).status_code == 401, path
            assert room.stranger.ask(method, filled + "?dry_run=maybe").status_code == 401, path
        if student == 403:
            room.bo.token = room.course.start_session(room.bo.me.id)
            assert room.bo.ask(method, filled, **nonsense).status_code == 403, path


def test_nothing_of_the_lab_is_for_strangers_but_the_page_and_that_it_is_there(room):
    """Whatever there is or is not under /api, however it is asked for."""
    tried = 0
    for path, item in room.app.openapi()["paths"].items():
        for method in (*item, "head", "options", "patch"):
            if (method, path) == ("get", "/api/health") or path.startswith("/api/course") or method not in METHODS:
                continue
            filled = path.format(id="0" * 24, source="observation:0", model="imagenet", name="book")
            assert room.stranger.ask(method.upper(), filled).status_code == 401, (method, path)
            tried += 1
    assert tried > 60
    for path in ("/api/nothing", "/api", "/api/", "/%61pi/jobs", "/api/openapi.json", "/api/course/", "/api/course/nothing"):
        assert room.stranger.ask("GET", path).status_code == 401, path
    for path in ("/", "/?view=course", "/api/health"):
        assert room.stranger.ask("GET", path).status_code == 200, path
    for path in ("//api/jobs", "/x/../api/jobs", "/API/jobs"):  # other names than /api are the page's
        assert room.stranger.ask("GET", path).headers["content-type"].startswith(("text/html", "application/json"))
        assert 'jobs":' not in room.stranger.ask("GET", path).text


def test_students_and_instructors_have_the_lab(room):
    for person in (room.cy, room.ada):
        person.token = room.course.start_session(person.me.id)
        assert person.ask("GET", "/api/catalog").status_code == 200
        assert person.ask("GET", "/api/openapi.json").status_code == 200
        assert person.ask("GET", "/api/nothing").status_code == 404
        assert person.ask("GET", "/api/uploads").status_code == 404  # what others handed in is nobody's to see or to remove
        assert person.ask("DELETE", f"/api/pictures/sha256:{'0' * 64}").status_code == 404
        assert "does not take this method" in person.ask("DELETE", "/api/pictures/observation:0").json()["detail"]
    assert room.cy.ask("GET", "/api/jobs").status_code == 403
    assert room.ada.ask("GET", "/api/jobs").status_code == 200
