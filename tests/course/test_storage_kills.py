"""An acknowledged answer survives the death of the process that took it, and a repeated one is not doubled."""

import json

import sqlalchemy as sa

from pellucid.course.storage import Course
from pellucid.course.storage.tables import answer as log
from tests.course.classroom import ASSIGNMENT
from tests.course.crash import kill_often


def test_killed_six_times_nothing_is_lost_and_nothing_doubled(course: Course, url: str) -> None:
    members = [member.id for member in course.members()]
    ledger = kill_often(url, ASSIGNMENT.hash, members, kills=6)
    with course.database.read() as connection:
        rows = connection.execute(sa.select(log)).all()
    kept = {row.operation: (row.member, row.question, json.loads(row.selected), row.operation) for row in rows}
    assert len(rows) == len(kept) == len(ledger.sent)
    assert kept == ledger.sent
    assert {row.operation: row.sequence for row in rows} == ledger.acknowledged
    assert ledger.differing == []
    assert ledger.repeated > 0, "no worker died with work unfinished, so nothing was tried"
    for member in members:
        last = {row.question: row for row in sorted(rows, key=lambda row: row.sequence) if row.member == member}
        assert {q: save.sequence for q, save in course.answers(member).items()} == {q: row.sequence for q, row in last.items()}
