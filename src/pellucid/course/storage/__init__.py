"""The course's memory: members, answers, key versions, scores. `Course` is all that servers and shells need of it.

Methods block until their transaction is committed, and may be called from any thread.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, final

from pellucid.course import exports
from pellucid.course.assignment import Assignment, Key
from pellucid.course.exports import CanvasReport
from pellucid.course.items import ItemAnalysis
from pellucid.course.storage import answers, audit, members, regrade, release, scores, sessions
from pellucid.course.storage.backup import restore
from pellucid.course.storage.database import Database
from pellucid.course.storage.limits import Limits
from pellucid.course.storage.passwords import Passwords
from pellucid.course.values import (
    AuditRow,
    Change,
    Changes,
    Closed,
    Conflict,
    CourseError,
    CourseState,
    Denied,
    Feedback,
    Grades,
    Invitation,
    Member,
    NotFound,
    Phase,
    Policy,
    Problem,
    Refused,
    Regrade,
    Role,
    RosterReport,
    Saved,
    Score,
    Superseded,
    TooMany,
    Unavailable,
    Version,
    Vote,
    stamp,
)

__all__ = [
    "AuditRow", "CanvasReport", "Change", "Changes", "Closed", "Conflict", "Course", "CourseError", "CourseState", "Database",
    "Denied", "Feedback", "Grades", "Invitation", "ItemAnalysis", "Member", "NotFound", "Phase", "Policy", "Problem", "Refused",
    "Regrade", "Role", "RosterReport", "Saved", "Score", "Superseded", "TooMany", "Unavailable", "Version", "Vote", "restore",
    "stamp",
]  # fmt: skip

SOURCE, FILE = "course.yaml", "course.db"
"""What a folder holds that is a course: its questions' source, or its database."""


