"""Who did what to the course: one row an act, written in the transaction of the act itself."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pellucid.course.storage.tables import audit
from pellucid.course.values import AuditRow, Member, stamp

SHELL = "shell"


def actor(by: Member | None) -> str:
    """What is written for who acts: a login, or "shell"."""
    return SHELL if by is None else by.login


def record(connection: sa.Connection, by: Member | None, act: str, about: Mapping[str, Any]) -> None:
    """Never give it a password, a code or a token."""
    connection.execute(
        sa.insert(audit).values(at=stamp(), by=actor(by), act=act, about=json.dumps(about, ensure_ascii=False))
    )  # fmt: skip


def rows(connection: sa.Connection) -> list[AuditRow]:
    """Newest first."""
    found = connection.execute(sa.select(audit).order_by(audit.c.id.desc()))
    return [AuditRow(row.at, row.by, row.act, json.loads(row.about)) for row in found]
