"""The tables. `answer`, `score`, `review` and `audit` only grow; nothing in them is ever changed.

Times and documents are texts, so that a row means the same on every engine. Migrations repeat these definitions as they were at
each release; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

Row = Any
"""A row of a result, whose columns are its attributes. SQLAlchemy's own type says no more and breaks run-time checks."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

Counter = BigInteger().with_variant(Integer, "sqlite")
"""Numbers that the database hands out; SQLite does so only for a column of its own type INTEGER."""

course = Table(
    "course", metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", String(64), nullable=False),  # hex; signs receipts
    Column("state", String(8), nullable=False),
    Column("closes_at", String(24)),
    Column("feedback", String(16), nullable=False),
    Column("interval", Integer, nullable=False),  # minutes
    Column("assignment", String(64), ForeignKey("assignment.hash")),
    Column("key_version", Integer, ForeignKey("key_version.version")),
    CheckConstraint("id = 1", name="only_one"),
    CheckConstraint("state in ('draft', 'open', 'closed')", name="state"),
)  # fmt: skip

member = Table(
    "member", metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("login", String(200), nullable=False),
    Column("name", String(400), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("email", String(320), nullable=False),
    Column("section", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password", String(200)),  # argon2, with its salt and parameters
    Column("joined", String(24)),
    UniqueConstraint("login"),
    CheckConstraint("role in ('student', 'instructor')", name="role"),
    sqlite_autoincrement=True,
)  # fmt: skip

invitation = Table(
    "invitation", metadata,
    Column("code", String(64), primary_key=True),  # SHA-256 of what is printed
    Column("member", Counter, ForeignKey("member.id"), nullable=False),
    Column("at", String(24), nullable=False),
    Column("ended", String(24)),  # used, or replaced by a newer one
    Index(None, "member"),
)  # fmt: skip

session = Table(
    "session", metadata,
    Column("token", String(64), primary_key=True),  # SHA-256 of what the cookie holds
    Column("member", Counter, ForeignKey("member.id"), nullable=False),
    Column("at", String(24), nullable=False),
    Column("expires", String(24), nullable=False),
    Index(None, "member"),
)  # fmt: skip

assignment = Table(
    "assignment", metadata,
    Column("hash", String(64), primary_key=True),
    Column("document", Text, nullable=False),
    Column("at", String(24), nullable=False),
)  # fmt: skip

evidence = Table(
    "evidence", metadata,
    Column("hash", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)  # fmt: skip

key_version = Table(
    "key_version", metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer, ForeignKey("key_version.version")),
    Column("reason", Text, nullable=False),
    Column("policy", String(16)),
    Column("hash", String(64), nullable=False),
    Column("assignment", String(64), ForeignKey("assignment.hash"), nullable=False),
    Column("evidence", String(64), ForeignKey("evidence.hash"), nullable=False),
    Column("key", Text, nullable=False),
    Column("review", Text, nullable=False),  # the votes before it was published
    Column("at", String(24), nullable=False),
    Column("by", String(200), nullable=False),
)  # fmt: skip

review = Table(
    "review", metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("version", Integer, ForeignKey("key_version.version"), nullable=False),
    Column("question", String(200), nullable=False),
    Column("option", String(200)),
    Column("vote", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", String(24), nullable=False),
    Column("by", String(200), nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip

answer = Table(
    "answer", metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("member", Counter, ForeignKey("member.id"), nullable=False),
    Column("question", String(200), nullable=False),
    Column("selected", Text, nullable=False),  # JSON: sorted ids
    Column("operation", String(64), nullable=False),
    Column("superseded", Counter),  # the sequence of the answer that was replaced unseen
    Column("assignment", String(64), ForeignKey("assignment.hash"), nullable=False),
    Column("at", String(24), nullable=False),
    UniqueConstraint("member", "operation"),
    Index("ix_answer_latest", "member", "question", "sequence"),
    sqlite_autoincrement=True,
)  # fmt: skip

score = Table(
    "score", metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("version", Integer, ForeignKey("key_version.version"), nullable=False),
    Column("member", Counter, ForeignKey("member.id"), nullable=False),
    Column("through", Counter, nullable=False),  # the last sequence that was counted
    Column("tenths", Text, nullable=False),  # JSON, by question
    Column("total", Integer, nullable=False),
    Column("at", String(24), nullable=False),
    Index(None, "version"),
    sqlite_autoincrement=True,
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("at", String(24), nullable=False),
    Column("by", String(200), nullable=False),
    Column("act", String(32), nullable=False),
    Column("about", Text, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip
