"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_assignment"),
    )
    op.create_table(
        "evidence",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_evidence"),
    )
    op.create_table(
        "key_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parent", sa.Integer()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(16)),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("assignment", sa.String(64), nullable=False),
        sa.Column("evidence", sa.String(64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_key_version"),
        sa.ForeignKeyConstraint(["parent"], ["key_version.version"], name="fk_key_version_parent"),
        sa.ForeignKeyConstraint(["assignment"], ["assignment.hash"], name="fk_key_version_assignment"),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.hash"], name="fk_key_version_evidence"),
    )
    op.create_table(
        "course",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("closes_at", sa.String(24)),
        sa.Column("feedback", sa.String(16), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("assignment", sa.String(64)),
        sa.Column("key_version", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_course"),
        sa.ForeignKeyConstraint(["assignment"], ["assignment.hash"], name="fk_course_assignment"),
        sa.ForeignKeyConstraint(["key_version"], ["key_version.version"], name="fk_course_key_version"),
        sa.CheckConstraint("id = 1", name=op.f("ck_course_only_one")),
        sa.CheckConstraint("state in ('draft', 'open', 'closed')", name=op.f("ck_course_state")),
    )
    op.create_table(
        "member",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("login", sa.String(200), nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("section", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.String(200)),
        sa.Column("joined", sa.String(24)),
        sa.PrimaryKeyConstraint("id", name="pk_member"),
        sa.UniqueConstraint("login", name="uq_member_login"),
        sa.CheckConstraint("role in ('student', 'instructor')", name=op.f("ck_member_role")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invitation",
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("member", counter, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("ended", sa.String(24)),
        sa.PrimaryKeyConstraint("code", name="pk_invitation"),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name="fk_invitation_member"),
    )
    op.create_index("ix_invitation_member", "invitation", ["member"])
    op.create_table(
        "session",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("member", counter, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("expires", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_session"),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name="fk_session_member"),
    )
    op.create_index("ix_session_member", "session", ["member"])
    op.create_table(
        "review",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("question", sa.String(200), nullable=False),
        sa.Column("option", sa.String(200)),
        sa.Column("vote", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        sa.ForeignKeyConstraint(["version"], ["key_version.version"], name="fk_review_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "answer",
        sa.Column("sequence", counter, autoincrement=True, nullable=False),
        sa.Column("member", counter, nullable=False),
        sa.Column("question", sa.String(200), nullable=False),
        sa.Column("selected", sa.Text(), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("superseded", counter),
        sa.Column("assignment", sa.String(64), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_answer"),
        sa.UniqueConstraint("member", "operation", name="uq_answer_member"),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name="fk_answer_member"),
        sa.ForeignKeyConstraint(["assignment"], ["assignment.hash"], name="fk_answer_assignment"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answer_latest", "answer", ["member", "question", "sequence"])
    op.create_table(
        "score",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("member", counter, nullable=False),
        sa.Column("through", counter, nullable=False),
        sa.Column("tenths", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_score"),
        sa.ForeignKeyConstraint(["version"], ["key_version.version"], name="fk_score_version"),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name="fk_score_member"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_score_version", "score", ["version"])
    op.create_table(
        "audit",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
