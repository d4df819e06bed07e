"""Courses on both engines: every test that asks for `url`, `database` or `course` runs on SQLite and on PostgreSQL."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.course.storage import Course, Database
from pellucid.course.storage.tables import metadata
from tests.course import postgres
from tests.course.classroom import made

_number = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server without databases."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def emptied(server: str) -> Iterator[Callable[[], str]]:
    """Empties the tables of one database: quicker than to make one for each test."""
    database = Database(postgres.make(server, "course"))
    database.migrate()
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)

    def empty() -> str:
        database.write(lambda connection: connection.exec_driver_sql(f"truncate {names} restart identity") and None)
        return database.url.render_as_string(hide_password=False)

    yield empty
    database.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables, and nothing in them."""
    path = tmp_path_factory.mktemp("course") / "course.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes databases without any table."""

    def make() -> str:
        name = f"empty{next(_number)}"
        return (
            postgres.make(request.getfixturevalue("server"), name) if engine == "postgresql"
            else f"sqlite:///{tmp_path / name}.db"
        )  # fmt: skip

    return make


@pytest.fixture
def url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Of a database with tables, and nothing in them."""
    if engine == "postgresql":
        return request.getfixturevalue("emptied")()
    shutil.copy(request.getfixturevalue("migrated"), tmp_path / "course.db")
    return f"sqlite:///{tmp_path / 'course.db'}"


@pytest.fixture
def course(url: str) -> Iterator[Course]:
    """A course with the classroom's students, open."""
    course = made(url)
    yield course
    course.close()
