"""Who is logged in. A session lives in the database, so that it can be ended there, and outlives a restart of the server."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pellucid.course.roster import normal
from pellucid.course.storage.database import Database
from pellucid.course.storage.limits import Limits
from pellucid.course.storage.members import ASKED, find, with_password
from pellucid.course.storage.passwords import Passwords, new_token, token_hash
from pellucid.course.storage.tables import member, session
from pellucid.course.values import Denied, Member, plain, stamp

LASTS = timedelta(days=30)
OF_TOKEN = (
    sa.select(*ASKED)
    .join(session, session.c.member == member.c.id)
    .where(session.c.token == sa.bindparam("token"), session.c.expires > sa.bindparam("now"))
)
"""Put together once: every request asks it."""


def log_in(database: Database, passwords: Passwords, limits: Limits, login: str, password: str) -> tuple[str, Member]:
    """A token and its member, as `Course.log_in` says."""
    login = normal(plain(login, "the login"))
    plain(password, "the password")
    limits.log_in(login)
    with database.read() as connection:
        found, hashed = with_password(connection, login)
    if not passwords.verify(hashed, password) or found is None or hashed is None:
        raise Denied("login or password is wrong")
    limits.logged_in(login)
    again = passwords.hash(password) if passwords.outdated(hashed) else None

    def job(connection: sa.Connection) -> str:
        if again is not None:
            mine = (member.c.id == found.id) & (member.c.password == hashed)
            connection.execute(sa.update(member).where(mine).values(password=again))
        return start(connection, found.id)

    return database.write(job), found


def start(connection: sa.Connection, id: int) -> str:
    """A new token for the member, whose expired sessions go."""
    find(connection, id)
    now, token = datetime.now(UTC), new_token()
    old = (session.c.member == id) & (session.c.expires <= stamp(now))
    connection.execute(sa.delete(session).where(old))
    values = {"token": token_hash(token), "member": id, "at": stamp(now), "expires": stamp(now + LASTS)}
    connection.execute(sa.insert(session).values(**values))
    return token


def end(connection: sa.Connection, token: str) -> None:
    connection.execute(sa.delete(session).where(session.c.token == token_hash(token)))


def member_of(connection: sa.Connection, token: str) -> Member | None:
    """Whose session this is, if it has not expired."""
    row = connection.execute(OF_TOKEN, {"token": token_hash(token), "now": stamp()}).first()
    return None if row is None else Member(*row)
