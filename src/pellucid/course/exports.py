"""Grades for the systems that a university has: Gradescope's columns, Canvas's gradebook, and plain JSON."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from pellucid.course.assignment import Assignment
from pellucid.course.roster import normal
from pellucid.course.values import Refused, Saved, Score

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""
HARMLESS = re.compile(r"[+-]|[+-]?[.,]?\d[\d.,]*(e[+-]?\d+)?%?", re.IGNORECASE)
"""A number, or a sign alone, as some write for nothing."""
IDENTITIES = {"sisuserid": "student_id", "sisloginid": "login"}
"""Canvas's columns that identify a student, and what they hold of ours; its own ID is unknown here, and names prove nothing."""


@final
@dataclass(frozen=True)
class CanvasReport:
    """Who of the gradebook was matched; nobody is ever matched by name."""

    matched: int
    ambiguous: tuple[str, ...]
    """One sentence for each line or member that more than one fits."""
    unmatched: tuple[str, ...]
    """One sentence for each line without a member, and for each student who is not in the gradebook."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def decimal(tenths: int) -> str:
    """`3` as 0.3 and `100` as 10.0, without the detour over binary fractions."""
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"


def harmless(cell: str) -> str:
    """The cell behind an apostrophe where a spreadsheet would run it as a formula; -1.5 is none, nor is a - alone."""
    return f"'{cell}" if cell.startswith(FORMULA) and not HARMLESS.fullmatch(cell) else cell


def gradescope(
    assignment: Assignment, scores: Sequence[Score], latest: Mapping[int, Sequence[Saved]], saves: Mapping[int, int]
) -> str:
    """CSV in the columns of a Gradescope export. A student's answers that count are the submission.

    Its id is the last sequence, its count the number of saves; nothing is late, as a closed course takes none; views are not
    counted.
    """
    questions = assignment.questions
    header = [
        "First Name", "Last Name", "SID", "Email", "Sections", "Total Score", "Max Points", "Status", "Submission ID",
        "Submission Time", "Lateness (H:M:S)", "View Count", "Submission Count",
        *(f"{n}: {_title(q.prompt)} ({decimal(q.tenths)} pts)" for n, q in enumerate(questions, 1)),
    ]  # fmt: skip
    rows: list[list[str]] = []
    for score in scores:
        member, answers = score.member, latest.get(score.member.id, ())
        who = [*first_and_last(member.name), member.student_id, member.email, member.section]
        if answers:
            newest = max(answers, key=lambda one: one.sequence)
            when = newest.at.replace("T", " ").replace("Z", " +0000")
            result = [decimal(score.total), decimal(assignment.tenths), "Graded", str(newest.sequence), when, "00:00:00"]
            counts = ["0", str(saves.get(member.id, 0))]
            points = [decimal(score.tenths[q.id]) for q in questions]
        else:
            result, counts = ["", decimal(assignment.tenths), "Missing", "", "", ""], ["", ""]
            points = ["" for _ in questions]
        rows.append([*who, *result, *counts, *points])
    return _csv([header, *rows])


def first_and_last(name: str) -> tuple[str, str]:
    """`Ann O'Brien` and `O'Brien, Ann` as `Ann` and `O'Brien`; a single word is a first name."""
    before, comma, after = (part.strip() for part in name.partition(","))
    if comma and before and after:
        return after, before
    first, _, last = name.rpartition(" ")
    return (first, last) if first else (last, "")


def plain(
    assignment: Assignment, version: int, hash: str, at: str, scores: Sequence[Score], latest: Mapping[int, Sequence[Saved]]
) -> dict[str, Any]:
    """Everything about the grades as JSON, but nothing of the key."""
    return {
        "format": 1, "at": at, "assignment": assignment.to_json(), "assignment_hash": assignment.hash, "key_version": version,
        "key_hash": hash, "of_tenths": assignment.tenths,
        "students": [
            {
                **score.member.to_json(), "total_tenths": score.total, "answered": score.answered, "last_at": score.last_at,
                "tenths": dict(score.tenths),
                "answers": {
                    one.question: {"selected": list(one.selected), "sequence": one.sequence, "at": one.at}
                    for one in latest.get(score.member.id, ())
                },
            }
            for score in scores
        ],
    }  # fmt: skip


def merge_canvas(text: str, column: str, tenths: int, scores: Sequence[Score]) -> tuple[str, CanvasReport]:
    """The gradebook with the totals in one assignment column, which is found by its name or added at the end.

    Lines are matched by SIS user id and SIS login id alone, whole and without regard to case; a line whose two ids lead to
    different students, or an id that two have, is ambiguous and left as it is. Everything else of the file stays: its columns,
    its order, what other lines hold. Of students who never answered the cell stays empty. Raises Refused for a file that is no
    gradebook.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise Refused(f"the gradebook is no CSV: {error}") from None
    while rows and not any(rows[-1]):
        rows.pop()
    if not rows:
        raise Refused("the gradebook is empty; export it from Canvas under Grades")
    header = rows[0]
    places = {IDENTITIES[key]: i for i, cell in enumerate(header) if (key := normal(cell).replace(" ", "")) in IDENTITIES}
    if normal(header[0]) != "student" or not places:
        raise Refused(
            "this is no Canvas gradebook: its first column is to be 'Student', and one is to be 'SIS User ID' or "
            f"'SIS Login ID'; it has {', '.join(repr(cell) for cell in header[:8])}"
        )
    place = _place(header, column)
    if place == len(header):
        header.append(column)
    known: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        for field in places:
            if value := normal(getattr(score.member, field)):
                known.setdefault((field, value), []).append(score)
    matched: dict[int, list[str]] = {}
    targets: list[tuple[list[str], Score, str]] = []
    ambiguous: list[str] = []
    unmatched: list[str] = []
    for number, row in enumerate(rows[1:], 2):
        row += [""] * (len(header) - len(row))
        if _is_note(row):
            if "pointspossible" in normal(row[0]).replace(" ", ""):
                row[place] = decimal(tenths)
            continue
        ids = {field: row[i] for field, i in places.items() if row[i].strip()}
        who = f"line {number}, {row[0]} ({', '.join(ids.values()) or 'no SIS id'})"
        found = {one.member.id: one for field, value in ids.items() for one in known.get((field, normal(value)), [])}
        if len(found) > 1:
            names = " and ".join(f"{one.member.name} ({one.member.login})" for one in found.values())
            ambiguous.append(f"{who}: fits {names}")
        elif not found:
            unmatched.append(f"{who}: no student has these ids")
        else:
            score = next(iter(found.values()))
            matched.setdefault(score.member.id, []).append(who)
            targets.append((row, score, who))
    for row, score, who in targets:
        if len(matched[score.member.id]) > 1:
            ambiguous.append(f"{who}: so is another line {score.member.name} ({score.member.login})")
        elif score.last_at is not None:
            row[place] = decimal(score.total)
    seen = set(matched)
    unmatched += [
        f"{one.member.name} ({one.member.login}): not in the gradebook" for one in scores if one.member.id not in seen
    ]  # fmt: skip
    done = sum(len(lines) == 1 for lines in matched.values())
    return _csv(rows), CanvasReport(done, tuple(ambiguous), tuple(unmatched))


def _place(header: Sequence[str], column: str) -> int:
    """Where the assignment's column is. Canvas exports `Title (12345)`; a second of the same title would be a guess."""
    found = [i for i, cell in enumerate(header) if cell == column]
    found = found or [i for i, cell in enumerate(header) if _without_number(cell) == _without_number(column)]
    if len(found) > 1:
        raise Refused(f"{len(found)} columns of the gradebook are called {column!r}; name one with its number in brackets")
    return found[0] if found else len(header)


def _without_number(cell: str) -> str:
    title, _, number = cell.strip().rpartition(" (")
    return title if title and number.endswith(")") and number[:-1].isdigit() else cell.strip()


def _is_note(row: Sequence[str]) -> bool:
    """Whether a line is not of a student: Canvas puts the points, and notes on posting, under the header."""
    first = normal(row[0]).replace(" ", "")
    return (not any(row[1:5]) and (not first or "pointspossible" in first)) or first == "student,test"


def _title(prompt: Mapping[str, str]) -> str:
    """The prompt's first line, in English where there is one."""
    text = prompt.get("en") or next(iter(prompt.values()), "")
    return " ".join(text.split())[:80]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()
