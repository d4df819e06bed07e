"""What the storage hands out, and the errors it raises: plain values without a database behind them.

Times are UTC in ISO form with milliseconds and `Z`: texts of one width, which sort as they do. Points are integer tenths.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, final
from unicodedata import category

from pellucid.course.assignment import Key

Role = Literal["student", "instructor"]
Phase = Literal["draft", "open", "closed"]
Feedback = Literal["none", "total", "question", "after_close"]
Policy = Literal["replace", "either"]
Vote = Literal["agree", "disagree", "override"]
Changes = Mapping[str, Mapping[str, Any]]
"""By question: `accepted` (lists of option ids), `disregard` (option ids), `full` (bool). What is left out stays as it was."""


class CourseError(ValueError):
    """What the course refuses; the text can be shown to whoever asked."""


class NotFound(CourseError):
    """There is no such member, question, version or code."""


class Refused(CourseError):
    """What was given will not do."""


class Denied(CourseError):
    """Login and password are not those of a member."""


class Conflict(CourseError):
    """What is asked does not fit what is stored. `hash` is that of the served assignment where an answer was to another one."""

    def __init__(self, message: str, hash: str | None = None) -> None:
        super().__init__(message)
        self.hash = hash


class Closed(CourseError):
    """No answers are taken: the course is `state` ("draft" or "closed")."""

    def __init__(self, message: str, state: Phase) -> None:
        super().__init__(message)
        self.state: Phase = state


class TooMany(CourseError):
    """Too often for one account; `retry_after` in whole seconds, at least 1."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(CourseError):
    """The database could not write (full disk, lost connection, closed). Nothing was acknowledged; to try again is safe."""


@final
@dataclass(frozen=True)
class Member:
    id: int
    login: str
    name: str
    student_id: str
    email: str
    section: str
    role: Role
    joined: str | None
    """When a password was set; None as long as the invitation is open."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
@dataclass(frozen=True)
class Problem:
    """One line of a roster that will not do. Lines count from 1, the header's."""

    line: int
    message: str


@final
@dataclass(frozen=True)
class Invitation:
    name: str
    login: str
    code: str
    """Shown once: only its hash is kept."""


@final
@dataclass(frozen=True)
class RosterReport:
    """What an import did, or would do. With problems nothing was imported."""

    added: int
    updated: int
    unchanged: int
    problems: tuple[Problem, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    """Of the added; empty on a dry run."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
@dataclass(frozen=True)
class CourseState:
    state: Phase
    """As it is now: a course whose closing time has passed is closed."""
    closes_at: str | None
    feedback: Feedback
    interval: int
    """Minutes within which feedback on an open course stays the same."""
    id: str | None
    """Of the assignment; None as long as nothing is published."""
    title: Mapping[str, str]
    assignment_hash: str | None
    key_version: int | None
    tenths: int
    """What all questions are worth together."""


@final
@dataclass(frozen=True)
class Superseded:
    """The answer that a save replaced without having seen it, as from a second tab."""

    selected: tuple[str, ...]
    sequence: int
    at: str


@final
@dataclass(frozen=True)
class Saved:
    """An answer that is committed."""

    question: str
    selected: tuple[str, ...]
    """Option ids, sorted; empty when the answer was cleared."""
    sequence: int
    """The server's order; later is larger."""
    at: str
    receipt: str
    operation: str
    superseded: Superseded | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
@dataclass(frozen=True)
class Score:
    """One student's points under one key version."""

    member: Member
    tenths: Mapping[str, int]
    """By question, every question of the assignment."""
    total: int
    answered: int
    """Questions with something chosen."""
    last_at: str | None
    """When the student last saved."""


@final
@dataclass(frozen=True)
class Grades:
    """What a student may see of the points now."""

    total: int
    of: int
    questions: Mapping[str, int] | None
    """Tenths by question, where the policy shows them."""
    as_of: str
    """The answers are those of this moment: on an open course, when the current interval began."""


@final
@dataclass(frozen=True)
class Version:
    """One line of the key's history."""

    version: int
    parent: int | None
    reason: str
    policy: Policy | None
    state: str
    hash: str
    assignment: str
    at: str
    by: str


@final
@dataclass(frozen=True)
class Change:
    """One student's total in tenths, before and after a regrade."""

    member: Member
    before: int
    after: int


@final
@dataclass(frozen=True)
class Regrade:
    """What a new key version does, or would do, to the students who answered."""

    rise: tuple[Change, ...]
    fall: tuple[Change, ...]
    unchanged: int
    mean_before: float
    """Tenths, over the students with an answer; 0.0 where there are none."""
    mean_after: float
    key: Key
    version: int | None = None
    """The new version; None in a preview."""

    def to_json(self) -> dict[str, Any]:
        def lines(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
            return [{"member": c.member.id, "name": c.member.name, "before": c.before, "after": c.after} for c in changes]

        return {
            "rise": lines(self.rise), "fall": lines(self.fall), "unchanged": self.unchanged,
            "mean_before": self.mean_before, "mean_after": self.mean_after, "version": self.version,
        }  # fmt: skip


@final
@dataclass(frozen=True)
class AuditRow:
    at: str
    by: str
    """A login, or "shell"."""
    act: str
    about: Mapping[str, Any]


def stamp(moment: datetime | None = None) -> str:
    """The moment (now, if none is given) as the storage writes times."""
    moment = datetime.now(UTC) if moment is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The moment that an ISO text names; Refused for anything else, and for a time without its hour or its offset from UTC."""
    try:
        found = datetime.fromisoformat(text.strip())
        if len(text.upper().replace("T", " ").split()) < 2:  # a day alone, whose first moment nobody means
            raise ValueError
    except ValueError:
        raise Refused(f"{text!r} is no time; write it as 2026-12-24T18:00+08:00") from None
    if found.tzinfo is None:
        raise Refused(f"{text!r} does not say in which zone; add an offset, as in {text.strip()}+08:00, or Z for UTC")
    return found.astimezone(UTC)


def plain(text: str, what: str, longest: int = 2000) -> str:
    """The text itself; Refused where a database would not take it: control characters, half of a surrogate pair, too long."""
    if len(text) > longest:
        raise Refused(f"{what} has {len(text)} characters; at most {longest}")
    if any(category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
        raise Refused(f"{what} holds characters that are none to read: {text[:40]!r}")
    return text
