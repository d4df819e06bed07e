"""The course over HTTP: sessions, roles, questions, answers and what instructors do."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine

from pellucid.course.storage import Course
from pellucid.course.storage.passwords import Passwords
from tests.server.conftest import models, question
from tests.server.courses import PASSWORD, RIGHT, ROSTER, SECRET, assignment, classroom

HASH = assignment().hash


@pytest.fixture
def room(tmp_path):
    with classroom(tmp_path) as made:
        yield made


def test_a_lab_without_a_course_has_none(client):
    none = client.get("/api/course")
    assert (none.status_code, none.content) == (204, b"")  # no error: browsers log those
    assert client.post("/api/course/sessions", json={"login": "a", "password": "b"}).status_code == 404


# --------------------------------------------------------------------------------------------------------------- sessions


def test_a_stranger_learns_what_the_course_is_and_no_more(room):
    said = room.stranger.get("").json()
    assert said["title"] == {"en": "Explanations", "zh-TW": "解釋"}
    assert (said["state"], said["closes_at"], said["feedback"], said["total_tenths"]) == ("open", None, "after_close", 10)
    assert said["me"] is None
    assert said["now"].endswith("Z")
    assert room.stranger.get("/questions").status_code == 401


def test_who_logs_in_is_known_by_a_cookie_that_no_script_and_no_other_site_sees(room):
    answer = room.stranger.post("/sessions", {"login": "ada", "password": PASSWORD})
    assert answer.json() == {"id": room.ada.me.id, "login": "ada", "name": "Ada", "role": "instructor"}
    cookie = answer.headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts
    token = cookie.partition("=")[2].partition(";")[0]
    room.stranger.token = token
    assert room.stranger.get("").json()["me"]["role"] == "instructor"
    left = room.stranger.ask("DELETE", "/api/course/sessions")
    assert left.status_code == 204
    assert "max-age=0" in left.headers["set-cookie"].lower()
    assert room.stranger.get("").json()["me"] is None
    assert room.stranger.get("/members").status_code == 401


def test_a_wrong_password_and_an_unknown_login_are_answered_alike_and_too_many_are_told_to_wait(room):
    wrong = [room.stranger.post("/sessions", {"login": "ada", "password": f"guess {i}"}) for i in range(11)]
    unknown = room.stranger.post("/sessions", {"login": "nobody", "password": PASSWORD})
    assert [answer.status_code for answer in wrong] == [401] * 10 + [429]
    assert int(wrong[-1].headers["retry-after"]) >= 1
    assert unknown.status_code == 401
    assert unknown.json() == wrong[0].json()
    assert "set-cookie" not in unknown.headers


def test_an_invitation_makes_a_password_once(room):
    code = room.ada.post(f"/members/{room.bo.me.id}/invitation", {}).json()["code"]
    asked = room.stranger.post("/invitations/asked", {"code": code})
    assert asked.json() == {"login": "bo@example.edu", "name": "Bo Li", "password_least": 8}
    assert "set-cookie" not in asked.headers
    refused = room.stranger.post("/invitations", {"code": code, "password": "short"})
    assert refused.status_code == 422
    joined = room.stranger.post("/invitations", {"code": code.lower(), "password": "bo's own password"})
    assert joined.json() == {"id": room.bo.me.id, "login": "bo@example.edu", "name": "Bo Li", "role": "student"}
    assert joined.headers["set-cookie"]
    assert room.stranger.post("/invitations", {"code": code, "password": "another password"}).status_code == 404
    again = room.stranger.post("/sessions", {"login": "BO@example.edu", "password": "bo's own password"})
    assert again.status_code == 200


def test_behind_https_the_cookie_goes_by_nothing_else(tmp_path):
    with classroom(tmp_path, names=["exam.example.edu"], https=True) as room:
        headers = {"host": "exam.example.edu", "origin": "https://exam.example.edu"}
        body = {"login": "ada", "password": PASSWORD}
        answer = room.stranger.post("/sessions", body, headers=headers)
        assert answer.status_code == 200
        assert "secure" in answer.headers["set-cookie"].lower()
        proxied = {"host": "127.0.0.1:8765", "origin": "https://exam.example.edu"}
        assert room.stranger.post("/sessions", body, headers=proxied).status_code == 200
        for origin in ("http://exam.example.edu", "https://exam.example.edu:444", "https://example.edu", "null"):
            assert room.stranger.post("/sessions", body, headers={**headers, "origin": origin}).status_code == 403, origin
        other = room.stranger.get("", headers={"host": "other.example.edu"})
        assert other.status_code == 421
        assert other.json()["detail"].endswith("a course is served under that name by --public-name other.example.edu")
        assert room.stranger.get("", headers={"host": "exam.example.edu"}).status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, 'a"b', "\xe9", "%00", "../../etc"])
def test_a_cookie_that_is_no_session_is_a_stranger(room, cookie):
    headers = [(b"cookie", b"pellucid-course=" + cookie.encode("latin-1"))]
    assert room.client.get("/api/course/questions", headers=headers).status_code == 401


def test_what_was_typed_wrong_is_never_repeated(room):
    secret = "hunter2-and-more"
    for body in (
        {"login": "bo", "password": ["x", secret]}, {"login": {"a": secret}, "password": secret}, {"password": secret},
        {"login": "bo", "password": secret, "more": secret}, {"login": "bo", "password": secret * 100},
        {"login": "bo", "password": secret + "\0"}, [secret], secret,
    ):  # fmt: skip
        answer = room.stranger.post("/sessions", body)
        assert answer.status_code == 422
        assert secret not in answer.text
    broken = room.stranger.ask("POST", "/api/course/sessions", content=b'{"password": "' + secret.encode(),
                               headers={"content-type": "application/json"})  # fmt: skip
    assert broken.status_code == 422
    assert secret not in broken.text
    code = room.ada.post(f"/members/{room.bo.me.id}/invitation", {}).json()["code"]
    assert "short" not in room.stranger.post("/invitations", {"code": code, "password": "short-1"}).json()["detail"].split()


# ---------------------------------------------------------------------------------------------------------------- answers


def test_questions_come_in_an_order_of_the_students_own_that_stays(room):
    def orders(person: Any) -> list[list[str]]:
        return [[option["id"] for option in q["options"]] for q in person.get("/questions").json()["questions"]]

    bo, cy = orders(room.bo), orders(room.cy)
    assert bo == orders(room.bo)
    assert bo != cy
    assert all(sorted(one) == list("abcd") for one in bo + cy)
    assert orders(room.ada) == [list("abcd")] * 3
    said = room.bo.get("/questions").json()
    assert said["hash"] == HASH
    first = said["questions"][0]
    assert (first["number"], first["points"], first["tenths"], first["lab"]) == (1, "0.3", 3, "view=images")
    assert first["options"][0].keys() == {"id", "text"}


def test_questions_are_shown_when_the_course_opens(tmp_path):
    with classroom(tmp_path, "draft") as room:
        assert room.bo.get("/questions").status_code == 409
        refused = room.bo.save("lime-top", ["b"], "one")
        assert (refused.status_code, refused.json()["state"]) == (409, "draft")
        assert room.ada.put("/state", {"state": "open"}).json()["state"] == "open"
        assert room.bo.get("/questions").status_code == 200
        assert room.bo.save("lime-top", ["b"], "one").status_code == 200


def test_an_acknowledged_save_is_the_answer(room):
    saved = room.bo.save("lime-top", ["c", "b"], "one").json()
    assert saved["selected"] == ["b", "c"]
    assert saved["superseded"] is None
    answers = room.bo.get("/answers").json()
    assert answers["answers"] == {"lime-top": {name: saved[name] for name in ("selected", "sequence", "at", "receipt")}}
    assert (answers["answered"], answers["of"], answers["feedback"]) == (1, 3, None)
    assert room.cy.get("/answers").json()["answers"] == {}
    cleared = room.bo.save("lime-top", [], "two", saved["sequence"]).json()
    assert room.bo.get("/answers").json()["answered"] == 0
    history = room.bo.get("/history").json()["saves"]
    assert [(one["question"], one["selected"]) for one in history] == [("lime-top", ["b", "c"]), ("lime-top", [])]
    checked = room.ada.post("/receipts", {"receipt": saved["receipt"]}).json()
    assert checked["valid"] is True
    assert (checked["member"], checked["selected"], checked["sequence"]) == (room.bo.me.id, ["b", "c"], saved["sequence"])
    assert room.ada.post("/receipts", {"receipt": f"{cleared['sequence']}-0123456789abcdef"}).json() == {"valid": False}


def test_an_answer_is_never_saved_under_the_session_of_somebody_else(room):
    body = {"selected": ["a"], "operation": "one", "base": 0, "hash": HASH}
    refused = room.bo.put("/answers/lime-top", {**body, "member": room.ada.me.id})
    assert (refused.status_code, "somebody else's" in refused.json()["detail"]) == (401, True)
    assert room.bo.get("/history").json()["saves"] == []
    assert room.bo.put("/answers/lime-top", {**body, "member": room.bo.me.id}).status_code == 200


def test_of_two_tabs_the_later_counts_and_is_told_what_it_replaced(room):
    first = room.bo.save("lime-top", ["a"], "tab-1").json()
    second = room.bo.save("lime-top", ["b"], "tab-2").json()
    assert second["superseded"] == {name: first[name] for name in ("selected", "sequence", "at")}
    third = room.bo.save("lime-top", ["c"], "tab-2-again", second["sequence"]).json()
    assert third["superseded"] is None
    assert room.bo.get("/answers").json()["answers"]["lime-top"]["selected"] == ["c"]


def test_a_save_whose_acknowledgement_was_lost_is_acknowledged_again_and_stored_once(room):
    first = room.bo.save("lime-top", ["a"], "one")
    later = room.bo.save("lime-top", ["b"], "two", first.json()["sequence"])
    room.ada.put("/state", {"state": "closed"})
    again = room.bo.save("lime-top", ["a"], "one")  # the course has closed since, and another save came
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(room.bo.get("/history").json()["saves"]) == 2
    assert room.bo.get("/answers").json()["answers"]["lime-top"]["sequence"] == later.json()["sequence"]
    refused = room.bo.save("lime-top", ["d"], "one")
    assert refused.status_code == 409


def test_a_client_that_went_before_the_answer_came_has_saved(tmp_path):
    with classroom(tmp_path) as room:
        holding, go_on = threading.Event(), threading.Event()

        def hold(connection: Any) -> None:
            holding.set()
            go_on.wait(10)

        held = room.course.database.writing(hold)
        assert holding.wait(10)
        with ThreadPoolExecutor(1) as other:
            asked = other.submit(room.bo.save, "lime-top", ["a"], "one")
            time.sleep(0.05)
            assert not asked.done()  # nothing is acknowledged before it is committed
            assert room.cy.get("/answers").json()["answers"] == {}  # and nobody who only looks waits for it
            go_on.set()
            assert asked.result(10).status_code == 200
        held.result(10)
        assert room.bo.get("/answers").json()["answered"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("none", {}, 404),
        ("lime-top", {"selected": ["e"]}, 422),
        ("lime-top", {"hash": "0" * 64}, 409),
        ("lime-top", {"operation": ""}, 422),
        ("lime-top", {"operation": "a b"}, 422),
        ("lime-top", {"selected": "a"}, 422),
        ("lime-top", {"selected": ["a"] * 101}, 422),
        ("lime-top", {"base": -1}, 422),
        ("lime-top", {"as_member": 1}, 422),
        ("lime-top", {"member": 1}, 401),
        ("lime-top", {"selected": ["a\0"]}, 422),
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_stored(room, path, body, status):
    answer = room.bo.put(f"/answers/{path}", {"selected": ["a"], "operation": "one", "base": 0, "hash": HASH, **body})
    assert answer.status_code == status, answer.text
    if status == 409:
        assert answer.json()["hash"] == HASH
    assert room.bo.get("/history").json()["saves"] == []


def test_every_one_of_many_saves_at_once_is_kept_or_refused(room):
    def save(i: int) -> int:
        person = (room.bo, room.cy)[i % 2]
        return room.client.put(
            f"/api/course/answers/{list(RIGHT)[i % 3]}", headers={"cookie": f"pellucid-course={person.token}"},
            json={"selected": ["a"], "operation": f"op-{i}", "base": None, "hash": HASH},
        ).status_code  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(save, range(40)))
    assert set(answers) <= {200, 429}
    total = sum(len(person.get("/history").json()["saves"]) for person in (room.bo, room.cy))
    assert total == answers.count(200) >= 20


def test_no_page_view_waits_for_who_writes(room):
    lock = sqlite3.connect(room.folder / "course.db", isolation_level=None)
    room.bo.save("lime-top", ["a"], "one")
    lock.execute("BEGIN IMMEDIATE")
    try:
        start = time.monotonic()
        for path in ("", "/questions", "/answers", "/history"):
            assert room.bo.get(path).status_code == 200
        for path in ("/members", "/keys", "/keys/1", "/scores", "/items", "/audit", "/exports/grades.json"):
            assert room.ada.get(path).status_code == 200
        assert time.monotonic() - start < 10  # a writer would wait for 15 seconds
    finally:
        lock.execute("ROLLBACK")
        lock.close()


def test_an_unforeseen_error_is_told_to_the_log_alone(room, monkeypatch, caplog):
    def fails(self: Any, member: int) -> Any:
        raise RuntimeError(f"the key says {SECRET}-right")

    monkeypatch.setattr(Course, "answers", fails)
    answer = room.bo.get("/answers")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert f"{SECRET}-right" in caplog.text
    caplog.clear()
    monkeypatch.setattr(Course, "member_of", fails)
    answer = room.bo.get("")
    assert (answer.status_code, SECRET in answer.text) == (500, False)


def test_a_database_that_cannot_write_acknowledges_nothing(room):
    room.course.database.close()
    answer = room.bo.save("lime-top", ["a"], "one")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


# --------------------------------------------------------------------------------------------------------------- feedback


@pytest.mark.parametrize("policy", ["none", "total", "question", "after_close"])
def test_feedback_is_what_the_policy_shows_and_when(room, policy):
    room.bo.save("lime-top", RIGHT["lime-top"], "one")
    room.bo.save("bert-head", ["a"], "two")
    room.ada.put("/state", {"state": "open", "feedback": policy})
    shown = room.bo.get("/answers").json()["feedback"]
    if policy in ("none", "after_close"):
        assert shown is None
    else:
        assert shown["of_tenths"] == 10
        assert shown["total_tenths"] == 0  # of before this interval began
    room.ada.put("/state", {"state": "closed"})
    shown = room.bo.get("/answers").json()["feedback"]
    if policy == "none":
        assert shown is None
        return
    assert (shown["total_tenths"], shown["of_tenths"]) == (3, 10)
    each = {"lime-inside": {"tenths": 0, "of": 3}, "lime-top": {"tenths": 3, "of": 3}, "bert-head": {"tenths": 0, "of": 4}}
    assert shown["questions"] == (None if policy == "total" else each)


def test_a_course_closes_by_itself(room):
    soon = time.time() + 60
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(soon)) + f".{int(soon % 1 * 1000):03d}Z"
    assert room.ada.put("/state", {"state": "open", "closes_at": at}).json()["closes_at"] == at
    assert room.bo.save("lime-top", ["a"], "one").status_code == 200
    assert room.bo.get("").json()["state"] == "open"
    with time_machine.travel(soon + 0.001):
        assert room.bo.get("").json()["state"] == "closed"
        refused = room.bo.save("lime-top", ["b"], "two")
        assert (refused.status_code, refused.json()["state"]) == (409, "closed")
        assert room.bo.get("/questions").status_code == 200


# ------------------------------------------------------------------------------------------------------------ instructors


def test_a_roster_is_tried_first_and_then_imported(room):
    more = ROSTER + "Di Wu,di@example.edu,1003,A\n"
    tried = room.ada.post("/roster?dry_run=1", {"csv": more}).json()
    assert (tried["added"], tried["unchanged"], tried["invitations"]) == (1, 2, [])
    assert len(room.ada.get("/members").json()["members"]) == 3
    done = room.ada.post("/roster", {"csv": more}).json()
    assert [(one["name"], one["login"]) for one in done["invitations"]] == [("Di Wu", "di@example.edu")]
    wrong = room.ada.post("/roster", {"csv": "name,email\nEd,nonsense\n"}).json()
    assert [problem["line"] for problem in wrong["problems"]] == [2]
    room.bo.save("lime-top", ["a"], "one")
    members = {one["name"]: one for one in room.ada.get("/members").json()["members"]}
    assert members["Bo Li"]["answered"] == 1
    assert members["Bo Li"]["last_at"]
    assert (members["Di Wu"]["answered"], members["Di Wu"]["last_at"], members["Di Wu"]["joined"]) == (0, None, None)


def test_a_key_is_read_voted_on_and_changed_by_a_regrade(room):
    room.bo.save("bert-head", ["c"], "one")
    room.cy.save("bert-head", RIGHT["bert-head"], "two")
    key = room.ada.get("/keys/1").json()
    assert key["key"]["accepted"]["bert-head"] == [["d"]]
    assert SECRET in room.ada.get("/keys/1").text
    voted = room.ada.post("/keys/1/review", {"question": "bert-head", "option": "c", "vote": "disagree", "reason": "It is."})
    assert [vote["vote"] for vote in voted.json()["review"]] == ["disagree", "disagree"]
    body = {"changes": {"bert-head": {"accepted": [["c"]]}}, "policy": "replace", "reason": "c was meant"}
    preview = room.ada.post("/regrades/preview", body).json()
    assert [(one["name"], one["before"], one["after"]) for one in preview["rise"]] == [("Bo Li", 0, 4)]
    assert [(one["name"], one["before"], one["after"]) for one in preview["fall"]] == [("Cy Ma", 4, 0)]
    assert preview["version"] is None
    assert [one["version"] for one in room.ada.get("/keys").json()["versions"]] == [1]
    done = room.ada.post("/regrades", body).json()
    assert done["version"] == 2
    assert [one["version"] for one in room.ada.get("/keys").json()["versions"]] == [1, 2]
    scores = room.ada.get("/scores").json()
    assert (scores["version"], scores["of_tenths"]) == (2, 10)
    assert {one["name"]: one["total"] for one in scores["scores"]} == {"Bo Li": 4, "Cy Ma": 0}
    assert room.ada.get("/items").json()["n"] == 2
    acts = [(row["by"], row["act"]) for row in room.ada.get("/audit").json()["rows"]]
    assert ("ada", "regrade") in acts


def test_grades_are_taken_away(room):
    room.bo.save("lime-top", RIGHT["lime-top"], "one")
    answer = room.ada.get("/exports/gradescope.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="gradescope.csv"' in answer.headers["content-disposition"]
    assert "bo@example.edu" in answer.text
    grades = room.ada.get("/exports/grades.json")
    assert "Bo Li" in grades.text
    assert grades.json()
    gradebook = "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\nBo,7,1001,bo@example.edu,A\n"
    merged = room.ada.post("/exports/canvas", {"csv": gradebook})
    assert merged.status_code == 200, merged.text
    assert merged.json()["matched"] == 1
    assert len(merged.json()["unmatched"]) == 1  # Cy


# ---------------------------------------------------------------------------------------------------------------- the lab


def test_who_leaves_a_job_does_not_end_it_for_another(tmp_path):
    endless = question("smoothgrad", options={"samples": 100_000, "noise": 0.15})
    with classroom(tmp_path, models=models()[:1]) as room:
        id = room.bo.ask("POST", "/api/jobs", json=endless).json()["id"]
        assert room.cy.ask("POST", "/api/jobs", json=endless).json()["id"] == id
        assert room.bo.ask("DELETE", f"/api/jobs/{id}").json()["state"] in ("waiting", "running", "queued")
        assert room.bo.ask("DELETE", f"/api/jobs/{id}").status_code == 202  # again: it is still Cy's
        assert room.cy.ask("GET", f"/api/jobs/{id}").json()["state"] not in ("cancelled", "failed")
        room.cy.ask("DELETE", f"/api/jobs/{id}")
        end = time.monotonic() + 20
        while room.cy.ask("GET", f"/api/jobs/{id}").json()["state"] != "cancelled":
            assert time.monotonic() < end
            time.sleep(0.01)
        assert room.bo.ask("GET", "/api/jobs").status_code == 403
        assert [job["id"] for job in room.ada.ask("GET", "/api/jobs").json()["jobs"]] == [id]


def test_passwords_are_checked_by_threads_of_their_own(tmp_path, monkeypatch):
    going, go_on = threading.Semaphore(0), threading.Event()

    def slow(self: Passwords, hashed: str | None, password: str) -> bool:
        going.release()
        go_on.wait(10)
        return False

    monkeypatch.setattr(Passwords, "verify", slow)
    with classroom(tmp_path) as room, ThreadPoolExecutor(20) as class_:
        asked = [class_.submit(room.stranger.post, "/sessions", {"login": f"s{i}", "password": "x"}) for i in range(20)]
        going.acquire(timeout=10)
        try:
            assert room.bo.save("lime-top", ["a"], "one").status_code == 200
        finally:
            go_on.set()
        assert {one.result(10).status_code for one in asked} == {401}