@final
class Course:
    """Everything that happens in one course. `by` is the member who acts, None for the shell; every such act is audited."""

    def __init__(self, database: Database, passwords: Passwords | None = None) -> None:
        self.database = database
        self._passwords, self._limits = passwords or Passwords(), Limits()

    def migrate(self) -> None:
        """Make the tables, or bring them to this release; needed once before anything else."""
        self.database.migrate()
        with self.database.read() as c:
            begun = release.has_begun(c)
        if not begun:
            self.database.write(release.begin)

    @classmethod
    def open(cls, folder: str | Path, url: str | None = None) -> "Course":
        """The course of this folder (its `course.db`), or of the database at `url`; made or migrated as needed."""
        place = Path(folder)
        if url is None:
            if not any((place / name).is_file() for name in (SOURCE, FILE)):
                raise Refused(f"{str(place)!r} is no course: it has neither {SOURCE} nor {FILE}; make one: pellucid course new")
            url = f"sqlite:///{place / FILE}"
        course = cls(Database(url))
        try:
            course.migrate()
        except BaseException:
            course.close()
            raise
        return course

    def close(self) -> None:
        """Finish what is being written, and let go of the database."""
        self.database.close()

    # members and sessions

    def add_instructor(self, login: str, name: str, password: str | None, by: Member | None = None) -> Member:
        """A new instructor; of an existing one, name and password are set anew. Refused for a student's login.

        Without a password nobody can log in until an invitation was taken.
        """
        hashed = None if password is None else self._passwords.hash(password)
        return self.database.write(lambda c: members.add_instructor(c, login, name, hashed, by))

    def import_roster(self, csv_text: str, dry_run: bool = False, by: Member | None = None) -> RosterReport:
        """All lines of the roster, or none where one will not do. Importing again updates, and invites nobody twice."""
        if dry_run:
            with self.database.read() as c:
                return members.import_roster(c, csv_text, True, by)
        return self.database.write(lambda c: members.import_roster(c, csv_text, False, by))

    def invite(self, member: int, by: Member | None = None) -> str:
        """A new code for the member; an earlier one that was not used ends. For a member who has joined: a new password."""
        return self.database.write(lambda c: members.invite(c, member, by))

    def accept(self, code: str, password: str) -> Member:
        """The member whom the code invites, with this password from now on. NotFound for a code that is not one, or no more."""
        hashed = self._passwords.hash(password)
        return self.database.write(lambda c: members.accept(c, code, hashed))

    def invited(self, code: str) -> Member:
        """Whom the code invites, who does not join by being asked. NotFound for a code that is not one, or no more."""
        with self.database.read() as c:
            return members.invited(c, code)

    def members(self) -> list[Member]:
        """Instructors first, then students, each by name."""
        with self.database.read() as c:
            return members.everybody(c)

    def member(self, id: int) -> Member:
        with self.database.read() as c:
            return members.find(c, id)

    def progress(self) -> dict[int, tuple[int, str]]:
        """Of every student who saved: how many questions have an answer, and when the last was saved."""
        with self.database.read() as c:
            return scores.progress(c)

    def log_in(self, login: str, password: str) -> tuple[str, Member]:
        """A token and whose it is. Denied for a wrong pair; TooMany after ten wrong ones for this login in ten minutes.

        Takes 0.1 to 0.3 s of a core on purpose: not for an event loop.
        """
        return sessions.log_in(self.database, self._passwords, self._limits, login, password)

    def start_session(self, member: int) -> str:
        """A token for a member whose identity is known, as right after `accept`."""
        return self.database.write(lambda c: sessions.start(c, member))

    def log_out(self, token: str) -> None:
        self.database.write(lambda c: sessions.end(c, token))

    def member_of(self, token: str) -> Member | None:
        """Whose session this is; None for an unknown or expired token."""
        with self.database.read() as c:
            return sessions.member_of(c, token)

    # what is asked, and what counts

    def publish(self, document: dict[str, Any], by: Member | None = None) -> None:
        """Serve the assignment of a frozen key document, graded by its key. The same document again changes nothing.

        Raises Refused for a document that is not frozen or not whole; Conflict for another one once there are answers.
        """
        self.database.write(lambda c: release.publish(c, document, by))

    def assignment(self) -> Assignment:
        """What is served; NotFound before anything is published."""
        with self.database.read() as c:
            return release.served(c, release.settings(c).assignment)

    def key(self, version: int | None = None) -> Key:
        """That version of the key, or the one that counts now."""
        with self.database.read() as c:
            return release.key(c, version)

    def key_document(self, version: int | None = None) -> dict[str, Any]:
        """For instructors only: the key with its evidence and the votes on it."""
        with self.database.read() as c:
            return release.key_document(c, version)

    def versions(self) -> list[Version]:
        with self.database.read() as c:
            return release.versions(c)

    def review(
        self, version: int, question: str, option: str | None, vote: Vote, reason: str, by: Member | None = None
    ) -> dict[str, Any]:
        """The key document with this vote added."""
        return self.database.write(lambda c: release.vote(c, version, question, option, vote, reason, by))

    def state(self) -> CourseState:
        with self.database.read() as c:
            return release.state(c)

    def set_state(
        self,
        state: Phase,
        closes_at: str | None = None,
        feedback: Feedback | None = None,
        interval: int | None = None,
        by: Member | None = None,
    ) -> CourseState:
        """The state from now on. Without `closes_at` there is no closing time; feedback and interval stay as they were."""
        return self.database.write(lambda c: release.set_state(c, state, closes_at, feedback, interval, by))

    # answers

    def save(
        self, member: int, question: str, selected: Sequence[str], operation: str, base: int | None, assignment_hash: str
    ) -> Saved:
        """The answer, committed. The same operation again gives the same Saved and stores nothing.

        `base` is the sequence of the answer that the student saw (0 or None: none). Raises Closed, Conflict (another
        assignment, or an operation that was another answer), NotFound, Refused, TooMany, Unavailable.
        """
        return self.saving(member, question, selected, operation, base, assignment_hash).result()

    def saving(
        self, member: int, question: str, selected: Sequence[str], operation: str, base: int | None, assignment_hash: str
    ) -> Future[Saved]:
        """`save` for an event loop: `await asyncio.wrap_future(course.saving(...))` holds no thread while it waits."""
        try:
            self._limits.save(member)
        except TooMany as error:
            refused: Future[Saved] = Future()
            refused.set_exception(error)
            return refused
        return self.database.writing(lambda c: answers.save(c, member, question, selected, operation, base, assignment_hash))

    def answers(self, member: int) -> dict[str, Saved]:
        """The answers that count, by question; one that was cleared has nothing selected."""
        with self.database.read() as c:
            return answers.current(c, member)

    def history(self, member: int) -> list[Saved]:
        """Everything that the student ever saved, oldest first."""
        with self.database.read() as c:
            return answers.history(c, member)

    def check_receipt(self, text: str) -> dict[str, Any] | None:
        """`member, login, name, question, selected, sequence, at` of the receipt's answer; None where there is none."""
        with self.database.read() as c:
            return answers.check_receipt(c, text)

    # scores

    def scores(self, version: int | None = None) -> list[Score]:
        """Every student's points by name, under that key version or the one that counts now."""
        with self.database.read() as c:
            return scores.scores(c, version)

    def feedback(self, member: int) -> Grades | None:
        """The student's points as far as the policy shows them now, else None."""
        with self.database.read() as c:
            return scores.feedback(c, member)

    def recompute(self) -> list[str]:
        """Compute every stored score again from answers and key version; what differs, one sentence each. Empty is well."""
        with self.database.read() as c:
            return scores.recompute(c)

    def preview(self, changes: Changes, policy: Policy, reason: str) -> Regrade:
        """What `regrade` would do."""
        with self.database.read() as c:
            return regrade.preview(c, changes, policy, reason)

    def regrade(self, changes: Changes, policy: Policy, reason: str, by: Member | None = None) -> Regrade:
        """A new key version that counts from now on; scores under both versions are stored in the same transaction."""
        return self.database.write(lambda c: regrade.regrade(c, changes, policy, reason, by))

    def items(self) -> ItemAnalysis:
        """How the questions did, under the key that counts now."""
        with self.database.read() as c:
            return scores.items(c)

    # exports

    def export_gradescope(self) -> str:
        """CSV in the columns of a Gradescope export."""
        with self.database.read() as c:
            asked, _ = scores.graded_by(c)
            latest, saves = answers.everybodys(c)
            return exports.gradescope(asked, scores.scores(c), latest, saves)

    def export_json(self) -> dict[str, Any]:
        """Everything about the grades: assignment, key version, and of each student the answers and points."""
        with self.database.read() as c:
            asked, key = scores.graded_by(c)
            latest, _ = answers.everybodys(c)
            return exports.plain(asked, key.version, key.hash, stamp(), scores.scores(c), latest)

    def merge_canvas(self, csv_text: str, column: str | None = None, by: Member | None = None) -> tuple[str, CanvasReport]:
        """The uploaded Canvas gradebook with this assignment's totals, and who was matched. Identities are never guessed."""
        with self.database.read() as c:
            asked, _ = scores.graded_by(c)
            title = column or asked.title.get("en") or asked.id
            merged, report = exports.merge_canvas(csv_text, title, asked.tenths, scores.scores(c))
        about = {"matched": report.matched, "ambiguous": len(report.ambiguous), "unmatched": len(report.unmatched)}
        self.database.write(lambda c: audit.record(c, by, "canvas", about))
        return merged, report

    def audit(self) -> list[AuditRow]:
        """Every instructor's act, newest first."""
        with self.database.read() as c:
            return audit.rows(c)
