"""What the commands that run a course share: where it is kept, and that it is let go of again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pellucid.course.storage import Course

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

url_flag = click.Option(
    ["--url"], envvar="PELLUCID_COURSE_URL", show_envvar=True,
    help="Database instead of FOLDER/course.db, such as postgresql+psycopg://USER@HOST/NAME.",
)  # fmt: skip


@contextmanager
def opened(folder: Path, url: str | None, *, make: bool = False) -> Iterator["Course"]:
    """The course of the folder, or of the database at `url`. A server may have it open at the same time.

    A folder's database is made only with `make`, and only by what succeeds: a command that reads or
    fails leaves nothing behind.
    """
    from pellucid.course.storage import FILE, SOURCE, Course, Refused

    if url is not None or not (folder / SOURCE).is_file() or (folder / FILE).is_file():
        with closing(Course.open(folder, url)) as course:
            yield course
        return
    if not make:
        raise Refused(
            f"nothing has happened in {str(folder)!r} yet: it has no {FILE}; pellucid course open makes it, as do serve, "
            "and roster with a class list"
        )
    with TemporaryDirectory(prefix=".new", dir=folder) as beside:
        with closing(Course.open(beside, f"sqlite:///{beside}/{FILE}")) as course:
            yield course
            happened = course.members() or course.state().assignment_hash
        if happened and (folder / FILE).exists():
            raise Refused(f"something else made {str(folder / FILE)!r} meanwhile; nothing was changed: do it again")
        if happened:
            Path(beside, FILE).rename(folder / FILE)


def counted(number: int, what: str, more: str = "") -> str:
    """`1 student`, `2 students`."""
    return f"{number} {what}{'' if number == 1 else 's'}{more}"


def points(tenths: int | float) -> str:
    """As people read points."""
    return f"{tenths / 10:.1f}" if float(tenths).is_integer() else f"{tenths / 10:.2f}"
