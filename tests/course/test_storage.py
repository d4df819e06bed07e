"""Answers: what is acknowledged is there, in the server's order, once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from pellucid.course.storage import Closed, Conflict, Course, Database, Denied, NotFound, Refused, Unavailable
from pellucid.course.storage.migrations import upgrade
from pellucid.course.storage.tables import answer as log
from pellucid.course.values import moment, stamp
from tests.course.classroom import ASSIGNMENT, answer, document, opened, student

HASH = ASSIGNMENT.hash


def test_what_was_saved_is_the_answer_and_the_latest_counts(course: Course) -> None:
    bo = student(course, "Bo")
    first, second = answer(course, bo, "q1", "a"), answer(course, bo, "q2", "c")
    third = answer(course, bo, "q1", "ba", first.sequence)
    assert first.sequence < second.sequence < third.sequence
    assert third.selected == ("a", "b")
    assert third.superseded is None
    assert course.answers(bo.id) == {"q1": third, "q2": second}
    assert course.history(bo.id) == [first, second, third]
    assert course.answers(student(course, "Cy").id) == {}


def test_the_same_operation_again_is_the_same_save(course: Course) -> None:
    bo, cy = student(course, "Bo"), student(course, "Cy")
    answer(course, bo, "q1", "d")
    saved = course.save(bo.id, "q1", ["b", "a", "b"], "op", None, HASH)
    assert saved.superseded is not None
    answer(course, bo, "q1", "c", saved.sequence)
    assert course.save(bo.id, "q1", ["a", "b"], "op", None, HASH) == saved
    assert len(course.history(bo.id)) == 3
    assert course.save(cy.id, "q1", ["a"], "op", None, HASH).sequence > saved.sequence, "operations are a member's own"
    for question, selected in (("q1", ["a"]), ("q2", ["a", "b"])):
        with pytest.raises(Conflict, match="was another answer"):
            course.save(bo.id, question, selected, "op", None, HASH)


def test_a_save_repeated_after_closing_is_still_acknowledged(course: Course) -> None:
    bo = student(course, "Bo")
    saved = course.save(bo.id, "q1", ["a"], "op", None, HASH)
    course.set_state("closed")
    assert course.save(bo.id, "q1", ["a"], "op", None, HASH) == saved
    with pytest.raises(Closed) as refused:
        answer(course, bo, "q1", "b")
    assert refused.value.state == "closed"


def test_of_two_tabs_the_later_wins_and_is_told_what_it_replaced(course: Course) -> None:
    bo = student(course, "Bo")
    seen = answer(course, bo, "q1", "a")
    other = answer(course, bo, "q1", "b", seen.sequence)
    mine = answer(course, bo, "q1", "c", seen.sequence)
    assert mine.superseded is not None
    assert (mine.superseded.selected, mine.superseded.sequence, mine.superseded.at) == (("b",), other.sequence, other.at)
    assert course.answers(bo.id)["q1"] == mine
    assert answer(course, bo, "q2", "a", seen.sequence).superseded is None, "another question"


def test_an_answer_can_be_cleared(course: Course) -> None:
    bo = student(course, "Bo")
    answer(course, bo, "q1", "ab")
    assert course.scores()[0].total == 3
    answer(course, bo, "q1", "")
    assert course.answers(bo.id)["q1"].selected == ()
    assert (course.scores()[0].total, course.scores()[0].answered) == (0, 0)


def test_what_is_no_answer_is_refused_and_stores_nothing(course: Course) -> None:
    bo = student(course, "Bo")
    teacher = course.add_instructor("ada", "Ada", "a long password")
    refused = [
        (bo.id, "q9", ["a"], "op", HASH, NotFound, "no question named 'q9'"),
        (bo.id, "q1\x00", ["a"], "op", HASH, NotFound, "no question named"),
        (bo.id, "q1", ["a", "e"], "op", HASH, Refused, "q1 has no option 'e'; it has: a, b, c, d"),
        (bo.id, "q1", ["a"], "", HASH, Refused, "an operation is named by"),
        (bo.id, "q1", ["a"], "a b", HASH, Refused, "an operation is named by"),
        (bo.id, "q1", ["a"], "x" * 65, HASH, Refused, "an operation is named by"),
        (bo.id, "q1", ["a"], "op", "0" * 64, Conflict, "another assignment"),
        (999, "q1", ["a"], "op", HASH, NotFound, "no member"),
        (teacher.id, "q1", ["a"], "op", HASH, Refused, "only students"),
    ]
    for member, question, selected, operation, hash, error, words in refused:
        with pytest.raises(error, match=words):
            course.save(member, question, selected, operation, None, hash)
    with pytest.raises(Conflict) as other:
        course.save(bo.id, "q1", ["a"], "op", None, "0" * 64)
    assert other.value.hash == HASH
    assert course.history(bo.id) == []


def test_an_error_in_one_job_leaves_the_others_of_its_transaction(course: Course) -> None:
    bo = student(course, "Bo")
    started, go = threading.Event(), threading.Event()

    def wait(connection: sa.Connection) -> None:
        started.set()
        go.wait(10)

    waiting = course.database.writing(wait)
    started.wait(10)
    wanted = [["a"], ["x"], ["b"], ["y"], ["c"]]  # these wait together, and so are written together
    saves = [course.saving(bo.id, "q1", one, f"op{n}", None, HASH) for n, one in enumerate(wanted)]

    def write_and_fail(connection: sa.Connection) -> None:
        connection.execute(sa.delete(log))
        raise ZeroDivisionError

    failing = course.database.writing(write_and_fail)
    saves.append(course.saving(bo.id, "q1", ["d"], "op9", None, HASH))
    go.set()
    waiting.result(10)
    done = [save.exception(10) for save in saves]
    assert [error is None for error in done] == [True, False, True, False, True, True]
    assert isinstance(failing.exception(10), ZeroDivisionError)
    assert [one.selected for one in course.history(bo.id)] == [("a",), ("b",), ("c",), ("d",)]


def test_many_at_once_are_each_saved_once(course: Course) -> None:
    people = [student(course, name) for name in ("Bo", "Cy", "Di")]

    def work(n: int) -> int:
        member, question = people[n % 3], f"q{n % 2 + 1}"
        made = {course.save(member.id, question, ["abcd"[n % 4]], f"op{n}", None, HASH).sequence for _ in range(2)}
        return made.pop() if len(made) == 1 else -1

    with ThreadPoolExecutor(16) as pool:
        sequences = list(pool.map(work, range(60)))
    assert len(set(sequences)) == 60
    assert -1 not in sequences
    kept = [save for member in people for save in course.history(member.id)]
    assert sorted(save.sequence for save in kept) == sorted(sequences)


def test_two_processes_write_in_turn(course: Course, url: str) -> None:
    """As a shell beside the server does; here two writers, each with connections of its own."""
    other = opened(url)
    bo = student(course, "Bo")
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(lambda c=c, n=n: [c.save(bo.id, "q1", ["a"], f"{n}-{i}", None, HASH) for i in range(20)])
            for n, c in enumerate((course, other))
        ]  # fmt: skip
        saved = [save for job in jobs for save in job.result(30)]
    assert len({save.sequence for save in saved}) == 40
    other.set_state("closed")
    with pytest.raises(Closed):
        answer(course, bo, "q1", "a")
    other.close()


def test_a_reader_cannot_write_and_does_not_wait_for_writers(course: Course) -> None:
    started, go = threading.Event(), threading.Event()

    def wait(connection: sa.Connection) -> None:
        connection.execute(sa.delete(log))
        started.set()
        go.wait(10)

    waiting = course.database.writing(wait)
    assert started.wait(10)
    assert course.state().state == "open", "read while the write is under way"
    go.set()
    waiting.result(10)
    with pytest.raises(Exception, match=r"read-?only"), course.database.read() as connection:
        connection.execute(sa.delete(log))


def test_a_receipt_proves_its_answer_and_nothing_else(course: Course) -> None:
    bo = student(course, "Bo")
    saved = answer(course, bo, "q1", "ab")
    found = {
        "member": bo.id, "login": "bo@example.edu", "name": "Bo Li", "question": "q1", "selected": ["a", "b"],
        "sequence": saved.sequence, "at": saved.at,
    }  # fmt: skip
    assert course.check_receipt(saved.receipt) == found
    assert course.check_receipt(f" {saved.receipt.upper()}\n") == found
    last = "0" if saved.receipt[-1] != "0" else "1"
    forged = (
        saved.receipt[:-1] + last,
        f"{saved.sequence + 1}{saved.receipt[1:]}",
        "",
        "1-",
        "nonsense",
        "9" * 40 + "-" + "0" * 16,
    )
    assert [course.check_receipt(text) for text in forged] == [None] * len(forged)


def test_states_follow_one_another_and_a_closing_time_closes(course: Course) -> None:
    bo, now = student(course, "Bo"), datetime.now(UTC)
    later = course.set_state("open", (now + timedelta(hours=2)).astimezone(UTC).isoformat(), "total", 5)
    assert (later.state, later.feedback, later.interval) == ("open", "total", 5)
    assert later.closes_at == stamp(now + timedelta(hours=2))
    saved = answer(course, bo, "q1", "a")
    with time_machine.travel(now + timedelta(hours=2, seconds=1), tick=False):
        assert course.state().state == "closed"
        with pytest.raises(Closed):
            answer(course, bo, "q1", "b")
        with pytest.raises(Refused, match="has passed already"):
            course.set_state("open", stamp(now))
        assert course.set_state("open").state == "open", "opened again, without a closing time"
    with pytest.raises(Conflict, match="students have answered"):
        course.set_state("draft")
    with pytest.raises(Refused, match="1 to 10080 minutes"):
        course.set_state("open", interval=0)
    assert course.answers(bo.id) == {"q1": saved}


def test_nothing_opens_before_there_is_something_to_answer(url: str) -> None:
    course = opened(url)
    with pytest.raises(Conflict, match="no assignment is published"):
        course.set_state("open")
    for call in (course.assignment, course.key, course.key_document, course.scores, course.items):
        with pytest.raises(NotFound, match="published"):
            call()
    assert course.state().assignment_hash is None
    course.publish(document())
    course.import_roster("name,login\nBo,bo\n")
    with pytest.raises(Closed, match="not open yet"):
        answer(course, student(course, "Bo"), "q1", "a")
    course.close()


def test_after_closing_nothing_is_taken(course: Course) -> None:
    bo = student(course, "Bo")
    saved = answer(course, bo, "q1", "a")
    course.close()
    course.close()
    with pytest.raises(Unavailable, match="shutting down"):
        answer(course, bo, "q1", "b")
    assert saved.sequence > 0


def test_a_database_of_a_later_release_is_left_alone(course: Course, url: str) -> None:
    course.database.write(lambda c: c.execute(sa.text("update alembic_version set version_num = '9999'")) and None)
    with pytest.raises(Refused, match="of a later release"):
        upgrade(course.database.writer)
    course.database.write(lambda c: c.execute(sa.text("update alembic_version set version_num = '0001'")) and None)


@pytest.mark.parametrize("text", ["mysql://localhost/x", "nonsense", "sqlite://"])
def test_other_databases_are_named(text: str) -> None:
    with pytest.raises(Refused, match=r"not supported|is no database|kept in a file"):
        Database(text)


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@/nothing?host=/nowhere")
    with pytest.raises(Unavailable, match="does not answer"):
        database.migrate()
    with pytest.raises(Unavailable), database.read():
        pass
    with pytest.raises(Unavailable):
        database.write(lambda connection: None)
    database.close()


@pytest.mark.parametrize("left", [b"no database at all", None])
def test_a_file_that_is_damaged_is_unavailable(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "course.db"
    whole = Database(f"sqlite:///{path}")
    whole.migrate()
    whole.close()
    path.write_bytes(path.read_bytes()[:20_000] if left is None else left)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(Unavailable, match=r"course.db cannot be read: .*; move the file away"):
        database.migrate()
    database.close()


def test_times_say_their_zone() -> None:
    assert stamp(moment("2026-12-24T18:00+08:00")) == "2026-12-24T10:00:00.000Z"
    assert stamp(moment("2026-12-24T10:00:00.5Z")) == "2026-12-24T10:00:00.500Z"
    for text, cure in (
        ("tomorrow", "is no time"), ("", "is no time"), ("2026-12-24T18:00", r"as in 2026-12-24T18:00\+08:00"),
        ("2026-12-24", r"write it as 2026-12-24T18:00"), ("2026-12-24+08:00", r"write it as 2026-12-24T18:00"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=cure):
            moment(text)


@pytest.mark.usefixtures("unchecked")
def test_words_that_the_types_exclude_are_refused_too(course: Course) -> None:
    wrong: Any = "ajar"
    with pytest.raises(Refused, match="no state 'ajar'; known: draft, open, closed"):
        course.set_state(wrong)
    with pytest.raises(Refused, match="no feedback 'ajar'; known: none, total, question, after_close"):
        course.set_state("open", feedback=wrong)
    with pytest.raises(Refused, match="no vote 'ajar'; known: agree, disagree, override"):
        course.review(1, "q1", None, wrong, "")
    with pytest.raises(Refused, match="no policy 'ajar'; known: replace, either"):
        course.preview({"q1": {"full": True}}, wrong, "")


def test_a_wrong_pair_is_denied(course: Course) -> None:
    with pytest.raises(Denied):
        course.log_in("bo@example.edu", "whatever it is")
