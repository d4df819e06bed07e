"""What is served, by which key it is graded, and whether answers are taken."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import sqlalchemy as sa

from pellucid.course.assignment import Assignment, Key, digest
from pellucid.course.storage import audit
from pellucid.course.storage.tables import Row, answer, assignment, course, evidence, key_version, review, score
from pellucid.course.values import (
    Conflict,
    CourseState,
    Feedback,
    Member,
    NotFound,
    Phase,
    Policy,
    Refused,
    Version,
    Vote,
    moment,
    plain,
    stamp,
)

FORMAT = 1
INTERVAL = 10
"""Minutes of a grading interval, unless it is said otherwise."""
LONGEST_INTERVAL = 7 * 24 * 60

_assignments: dict[str, Assignment] = {}
"""By their hashes, which say all of them: what has been read once holds for every database."""


def has_begun(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(course.c.id)).first() is not None


def begin(connection: sa.Connection) -> None:
    """The one row of a course, where there is none yet."""
    if not has_begun(connection):
        values = {"secret": secrets.token_hex(32), "state": "draft", "feedback": "after_close", "interval": INTERVAL}
        connection.execute(sa.insert(course).values(id=1, **values))


def settings(connection: sa.Connection) -> Row:
    return connection.execute(sa.select(course)).one()


def phase(row: Row) -> Phase:
    """Of `settings`: a course whose closing time has passed is closed."""
    return "closed" if row.state == "open" and row.closes_at is not None and row.closes_at <= stamp() else row.state


def served(connection: sa.Connection, hash: str | None) -> Assignment:
    """The assignment of this hash; NotFound for none."""
    if hash is None:
        raise NotFound("no assignment is published yet; freeze a key, and open the course")
    if hash not in _assignments:
        text = connection.execute(sa.select(assignment.c.document).where(assignment.c.hash == hash)).scalar_one()
        _assignments[hash] = Assignment.from_json(json.loads(text))
    return _assignments[hash]


def state(connection: sa.Connection) -> CourseState:
    row = settings(connection)
    found = served(connection, row.assignment) if row.assignment else None
    return CourseState(
        phase(row), row.closes_at, row.feedback, row.interval, found.id if found else None, found.title if found else {},
        row.assignment, row.key_version, found.tenths if found else 0,
    )  # fmt: skip


def set_state(
    connection: sa.Connection,
    to: Phase,
    closes_at: str | None,
    feedback: Feedback | None,
    interval: int | None,
    by: Member | None,
) -> CourseState:
    """As `Course.set_state` says."""
    row = settings(connection)
    for value, known, what in ((to, get_args(Phase), "state"), (feedback, (None, *get_args(Feedback)), "feedback")):
        if value not in known:
            raise Refused(f"no {what} {value!r}; known: {', '.join(one for one in known if one)}")
    if interval is not None and not 1 <= interval <= LONGEST_INTERVAL:
        raise Refused(f"a grading interval lasts 1 to {LONGEST_INTERVAL} minutes, not {interval}")
    closing = moment(closes_at) if closes_at else None
    if to != "draft" and row.assignment is None:
        raise Conflict("no assignment is published yet; freeze a key first")
    if to == "open" and closing is not None and closing <= datetime.now(UTC):
        raise Refused(f"{stamp(closing)} has passed already; give a later closing time, or none")
    if to == "draft" and phase(row) != "draft" and connection.execute(sa.select(answer.c.sequence).limit(1)).first():
        raise Conflict("students have answered; close the course instead of making it a draft again")
    values = {
        "state": to, "closes_at": stamp(closing) if closing else None,
        "feedback": feedback or row.feedback, "interval": interval or row.interval,
    }  # fmt: skip
    connection.execute(sa.update(course).values(**values))
    audit.record(connection, by, "state", values)
    return state(connection)


def publish(connection: sa.Connection, document: Mapping[str, Any], by: Member | None) -> None:
    """As `Course.publish` says."""
    asked, key = check(document)
    row = settings(connection)
    if row.key_version is not None:
        same = (key_version.c.version == key.version) & (key_version.c.hash == key.hash)
        if connection.execute(sa.select(key_version.c.version).where(same)).first():
            return
        if connection.execute(sa.select(answer.c.sequence).limit(1)).first():
            raise Conflict("students have answered already: what counts as right changes only by a regrade", row.assignment)
        # nobody was asked or graded by the earlier versions; the audit says that they were there
        connection.execute(sa.update(course).values(assignment=None, key_version=None))
        for table in (review, score, key_version, assignment, evidence):
            connection.execute(sa.delete(table))
    public = {"hash": asked.hash, "document": json.dumps(asked.to_json(), ensure_ascii=False), "at": stamp()}
    connection.execute(sa.insert(assignment).values(**public))
    add_version(connection, key, None, document.get("evidence", {}), document.get("review", []), by)
    connection.execute(sa.update(course).values(assignment=asked.hash, key_version=key.version))
    audit.record(connection, by, "publish", {"assignment": asked.hash, "version": key.version, "key": key.hash})


def check(document: Mapping[str, Any]) -> tuple[Assignment, Key]:
    """The assignment and the key of a frozen key document. Refused where it is not frozen, damaged or not whole."""
    try:
        asked, key, hash = Assignment.from_json(document["assignment"]), Key.from_json(document["key"]), document["hash"]
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"this is no key document: {type(error).__name__} {error}") from None
    if document.get("format") != FORMAT:
        raise Refused(f"a key document of format {document.get('format')!r}; this release reads format {FORMAT}")
    if document.get("state") != "frozen":
        raise Refused(f"the key is {document.get('state')}, not frozen; freeze it first")
    if hash != key.hash:
        raise Refused("the key document was changed after it was frozen: its hash is another one")
    if key.assignment != asked.hash:
        raise Refused("the key is of another assignment than the one beside it")
    for question in asked.questions:
        options = {option.id for option in question.options}
        accepted = key.accepted.get(question.id, ())
        if not accepted or not all(one and one <= options for one in accepted):
            raise Refused(f"{question.id}: the key accepts no selection of the options that are shown")
    return asked, key


def add_version(connection: sa.Connection, key: Key, policy: Policy | None, proof: Any, votes: Any, by: Member | None) -> None:
    """Store the key with its evidence, which several versions may share.

    Only a version that a regrade made (by a policy) has a parent here: those of the first one are files of the author's.
    """
    proved = digest(proof)
    if connection.execute(sa.select(evidence.c.hash).where(evidence.c.hash == proved)).first() is None:
        text = json.dumps(proof, ensure_ascii=False)
        connection.execute(sa.insert(evidence).values(hash=proved, document=text))
    values = {
        "version": key.version, "parent": key.parent if policy else None, "reason": key.reason, "policy": policy,
        "hash": key.hash, "assignment": key.assignment, "evidence": proved,
        "key": json.dumps(key.to_json(), ensure_ascii=False), "review": json.dumps(votes, ensure_ascii=False),
        "at": stamp(), "by": audit.actor(by),
    }  # fmt: skip
    connection.execute(sa.insert(key_version).values(**values))


def key(connection: sa.Connection, version: int | None = None) -> Key:
    """That version, or the one that counts now; NotFound for none."""
    return Key.from_json(json.loads(_version(connection, version).key))


def key_document(connection: sa.Connection, version: int | None = None) -> dict[str, Any]:
    row = _version(connection, version)
    proof = connection.execute(sa.select(evidence.c.document).where(evidence.c.hash == row.evidence)).scalar_one()
    votes = connection.execute(sa.select(review).where(review.c.version == row.version).order_by(review.c.id))
    return {
        "format": FORMAT, "state": "frozen", "hash": row.hash,
        "assignment": served(connection, row.assignment).to_json(), "key": json.loads(row.key), "evidence": json.loads(proof),
        "review": [
            *json.loads(row.review),
            *({name: getattr(vote, name) for name in ("question", "option", "by", "at", "vote", "reason")} for vote in votes),
        ],
    }  # fmt: skip


def versions(connection: sa.Connection) -> list[Version]:
    """Oldest first."""
    rows = connection.execute(sa.select(key_version).order_by(key_version.c.version))
    return [
        Version(row.version, row.parent, row.reason, row.policy, "frozen", row.hash, row.assignment, row.at, row.by)
        for row in rows
    ]  # fmt: skip


def vote(
    connection: sa.Connection, version: int, question: str, option: str | None, vote: Vote, reason: str, by: Member | None
) -> dict[str, Any]:
    """As `Course.review` says."""
    row = _version(connection, version)
    try:
        options = [one.id for one in served(connection, row.assignment).question(question).options]
    except KeyError as error:
        raise NotFound(str(error.args[0])) from None
    if option is not None and option not in options:
        raise NotFound(f"{question} shows no option {option!r}; it has: {', '.join(options)}")
    if vote not in get_args(Vote):
        raise Refused(f"no vote {vote!r}; known: {', '.join(get_args(Vote))}")
    if vote != "agree" and not reason.strip():
        raise Refused(f"a vote to {vote} needs a reason")
    values = {
        "version": row.version,
        "question": question,
        "option": option,
        "vote": vote,
        "reason": plain(reason, "the reason"),
    }
    connection.execute(sa.insert(review).values(**values, at=stamp(), by=audit.actor(by)))
    audit.record(connection, by, "review", values)
    return key_document(connection, row.version)


def _version(connection: sa.Connection, version: int | None) -> Row:
    if version is None:
        version = settings(connection).key_version
        if version is None:
            raise NotFound("no key is published yet; freeze one, and open the course")
    row = None
    if 0 <= version < 2**31:
        row = connection.execute(sa.select(key_version).where(key_version.c.version == version)).first()
    if row is None:
        raise NotFound(
            f"the key has no version {version}; known: {', '.join(str(one.version) for one in versions(connection))}"
        )
    return row
