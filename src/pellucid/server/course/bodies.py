"""Every body and answer of the course. Points are integer tenths, times UTC in ISO form."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pellucid.server.bodies import Body, Number, Said

Role = Literal["student", "instructor"]
Phase = Literal["draft", "open", "closed"]
Feedback = Literal["none", "total", "question", "after_close"]
LINE = r"^[^\u0000-\u001f\u007f]*$"
"""Without control characters, of which a database refuses some."""
TEXT = r"^[^\u0000]*$"
Line = Annotated[str, Field(max_length=200, pattern=LINE)]
Secret = Annotated[str, Field(min_length=1, max_length=1000, pattern=TEXT)]
"""Bounded, since to check one takes work."""
Reason = Annotated[str, Field(max_length=4000, pattern=TEXT)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]
"""Of a question or an option."""
Table = Annotated[str, Field(max_length=1_000_000, pattern=TEXT)]
Texts = dict[str, str]
"""The same text by language."""

# ---------------------------------------------------------------------------------------------------------------- anyone


class Me(Said):
    id: int
    login: str
    name: str
    role: Role


class CourseAnswer(Said):
    id: str
    title: Texts
    languages: list[str]
    groups: dict[str, Texts]
    state: Phase = Field(description="As it is now: closed once `closes_at` has passed.")
    closes_at: str | None
    feedback: Feedback
    interval: int = Field(description="Minutes within which feedback on an open course stays the same.")
    now: str = Field(description="The server's clock.")
    total_tenths: int
    me: Me | None = Field(description="Null for a stranger.")


class LogInBody(Body):
    login: Line
    password: Secret


class CodeBody(Body):
    code: Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]


class InvitationBody(CodeBody):
    password: Secret


class InvitedAnswer(Said):
    login: str
    name: str
    password_least: int = Field(description="Characters that a password has at least.")


# --------------------------------------------------------------------------------------------------------------- students


class ShownOption(Said):
    id: str
    text: Texts


class ShownQuestion(Said):
    id: str
    number: int = Field(description="From 1.")
    group: str
    tenths: int
    points: str = Field(description="The same for people: 0.3.")
    prompt: Texts
    hint: Texts
    lab: str = Field(description="The query of the view that it is about; empty where there is none.")
    options: list[ShownOption] = Field(description="In an order of the student's own.")


class ShownQuestions(Said):
    hash: str = Field(description="Of what is asked; a save names it.")
    questions: list[ShownQuestion]


class KeptAnswer(Said):
    selected: list[str]
    sequence: int
    at: str
    receipt: str


class QuestionPoints(Said):
    tenths: int
    of: int


class FeedbackAnswer(Said):
    total_tenths: int
    of_tenths: int
    questions: dict[str, QuestionPoints] | None = Field(description="Null where the policy shows the total alone.")
    as_of: str = Field(description="The answers are those of this moment.")


class AnswersAnswer(Said):
    answers: dict[str, KeptAnswer] = Field(description="By question; the ones that count.")
    answered: int = Field(description="Questions with something chosen.")
    of: int
    feedback: FeedbackAnswer | None = Field(description="Null as long as the policy shows nothing.")


class SaveBody(Body):
    selected: Annotated[tuple[Id, ...], Field(max_length=100)] = Field(description="Option ids; none clears the answer.")
    operation: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.:-]{1,64}$")] = Field(
        description="Made anew for every change; the same one again is acknowledged again, and stored once."
    )
    base: int | None = Field(default=None, ge=0, lt=2**63, description="The sequence of the answer that was seen; 0: none.")
    hash: Annotated[str, Field(max_length=64, pattern=LINE)]
    member: int | None = Field(
        default=None, ge=1, lt=2**63, description="Whose answer it is: refused with 401 when the session is somebody else's."
    )


class ReplacedAnswer(Said):
    selected: list[str]
    sequence: int
    at: str


class SavedAnswer(KeptAnswer):
    superseded: ReplacedAnswer | None = Field(description="What was replaced without having been seen, as from another tab.")


class SaveRefused(Said):
    """Why an answer was not taken: the course's state, or the hash of what is asked now."""

    detail: str
    state: Phase | None = None
    hash: str | None = None


class HistoryEntry(KeptAnswer):
    question: str


class HistoryAnswer(Said):
    saves: list[HistoryEntry] = Field(description="Oldest first.")


# ------------------------------------------------------------------------------------------------------------ instructors


class MemberEntry(Said):
    id: int
    login: str
    name: str
    student_id: str
    email: str
    section: str
    role: Role
    joined: str | None = Field(description="Null as long as the invitation was not taken.")
    answered: int
    last_at: str | None


