"""The course's memory: members, answers, key versions, scores. `Course` is all that servers and shells need of it.

Methods block until their transaction is committed, and may be called from any thread.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, final

from pellucid.course.assignment import Assignment, Key
from pellucid.course.exports import CanvasReport
from pellucid.course.items import ItemAnalysis
from pellucid.course.storage.database import Database
from pellucid.course.storage.values import (
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
)

__all__ = [
    "AuditRow", "CanvasReport", "Change", "Changes", "Closed", "Conflict", "Course", "CourseError", "CourseState", "Database",
    "Denied", "Feedback", "Grades", "Invitation", "ItemAnalysis", "Member", "NotFound", "Phase", "Policy", "Problem", "Refused",
    "Regrade", "Role", "RosterReport", "Saved", "Score", "Superseded", "TooMany", "Unavailable", "Version", "Vote",
]  # fmt: skip


@final
class Course:
    """Everything that happens in one course. `by` is the member who acts, None for the shell; every such act is audited."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, folder: str | Path, url: str | None = None) -> Self:
        """The course of this folder (its `course.db`), or of the database at `url`; made or migrated as needed."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish what is being written, and let go of the database."""
        raise NotImplementedError

    # members and sessions

    def add_instructor(self, login: str, name: str, password: str, by: Member | None = None) -> Member:
        """A new instructor; of an existing one, name and password are set anew. Refused for a student's login."""
        raise NotImplementedError

    def import_roster(self, csv_text: str, dry_run: bool = False, by: Member | None = None) -> RosterReport:
        """All lines of the roster, or none where one will not do. Importing again updates, and invites nobody twice."""
        raise NotImplementedError

    def invite(self, member: int, by: Member | None = None) -> str:
        """A new code for the member; an earlier one that was not used ends. For a member who has joined: a new password."""
        raise NotImplementedError

    def accept(self, code: str, password: str) -> Member:
        """The member whom the code invites, with this password from now on. NotFound for a code that is not, or no more, one."""
        raise NotImplementedError

    def members(self) -> list[Member]:
        """Instructors first, then students, each by name."""
        raise NotImplementedError

    def member(self, id: int) -> Member:
        raise NotImplementedError

    def progress(self) -> dict[int, tuple[int, str]]:
        """Of every student who saved: how many questions have an answer, and when the last was saved."""
        raise NotImplementedError

    def log_in(self, login: str, password: str) -> tuple[str, Member]:
        """A token and whose it is. Denied for a wrong pair; TooMany after ten wrong ones for this login in ten minutes.

        Takes about a tenth of a second of a core on purpose: not for an event loop.
        """
        raise NotImplementedError

    def start_session(self, member: int) -> str:
        """A token for a member whose identity is known, as right after `accept`."""
        raise NotImplementedError

    def log_out(self, token: str) -> None:
        raise NotImplementedError

    def member_of(self, token: str) -> Member | None:
        """Whose session this is; None for an unknown or expired token."""
        raise NotImplementedError

    # what is asked, and what counts

    def publish(self, document: dict[str, Any], by: Member | None = None) -> None:
        """Serve the assignment of a frozen key document, graded by its key. The same document again changes nothing.

        Raises Refused for a document that is not frozen or not whole; Conflict for another one once there are answers.
        """
        raise NotImplementedError

    def assignment(self) -> Assignment:
        """What is served; NotFound before anything is published."""
        raise NotImplementedError

    def key(self, version: int | None = None) -> Key:
        """That version of the key, or the one that counts now."""
        raise NotImplementedError

    def key_document(self, version: int | None = None) -> dict[str, Any]:
        """For instructors only: the key with its evidence and the votes on it."""
        raise NotImplementedError

    def versions(self) -> list[Version]:
        raise NotImplementedError

    def review(
        self, version: int, question: str, option: str | None, vote: Vote, reason: str, by: Member | None = None
    ) -> dict[str, Any]:
        """The key document with this vote added."""
        raise NotImplementedError

    def state(self) -> CourseState:
        raise NotImplementedError

    def set_state(
        self,
        state: Phase,
        closes_at: str | None = None,
        feedback: Feedback | None = None,
        interval: int | None = None,
        by: Member | None = None,
    ) -> CourseState:
        """The state from now on. Without `closes_at` there is no closing time; feedback and interval stay as they were."""
        raise NotImplementedError

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
        raise NotImplementedError

    def answers(self, member: int) -> dict[str, Saved]:
        """The answers that count, by question; one that was cleared has nothing selected."""
        raise NotImplementedError

    def history(self, member: int) -> list[Saved]:
        """Everything that the student ever saved, oldest first."""
        raise NotImplementedError

    def check_receipt(self, text: str) -> dict[str, Any] | None:
        """`member, login, name, question, selected, sequence, at` of the answer that the receipt is for; None if it is for none."""
        raise NotImplementedError

    # scores

    def scores(self, version: int | None = None) -> list[Score]:
        """Every student's points by name, under that key version or the one that counts now."""
        raise NotImplementedError

    def feedback(self, member: int) -> Grades | None:
        """The student's points as far as the policy shows them now, else None."""
        raise NotImplementedError

    def recompute(self) -> list[str]:
        """Compute every stored score again from answers and key version; what differs, one sentence each. Empty is well."""
        raise NotImplementedError

    def preview(self, changes: Changes, policy: Policy, reason: str) -> Regrade:
        """What `regrade` would do."""
        raise NotImplementedError

    def regrade(self, changes: Changes, policy: Policy, reason: str, by: Member | None = None) -> Regrade:
        """A new key version that counts from now on; scores under both versions are stored in the same transaction."""
        raise NotImplementedError

    def items(self) -> ItemAnalysis:
        """How the questions did, under the key that counts now."""
        raise NotImplementedError

    # exports

    def export_gradescope(self) -> str:
        """CSV in the columns of a Gradescope export."""
        raise NotImplementedError

    def export_json(self) -> dict[str, Any]:
        """Everything about the grades: assignment, key version, and of each student the answers and points."""
        raise NotImplementedError

    def merge_canvas(self, csv_text: str, column: str | None = None, by: Member | None = None) -> tuple[str, CanvasReport]:
        """The uploaded Canvas gradebook with this assignment's totals, and who was matched. Identities are never guessed."""
        raise NotImplementedError

    def audit(self) -> list[AuditRow]:
        """Every instructor's act, newest first."""
        raise NotImplementedError
