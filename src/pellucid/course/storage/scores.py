"""Points: always computed from answers and a key version; what is stored of them is a witness that can be computed again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pellucid.course.assignment import Assignment, Key, tenths
from pellucid.course.items import ItemAnalysis, analyse
from pellucid.course.storage import answers, members, release
from pellucid.course.storage.tables import Row, score
from pellucid.course.values import Grades, Score, stamp


def scores(connection: sa.Connection, version: int | None = None) -> list[Score]:
    """Every student by name, those without an answer too."""
    asked, key = graded_by(connection, version)
    chosen, times = answers.selections(connection), answers.last_times(connection)
    found: list[Score] = []
    for member in members.everybody(connection):
        if member.role == "student":
            mine = chosen.get(member.id, {})
            points = tenths(asked, key, mine)
            answered = sum(bool(one) for one in mine.values())
            found.append(Score(member, points, sum(points.values()), answered, times.get(member.id)))
    return found


def graded_by(connection: sa.Connection, version: int | None = None) -> tuple[Assignment, Key]:
    """The assignment, and that version of its key or the one that counts now."""
    key = release.key(connection, version)
    return release.served(connection, key.assignment), key


def progress(connection: sa.Connection) -> dict[int, tuple[int, str]]:
    """Of every student who saved: questions with an answer, and when the last was saved."""
    times = answers.last_times(connection)
    return {id: (sum(map(bool, mine.values())), times[id]) for id, mine in answers.selections(connection).items()}


def feedback(connection: sa.Connection, member: int) -> Grades | None:
    """As `Course.feedback` says."""
    row = release.settings(connection)
    phase, policy = release.phase(row), row.feedback
    if phase == "draft" or policy == "none" or (policy == "after_close" and phase != "closed"):
        return None
    # while changes are possible, points are an oracle: so they are those of the moment when the present interval began
    as_of = interval_start(datetime.now(UTC), row.interval) if phase == "open" else None
    asked, key = graded_by(connection)
    points = tenths(asked, key, answers.selections(connection, member, before=as_of).get(member, {}))
    shown = None if policy == "total" else points
    return Grades(sum(points.values()), asked.tenths, shown, as_of or stamp())


def interval_start(now: datetime, minutes: int) -> str:
    """When the grading interval began that `now` is in; intervals count from 1970."""
    seconds = minutes * 60
    return stamp(datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC))


def store(connection: sa.Connection, version: int) -> None:
    """Write down the scores under this version of all who have an answer, where they are not written down already."""
    asked, key = graded_by(connection, version)
    through, now = answers.last_sequence(connection), stamp()
    done = (score.c.version == version) & (score.c.through == through)
    known = set(connection.execute(sa.select(score.c.member).where(done)).scalars())
    rows: list[dict[str, Any]] = []
    for member, chosen in answers.selections(connection, through=through).items():
        if member not in known:
            points = tenths(asked, key, chosen)
            rows.append({
                "version": version, "member": member, "through": through, "tenths": json.dumps(points),
                "total": sum(points.values()), "at": now,
            })  # fmt: skip
    if rows:
        connection.execute(sa.insert(score), rows)


def recompute(connection: sa.Connection) -> list[str]:
    """What differs between stored scores and their recomputation, one sentence each."""
    wrong: list[str] = []
    stored: dict[tuple[int, int], list[Row]] = {}
    for row in connection.execute(sa.select(score).order_by(score.c.id)):
        stored.setdefault((row.version, row.through), []).append(row)
    for (version, through), rows in stored.items():
        asked, key = graded_by(connection, version)
        chosen = answers.selections(connection, through=through)
        for row in rows:
            points = tenths(asked, key, chosen.get(row.member, {}))
            kept: Mapping[str, int] = json.loads(row.tenths)
            if kept != points or row.total != sum(points.values()):
                login = members.find(connection, row.member).login
                wrong.append(
                    f"{login}, version {version}, answers through {through}: stored {row.total} tenths, "
                    f"computed {sum(points.values())}"
                )
        if missing := set(chosen) - {row.member for row in rows}:
            wrong.append(f"version {version}, answers through {through}: no score is stored of {len(missing)} who answered")
    return wrong


def items(connection: sa.Connection) -> ItemAnalysis:
    """Of the students who answered; NotFound before anything is published."""
    asked, key = graded_by(connection)
    latest, first = answers.selections(connection), answers.first_attempts(connection)
    students = [one.id for one in members.everybody(connection) if one.role == "student" and one.id in latest]
    return analyse(asked, key, [latest[id] for id in students], [first.get(id, {}) for id in students])
