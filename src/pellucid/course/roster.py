"""A class list as universities export it: CSV with whatever names its columns have."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

NAMES = {
    "name": "name fullname studentname student 姓名",
    "first": "firstname first givenname 名",
    "last": "lastname last surname familyname 姓",
    "email": "email emailaddress mail studentemail 電子郵件 電子信箱 電子郵件地址 信箱",
    "student_id": "studentid sid studentno studentnumber sisuserid matriculationnumber 學號",
    "section": "section sections class group 班級 組別",
    "login": "login username loginid sisloginid user account 帳號",
}
FIELDS = {alias: field for field, aliases in NAMES.items() for alias in aliases.split()}
LONGEST = {"name": 400, "email": 320, "student_id": 200, "section": 200, "login": 200}
EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")


@final
@dataclass(frozen=True)
class Entry:
    """One student of a class list."""

    line: int
    name: str
    student_id: str
    email: str
    section: str
    login: str
    """As `normal` writes it: the login column, else the e-mail address, else the student id."""
    named: bool
    """Whether the list itself says the login."""


def read(text: str) -> tuple[list[Entry], list[tuple[int, str]]]:
    """The students in the list, and (line, what is wrong) of every line that will not do. Lines count from 1."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip(" \t,;\r\n")), None)
    if first is None:
        return [], [(1, "the list is empty; its first line names the columns, such as: name,email,student id,section")]
    delimiter = max(",;\t", key=lambda one: len(_columns(next(csv.reader([lines[first]], delimiter=one), []))))
    entries: list[Entry] = []
    problems: list[tuple[int, str]] = []
    seen: dict[tuple[str, str], int] = {}
    reader = csv.reader(io.StringIO("".join(lines[first:]), newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader)
        columns = _columns(header)
        if wrong := _header_problem(header, columns):
            return [], [(first + 1, wrong)]
        start = first + reader.line_num + 1
        for cells in reader:
            line, start = start, first + reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if any(cell.strip() for cell in cells[len(header) :]):
                problems.append((line, f"{len(cells)} cells, but the first line names {len(header)} columns"))
                continue
            values = {field: _clean(cells[i]) if i < len(cells) else "" for field, i in columns.items()}
            entry, wrong = _entry(line, values)
            for field in ("student_id", "email", "login"):
                value = normal(getattr(entry, field))
                if value and (earlier := seen.setdefault((field, value), line)) != line:
                    wrong.append(f"{field.replace('_', ' ')} {value!r} is already on line {earlier}")
                    break  # who is twice in the list shares the others too
            problems += [(line, one) for one in wrong]
            entries += [] if wrong else [entry]
    except csv.Error as error:
        problems.append((first + reader.line_num, f"no CSV: {error}"))
    if not entries and not problems:
        problems.append((first + 1, "the list names columns, but no student"))
    return entries, problems


def normal(text: str) -> str:
    """How logins, ids and addresses are compared: without regard to case, width and surrounding blanks."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Where each known field stands; the first of two columns that mean the same by different names."""
    keys = _keys(header)
    found: dict[str, int] = {}
    for i, key in enumerate(keys):
        if key in FIELDS:
            found.setdefault(FIELDS[key], i)
    # subtle: a column "ID" is a student id only where none says so itself; in Canvas's exports it is Canvas's own number
    if "id" in keys and "student_id" not in found:
        found["student_id"] = keys.index("id")
    return found


def _keys(header: Sequence[str]) -> list[str]:
    return [re.sub(r"[\W_]+", "", normal(cell)) for cell in header]


def _header_problem(header: Sequence[str], columns: dict[str, int]) -> str | None:
    named = ", ".join(repr(cell) for cell in header)
    keys = _keys(header)
    for i in columns.values():
        if keys.count(keys[i]) > 1:
            return f"{keys.count(keys[i])} columns are called {header[i]!r}; take out or rename all but the one that counts"
    if "name" not in columns and not {"first", "last"} & set(columns):
        return f"no column for names; it has {named}. Call one 'name', or two 'first name' and 'last name'"
    if not {"login", "email", "student_id"} & set(columns):
        return f"no column that tells students apart; it has {named}. Call one 'login', 'email' or 'student id'"
    return None


def _clean(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).split())


def _entry(line: int, values: dict[str, Any]) -> tuple[Entry, list[str]]:
    name = values.get("name") or f"{values.get('first', '')} {values.get('last', '')}".strip()
    email, student_id = values.get("email", ""), values.get("student_id", "")
    login = normal(values.get("login", "") or email or student_id)
    entry = Entry(line, name, student_id, email, values.get("section", ""), login, bool(values.get("login")))
    wrong: list[str] = []
    if not name:
        wrong.append("no name")
    if not login:
        wrong.append("no login, e-mail address or student id")
    if email and not EMAIL.fullmatch(email):
        wrong.append(f"{email!r} is no e-mail address")
    for field, longest in LONGEST.items():
        value = getattr(entry, field)
        if len(value) > longest:
            wrong.append(f"{field.replace('_', ' ')} has {len(value)} characters; at most {longest}")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            wrong.append(f"{field.replace('_', ' ')} holds control characters")
    return entry, wrong
