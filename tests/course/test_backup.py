"""One file that holds a course: consistent, whole, and good for either engine, also in a later release."""

import gzip
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pellucid.course.storage import Course, Database, Refused, migrations, restore
from pellucid.course.storage.tables import metadata
from tests.course.classroom import answer, opened, student

FIRST = Path(__file__).parent / "first_release.backup"
"""A course as the first release wrote it, with members, answers, a regrade and stored scores."""


def contents(course: Course) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with course.database.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=str) for table in metadata.sorted_tables
        }  # fmt: skip


@pytest.fixture
def used(course: Course) -> Course:
    """A course in which something has happened."""
    bo, cy = student(course, "Bo"), student(course, "Cy")
    course.accept(course.invite(bo.id), "a long password")
    answer(course, bo, "q1", "a")
    answer(course, bo, "q1", "ab")
    answer(course, cy, "q2", "c")
    course.review(1, "q1", "b", "disagree", "雲\u2028, a line that only Unicode breaks")
    course.regrade({"q1": {"accepted": [["a"]]}}, "either", "b is doubtful")
    return course


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_backup_restores_into_either_engine(
    used: Course, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from tests.course import postgres

    counts = used.database.backup(tmp_path / "one.backup")
    assert (counts["member"], counts["answer"], counts["key_version"], counts["score"]) == (3, 3, 2, 4)
    url = (
        f"sqlite:///{tmp_path / 'new' / 'course.db'}" if target == "sqlite"
        else postgres.make(request.getfixturevalue("server"), f"restored-{tmp_path.name}")
    )  # fmt: skip
    assert restore(tmp_path / "one.backup", url) == counts
    again = opened(url)
    assert contents(again) == contents(used)
    bo = student(again, "Bo")
    assert again.check_receipt(used.answers(bo.id)["q1"].receipt) is not None
    assert again.recompute() == []
    assert again.log_in(bo.login, "a long password")[1] == bo
    later = answer(again, bo, "q3", "ad")
    assert later.sequence > max(save.sequence for save in used.history(bo.id)), "counting goes on behind the restored rows"
    again.database.backup(tmp_path / "two.backup")
    again.close()


def test_a_backup_is_private_and_one_moment_of_a_course_that_goes_on(used: Course, tmp_path: Path) -> None:
    bo, stop = student(used, "Bo"), threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.is_set() and number < 500:
            for question in ("q1", "q2"):  # in pairs, in one transaction each
                used.save(bo.id, question, ["a"], f"{question}-{number}", None, used.assignment().hash)
            number += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        for n in range(3):
            path = tmp_path / f"{n}.backup"
            counts = used.database.backup(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            url = f"sqlite:///{tmp_path / str(n)}.db"
            assert restore(path, url) == counts
            with Database(url).read() as connection:
                rows = connection.execute(sa.text("select operation from answer where operation like 'q%'")).scalars().all()
            pairs = [len([row for row in rows if row.startswith(one)]) for one in ("q1-", "q2-")]
            assert 0 <= pairs[0] - pairs[1] <= 1
    finally:
        stop.set()
        writer.join()


def test_a_restore_needs_an_empty_database(used: Course, url: str, tmp_path: Path) -> None:
    used.database.backup(tmp_path / "one.backup")
    before = contents(used)
    with pytest.raises(Refused, match=r"is not empty: .*; restore into another one, or move it away"):
        restore(tmp_path / "one.backup", url)
    assert contents(used) == before


def test_a_damaged_file_touches_nothing(used: Course, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.backup", tmp_path / "bad.backup"
    used.database.backup(good)
    data, target = good.read_bytes(), tmp_path / "target.db"
    plain = gzip.decompress(data)
    lines = plain.splitlines(keepends=True)
    for damaged, words in (
        (b"", "damaged|no backup"), (b"nonsense", "damaged"), (data[: len(data) // 2], "damaged"),
        (gzip.compress(plain.replace(b"Bo Li", b"Bo Lx")), "do not match its checksum"),
        (gzip.compress(b"".join(lines[:-1])), "its end is missing"),
        (gzip.compress(b"".join(lines[:3] + lines[4:])), "do not match its checksum"),
        (gzip.compress(b'{"kind":"x","format":1,"step":"0001"}\n{"sha256":"0"}\n'), "is a 'x' of format 1"),
    ):  # fmt: skip
        bad.write_bytes(damaged)
        with pytest.raises(Refused, match=words):
            restore(bad, f"sqlite:///{target}")
        assert not target.exists()


def test_a_course_of_the_first_release_is_carried_over(empty: Callable[[], str]) -> None:
    """Its tables are made as they were then, filled, and brought to this release."""
    url = empty()
    restore(FIRST, url)
    course = opened(url)
    bo = student(course, "Bo")
    assert [(save.question, save.selected) for save in course.history(bo.id)] == [("q1", ("a",)), ("q1", ("a", "b"))]
    assert course.answers(bo.id)["q1"].superseded is not None
    assert [one.version for one in course.versions()] == [1, 2]
    assert {one.member.name: one.total for one in course.scores()} == {"Bo Li": 3, "Cy Ma": 3, "Di Wu": 0}
    assert course.recompute() == []
    assert course.check_receipt(course.answers(bo.id)["q1"].receipt) is not None
    assert course.log_in(bo.login, "a long password")[1] == bo
    assert answer(course, bo, "q2", "c").sequence == 4
    course.close()


def test_migrations_and_tables_are_the_same(empty: Callable[[], str]) -> None:
    database = Database(empty())
    database.migrate()
    with database.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        # what alembic does not compare
        found = {
            table: {one["name"] for one in sa.inspect(connection).get_check_constraints(table)} for table in metadata.tables
        }  # fmt: skip
    wanted = {
        name: {one.name for one in table.constraints if isinstance(one, sa.CheckConstraint)}
        for name, table in metadata.tables.items()
    }
    assert found == wanted
    database.migrate()
    database.close()


def test_the_newest_step_is_the_one_that_the_program_expects() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_heads() == [migrations.HEAD]


def test_a_course_is_private(tmp_path: Path) -> None:
    course = opened(f"sqlite:///{tmp_path / 'course.db'}")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    course.close()


def test_only_a_folder_of_a_course_is_opened(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"is no course: it has neither course\.yaml nor course\.db"):
        Course.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "course.yaml").touch()
    Course.open(tmp_path).close()
    (tmp_path / "course.yaml").unlink()
    Course.open(tmp_path).close()
