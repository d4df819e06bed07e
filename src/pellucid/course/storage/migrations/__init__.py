"""The tables of every release, one step each, so that a course is carried over to a later one."""

from pathlib import Path

import sqlalchemy as sa

from pellucid.course.values import Refused

HEAD = "0001"
"""The step that this program works with."""


def upgrade(engine: sa.Engine, revision: str = HEAD) -> None:
    """Bring the tables to `revision`, in one transaction. Refused where they are those of a later release."""
    with engine.begin() as connection:
        found = current(connection)
        if found == revision:
            return  # subtle: the usual case, which need not import alembic
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise Refused(f"this course is of a later release (step {found}; this one knows {HEAD}): install that release")
        command.upgrade(config, revision)


def current(connection: sa.Connection) -> str | None:
    """The step that the tables are of; None where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("select version_num from alembic_version")).scalar()