class MembersAnswer(Said):
    members: list[MemberEntry]


class TableBody(Body):
    csv: Table


class RosterProblem(Said):
    line: int = Field(description="From 1, the header's.")
    message: str


class InvitationEntry(Said):
    name: str
    login: str
    code: str = Field(description="Shown this once.")


class RosterAnswer(Said):
    added: int
    updated: int
    unchanged: int
    problems: list[RosterProblem] = Field(description="With any, nothing was imported.")
    invitations: list[InvitationEntry]


class CodeAnswer(Said):
    code: str = Field(description="Shown this once.")


class StateBody(Body):
    state: Phase
    closes_at: Annotated[str, Field(max_length=64, pattern=LINE)] | None = None
    feedback: Feedback | None = Field(default=None, description="Null: as it was.")
    interval: int | None = Field(default=None, ge=1, le=10_080, description="Minutes. Null: as it was.")


class KeyVersion(Said):
    version: int
    parent: int | None
    reason: str
    policy: str | None
    state: str
    hash: str
    assignment: str
    at: str
    by: str


class KeyVersions(Said):
    versions: list[KeyVersion]


class KeyDocument(Said):
    """A version of the key with its evidence and the votes on it."""

    model_config = ConfigDict(extra="allow")

    format: int
    state: str
    hash: str
    assignment: dict[str, Any]
    key: dict[str, Any]
    evidence: dict[str, Any]
    review: list[dict[str, Any]]


class ReviewBody(Body):
    question: Id
    option: Id | None = None
    vote: Literal["agree", "disagree", "override"]
    reason: Reason = ""


class ChangeBody(Body):
    """What changes in a question; what is left out stays as it was."""

    accepted: Annotated[tuple[Annotated[tuple[Id, ...], Field(max_length=100)], ...], Field(max_length=100)] | None = None
    disregard: Annotated[tuple[Id, ...], Field(max_length=100)] | None = None
    full: bool | None = None


class RegradeBody(Body):
    changes: Annotated[dict[Id, ChangeBody], Field(max_length=1000)]
    policy: Literal["replace", "either"] = Field(description="Whether the old selection still earns the points.")
    reason: Reason


class ScoreChange(Said):
    member: int
    name: str
    before: int
    after: int


class RegradeAnswer(Said):
    rise: list[ScoreChange]
    fall: list[ScoreChange]
    unchanged: int
    mean_before: Number
    mean_after: Number
    version: int | None = Field(description="The new version; null in a preview.")


class ScoreEntry(Said):
    member: int
    name: str
    login: str
    total: int
    answered: int
    last_at: str | None
    tenths: dict[str, int]


class ScoresAnswer(Said):
    version: int
    of_tenths: int
    scores: list[ScoreEntry]


Interval = tuple[Number, Number]


class OptionAnalysisEntry(Said):
    id: str
    correct: bool | None
    chosen: Number = Field(description="Share of those who answered the question; null of nobody.")
    by_third: tuple[Number, Number, Number] = Field(description="The same of the lower, middle and upper third by total.")
    top_interval: Interval
    disagrees: bool = Field(description="Most of the upper third sees it otherwise than the key; needs 30 answers.")


class QuestionAnalysisEntry(Said):
    id: str
    answered: int
    difficulty: Number = Field(description="Share of students who have the points.")
    difficulty_interval: Interval
    first_difficulty: Number = Field(description="The same of the answers on which they settled first.")
    item_rest: Number
    item_rest_interval: Interval | None
    upper: Number
    lower: Number
    discrimination: Number
    alpha_if_deleted: Number
    options: list[OptionAnalysisEntry]


class ItemsAnswer(Said):
    n: int
    few: bool
    mean: Number
    sd: Number
    kr20: Number
    alpha: Number
    alpha_interval: Interval | None
    questions: list[QuestionAnalysisEntry]
    disagreements: list[tuple[str, str]]


class ReceiptBody(Body):
    receipt: Line


class ReceiptAnswer(Said):
    valid: bool
    member: int | None = None
    login: str | None = None
    name: str | None = None
    question: str | None = None
    selected: list[str] | None = None
    sequence: int | None = None
    at: str | None = None


class AuditEntry(Said):
    at: str
    by: str
    act: str
    about: dict[str, Any]


class AuditAnswer(Said):
    rows: list[AuditEntry]


class CanvasBody(TableBody):
    column: Line | None = Field(default=None, description="The gradebook's column; null: this assignment's, or a new one.")


class CanvasAnswer(Said):
    csv: str
    matched: int
    ambiguous: list[str]
    unmatched: list[str]
