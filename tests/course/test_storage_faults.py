"""A full disk, a database that somebody else holds, a connection that breaks: nothing is acknowledged that is not kept."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from pellucid.course.storage import Course, Unavailable, database
from tests.course.classroom import ASSIGNMENT, answer, made, opened, student

HASH = ASSIGNMENT.hash


def test_a_commit_that_fails_acknowledges_nobody(course: Course) -> None:
    """The rows are written, their commit is not."""
    bo = student(course, "Bo")
    kept = answer(course, bo, "q1", "a")
    full = OperationalError("COMMIT", None, Exception("database or disk is full"))

    def fail(connection: sa.Connection) -> None:
        raise full

    event.listen(course.database.writer, "commit", fail)
    with pytest.raises(Unavailable, match=r"disk is full. Nothing was saved; to try again is safe"):
        course.save(bo.id, "q1", ["b"], "op", None, HASH)
    assert course.answers(bo.id) == {"q1": kept}
    event.remove(course.database.writer, "commit", fail)
    again = course.save(bo.id, "q1", ["b"], "op", None, HASH)
    assert course.answers(bo.id) == {"q1": again}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_on_a_full_disk_what_was_acknowledged_stays_and_the_rest_is_refused(course: Course) -> None:
    """SQLite's own error for it, since the file may not grow."""
    bo, saved = student(course, "Bo"), []

    def bound(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("pragma page_count").scalar_one()
        connection.exec_driver_sql(f"pragma max_page_count = {pages + 4}")

    course.database.write(bound)
    with pytest.raises(Unavailable, match="database or disk is full"):  # noqa: PT012
        for n in range(250):
            saved.append(course.save(bo.id, "q1", ["a"], f"op{n}", None, HASH))
    assert 10 < len(saved) < 250
    assert course.history(bo.id) == saved
    course.database.write(lambda connection: connection.exec_driver_sql("pragma max_page_count = 100000") and None)
    more = course.save(bo.id, "q1", ["b"], f"op{len(saved)}", None, HASH)
    assert course.history(bo.id) == [*saved, more]


def test_somebody_else_who_writes_is_waited_for_but_not_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY", 400)
    course = made(url)
    other = opened(url)
    bo, held, go = student(course, "Bo"), threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        held.set()
        go.wait(10)

    for waits, ends in ((0.1, True), (1.5, False)):
        held.clear()
        go.clear()
        holding = other.database.writing(hold)
        held.wait(10)
        timer = threading.Timer(waits, go.set)
        timer.start()
        if ends:
            assert answer(course, bo, "q1", "a").sequence > 0
        else:
            with pytest.raises(Unavailable, match="to try again is safe"):
                answer(course, bo, "q1", "b")
        holding.result(10)
        timer.join()
    assert [save.selected for save in course.history(bo.id)] == [("a",)]
    assert answer(course, bo, "q1", "c").sequence > 0
    for one in (course, other):
        one.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_broken_connections_are_made_anew_and_no_save_is_lost_or_doubled(course: Course, url: str) -> None:
    """As when the server of the database is started again."""
    bo, stop = student(course, "Bo"), threading.Event()

    def break_them() -> None:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            for _ in range(8):
                stop.wait(0.04)
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where pid <> pg_backend_pid() and datname = current_database()"
                )

    def save(n: int) -> int:
        while True:
            try:
                return course.save(bo.id, "q1", ["a"], f"op{n}", None, HASH).sequence
            except Unavailable:
                stop.wait(0.05)

    breaker = threading.Thread(target=break_them)
    breaker.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            sequences = list(pool.map(save, range(80)))
    finally:
        stop.set()
        breaker.join()
    assert sorted(save.sequence for save in course.history(bo.id)) == sorted(sequences)
    assert len(set(sequences)) == 80


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        opened(f"sqlite:///{tmp_path / 'file' / 'course.db'}")
