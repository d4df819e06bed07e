"""Who takes part: instructors, and students by roster and invitation."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pellucid.course import roster
from pellucid.course.roster import Entry, normal
from pellucid.course.storage import audit
from pellucid.course.storage.passwords import code_hash, new_code
from pellucid.course.storage.tables import invitation, member, session
from pellucid.course.values import Invitation, Member, NotFound, Problem, Refused, RosterReport, plain, stamp

ASKED = [member.c[name] for name in ("id", "login", "name", "student_id", "email", "section", "role", "joined")]
FIELDS = ("name", "student_id", "email", "section")


def everybody(connection: sa.Connection) -> list[Member]:
    """Instructors first, then students, each by name."""
    found = [Member(*row) for row in connection.execute(sa.select(*ASKED)).all()]
    return sorted(found, key=lambda one: (one.role != "instructor", one.name.casefold(), one.login))


def find(connection: sa.Connection, id: int) -> Member:
    row = connection.execute(sa.select(*ASKED).where(member.c.id == id)).first() if 0 < id < 2**63 else None
    if row is None:
        raise NotFound(f"no member has the number {id}")
    return Member(*row)


def with_password(connection: sa.Connection, login: str) -> tuple[Member | None, str | None]:
    """Who has this login, and what is kept of the password."""
    row = connection.execute(sa.select(*ASKED, member.c.password).where(member.c.login == normal(login))).first()
    return (None, None) if row is None else (Member(*list(row)[:-1]), row.password)


def add_instructor(connection: sa.Connection, login: str, name: str, password: str | None, by: Member | None) -> Member:
    """`password` is the hash; without one, an invitation sets it."""
    login, name = normal(plain(login, "the login")), " ".join(plain(name, "the name").split())
    if not login or not name:
        raise Refused(f"an instructor needs a login and a name; given were {login!r} and {name!r}")
    found, _ = with_password(connection, login)
    values: dict[str, Any] = {"name": name, "password": password, "joined": stamp() if password else None}
    if found is None:
        empty = {"student_id": "", "email": "", "section": ""}
        insert = sa.insert(member).values(login=login, role="instructor", **empty, **values)
        id = connection.execute(insert.returning(member.c.id)).scalar_one()
    elif found.role == "instructor":
        id = found.id
        connection.execute(sa.update(member).where(member.c.id == id).values(**values))
        connection.execute(sa.delete(session).where(session.c.member == id))
    else:
        raise Refused(f"{login!r} is the login of a student, {found.name}; give another one")
    audit.record(connection, by, "instructor", {"login": login, "name": name})
    return find(connection, id)


def import_roster(connection: sa.Connection, text: str, dry_run: bool, by: Member | None) -> RosterReport:
    """Plan the import, and carry it out unless it is a dry run or there are problems."""
    entries, wrong = roster.read(text)
    added, changed, unchanged, more = _plan(entries, everybody(connection))
    problems = tuple(Problem(line, message) for line, message in sorted([*wrong, *more]))
    if problems:
        return RosterReport(0, 0, 0, problems)
    if dry_run:
        return RosterReport(len(added), len(changed), unchanged)
    invitations: list[Invitation] = []
    for entry in added:
        values = {field: getattr(entry, field) for field in FIELDS}
        insert = sa.insert(member).values(login=entry.login, role="student", **values)
        id = connection.execute(insert.returning(member.c.id)).scalar_one()
        invitations.append(Invitation(entry.name, entry.login, _invite(connection, id)))
    # subtle: two students may have swapped logins, and no two rows may have the same one in between; none begins with a blank
    renamed = [(id, values["login"]) for id, values in changed.items() if "login" in values]
    for id, _ in renamed:
        connection.execute(sa.update(member).where(member.c.id == id).values(login=f" {id}"))
    for id, values in changed.items():
        connection.execute(sa.update(member).where(member.c.id == id).values(**values))
    about = {"added": len(added), "updated": len(changed), "unchanged": unchanged}
    audit.record(connection, by, "roster", about)
    return RosterReport(len(added), len(changed), unchanged, (), tuple(invitations))


def invite(connection: sa.Connection, id: int, by: Member | None) -> str:
    found = find(connection, id)
    audit.record(connection, by, "invitation", {"login": found.login})
    return _invite(connection, id)


def accept(connection: sa.Connection, code: str, password: str) -> Member:
    """`password` is the hash. Every session that the member had ends."""
    id, now = invited(connection, code).id, stamp()
    connection.execute(sa.update(invitation).where(invitation.c.code == code_hash(code)).values(ended=now))
    connection.execute(sa.delete(session).where(session.c.member == id))
    values = {"password": password, "joined": sa.func.coalesce(member.c.joined, now)}
    connection.execute(sa.update(member).where(member.c.id == id).values(**values))
    return find(connection, id)


def invited(connection: sa.Connection, code: str) -> Member:
    """Whom the code invites; NotFound for one that is none, or no more."""
    row = connection.execute(sa.select(invitation).where(invitation.c.code == code_hash(code))).first()
    if row is None or row.ended is not None:
        raise NotFound("this invitation code is not valid, or was used already; ask for a new one")
    return find(connection, row.member)


def _invite(connection: sa.Connection, id: int) -> str:
    open_ones = (invitation.c.member == id) & invitation.c.ended.is_(None)
    connection.execute(sa.update(invitation).where(open_ones).values(ended=stamp()))
    code = new_code()
    connection.execute(sa.insert(invitation).values(code=code_hash(code), member=id, at=stamp()))
    return code


def _plan(
    entries: Sequence[Entry], members: Sequence[Member]
) -> tuple[list[Entry], Mapping[int, dict[str, str]], int, list[tuple[int, str]]]:
    """Who is new, what changes of whom, how many stay as they are, and where a line fits nobody or too many."""
    known = {
        (field, normal(getattr(one, field))): one for field in ("login", "student_id", "email") for one in members
    }  # fmt: skip
    added: list[Entry] = []
    changed: dict[int, dict[str, str]] = {}
    unchanged, problems = 0, list[tuple[int, str]]()
    taken: dict[int, int] = {}
    for entry in entries:
        asked = {field: normal(getattr(entry, field)) for field in ("login", "student_id", "email")}
        found = {one.id: one for pair in asked.items() if pair[1] and (one := known.get(pair)) is not None}
        if len(found) > 1:
            names = " and ".join(f"{one.name} ({one.login})" for one in found.values())
            problems.append((entry.line, f"login, student id and e-mail address belong to different members: {names}"))
            continue
        one = next(iter(found.values()), None)
        if one is None:
            added.append(entry)
            continue
        if one.role == "instructor":
            problems.append((entry.line, f"{one.login!r} is an instructor, {one.name}"))
            continue
        if (earlier := taken.setdefault(one.id, entry.line)) != entry.line:
            problems.append((entry.line, f"the same student as on line {earlier}: {one.name} ({one.login})"))
            continue
        # what a list does not say of somebody, it does not take away
        values = {field: new for field in FIELDS if (new := getattr(entry, field)) and new != getattr(one, field)}
        if entry.named and entry.login != one.login:
            values["login"] = entry.login
        unchanged += not values
        if values:
            changed[one.id] = values
    return added, changed, unchanged, problems
