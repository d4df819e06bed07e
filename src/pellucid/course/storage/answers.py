"""Answers: a log that only grows. The latest of a question counts, in the order in which the server wrote them."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from pellucid.course.receipts import receipt, same, sequence_of
from pellucid.course.storage import members, release
from pellucid.course.storage.tables import Row, answer, course
from pellucid.course.storage.tables import member as members_table
from pellucid.course.values import Closed, Conflict, NotFound, Refused, Saved, Superseded, stamp

OPERATION = re.compile(r"[\x21-\x7e]{1,64}")
PAUSE = timedelta(seconds=30)
"""Whoever changes nothing for so long has settled on an answer."""

# Statements that every save runs are put together once: that takes longer than to run them.
_member, _question = sa.bindparam("member"), sa.bindparam("question")
_before = answer.alias("before")
SAVES = sa.select(
    answer, _before.c.selected.label("before_selected"), _before.c.at.label("before_at")
).outerjoin_from(answer, _before, _before.c.sequence == answer.c.superseded)  # fmt: skip
"""The rows of the log, each with the one that it replaced unseen."""
KNOWN = SAVES.where(answer.c.member == _member, answer.c.operation == sa.bindparam("operation"))
_last_here = sa.select(sa.func.max(answer.c.sequence)).where(answer.c.member == _member, answer.c.question == _question)
_role = sa.select(members_table.c.role).where(members_table.c.id == _member)
STANDING = sa.select(course, _role.scalar_subquery().label("role"), _last_here.scalar_subquery().label("last"))
"""The course's settings, the member's role, and the last sequence of the member's question."""
INSERT = sa.insert(answer).returning(answer.c.sequence)


def save(
    connection: sa.Connection, member: int, question: str, selected: Sequence[str], operation: str, base: int | None, hash: str
) -> Saved:
    """As `Course.save` says, inside the writer's transaction."""
    if not OPERATION.fullmatch(operation):
        raise Refused(
            f"an operation is named by 1 to 64 characters without blanks, such as a ULID; given was {operation[:70]!r}"
        )
    if not 0 < member < 2**63:
        members.find(connection, member)
    if not question.isprintable():  # as what PostgreSQL would not even look for
        raise NotFound(f"no question named {question[:70]!r}")
    chosen, mine = sorted(set(selected)), {"member": member, "operation": operation}
    known = connection.execute(KNOWN, mine).first()
    row = connection.execute(STANDING, {"member": member, "question": question}).one()
    # subtle: before all else, for what was saved stays so, even if the acknowledgement was lost and the course closed since
    if known is not None:
        if (known.question, json.loads(known.selected)) != (question, chosen):
            raise Conflict(f"the operation {operation} was another answer; every change needs a name of its own")
        return _saved(known, row.secret)
    if row.role != "student":
        members.find(connection, member)
        raise Refused("only students answer")
    if (now := release.phase(row)) != "open":
        raise Closed(
            "the course is closed; no more answers are taken" if now == "closed" else "the course is not open yet", now
        )
    if hash != row.assignment:
        raise Conflict(
            "this answers another assignment than the one that is served now; load the questions again", row.assignment
        )
    _check(connection, row.assignment, question, chosen)
    replaced = row.last if row.last is not None and row.last > (base or 0) else None
    values = {
        **mine, "question": question, "selected": json.dumps(chosen, ensure_ascii=False), "superseded": replaced,
        "assignment": hash, "at": stamp(),
    }  # fmt: skip
    sequence = connection.execute(INSERT, values).scalar_one()
    if replaced is not None:
        return _saved(connection.execute(SAVES.where(answer.c.sequence == sequence)).one(), row.secret)
    made = receipt(row.secret, member, question, chosen, sequence, values["at"])
    return Saved(question, tuple(chosen), sequence, values["at"], made, operation)


def current(connection: sa.Connection, member: int) -> dict[str, Saved]:
    """The member's answers that count, by question."""
    secret = _secret(connection)
    rows = connection.execute(SAVES.where(answer.c.sequence.in_(_last(answer.c.member == member))))
    return {row.question: _saved(row, secret) for row in rows}


def history(connection: sa.Connection, member: int) -> list[Saved]:
    """Oldest first."""
    secret = _secret(connection)
    rows = connection.execute(SAVES.where(answer.c.member == member).order_by(answer.c.sequence)).all()
    return [_saved(row, secret) for row in rows]


def everybodys(connection: sa.Connection) -> tuple[dict[int, list[Saved]], dict[int, int]]:
    """By member, the answers that count, and how often something was saved."""
    secret, found = _secret(connection), dict[int, list[Saved]]()
    for row in connection.execute(SAVES.where(answer.c.sequence.in_(_last()))):
        found.setdefault(row.member, []).append(_saved(row, secret))
    counted = connection.execute(sa.select(answer.c.member, sa.func.count()).group_by(answer.c.member))
    return found, {row[0]: row[1] for row in counted}


def selections(
    connection: sa.Connection, member: int | None = None, through: int | None = None, before: str | None = None
) -> dict[int, dict[str, frozenset[str]]]:
    """By member and question, what was selected last: what every score, export and analysis counts.

    Of one member or of all; of the log up to a sequence, or before a moment.
    """
    within = [answer.c.member == member] if member is not None else []
    within += [answer.c.sequence <= through] if through is not None else []
    within += [answer.c.at < before] if before is not None else []
    rows = connection.execute(
        sa.select(answer.c.member, answer.c.question, answer.c.selected).where(answer.c.sequence.in_(_last(*within)))
    )
    found: dict[int, dict[str, frozenset[str]]] = {}
    for row in rows:
        found.setdefault(row.member, {})[row.question] = frozenset(json.loads(row.selected))
    return found


def first_attempts(connection: sa.Connection) -> dict[int, dict[str, frozenset[str]]]:
    """By member and question, the first answer on which the member settled.

    Every tick of a box is saved, so that the first row of a question with two right options is never right. Settled is what
    stands, if it is not empty, when the member goes on to another question or changes nothing for 30 seconds; so is what was
    saved last of all.
    """
    rows = connection.execute(
        sa.select(answer.c.member, answer.c.question, answer.c.selected, answer.c.at).order_by(
            answer.c.member, answer.c.sequence
        )
    )
    found: dict[int, dict[str, frozenset[str]]] = {}
    for member, mine in groupby(rows, key=lambda row: row.member):
        saves: list[Row] = list(mine)
        for row, then in zip(saves, [*saves[1:], None], strict=True):
            settled = then is None or then.question != row.question or _moment(then.at) - _moment(row.at) >= PAUSE
            if settled and row.selected != "[]":
                found.setdefault(member, {}).setdefault(row.question, frozenset(json.loads(row.selected)))
    return found


def last_times(connection: sa.Connection) -> Mapping[int, str]:
    """When each member saved last."""
    newest = sa.select(sa.func.max(answer.c.sequence)).group_by(answer.c.member)
    rows = connection.execute(sa.select(answer.c.member, answer.c.at).where(answer.c.sequence.in_(newest)))
    return {row.member: row.at for row in rows}


def last_sequence(connection: sa.Connection) -> int:
    """Of the whole log; 0 as long as it is empty."""
    return connection.execute(sa.select(sa.func.max(answer.c.sequence))).scalar() or 0


def check_receipt(connection: sa.Connection, text: str) -> dict[str, Any] | None:
    """What the receipt is for; None where it is forged, mistyped or of another course."""
    sequence = sequence_of(text)
    row = connection.execute(SAVES.where(answer.c.sequence == sequence)).first() if sequence else None
    if row is None:
        return None
    saved, who = _saved(row, _secret(connection)), members.find(connection, row.member)
    if not same(saved.receipt, text):
        return None
    return {
        "member": who.id, "login": who.login, "name": who.name, "question": saved.question, "selected": list(saved.selected),
        "sequence": saved.sequence, "at": saved.at,
    }  # fmt: skip


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _last(*within: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.max(answer.c.sequence)).where(*within).group_by(answer.c.member, answer.c.question)


def _secret(connection: sa.Connection) -> str:
    return connection.execute(sa.select(course.c.secret)).scalar_one()


def _check(connection: sa.Connection, hash: str, question: str, chosen: Sequence[str]) -> None:
    try:
        options = [option.id for option in release.served(connection, hash).question(question).options]
    except KeyError as error:
        raise NotFound(str(error.args[0])) from None
    if unknown := [id for id in chosen if id not in options]:
        raise Refused(f"{question} has no option {unknown[0]!r}; it has: {', '.join(options)}")


def _saved(row: Row, secret: str) -> Saved:
    selected, before = tuple(json.loads(row.selected)), None
    if row.superseded is not None:
        before = Superseded(tuple(json.loads(row.before_selected)), row.superseded, row.before_at)
    made = receipt(secret, row.member, row.question, selected, row.sequence, row.at)
    return Saved(row.question, selected, row.sequence, row.at, made, row.operation, before)
