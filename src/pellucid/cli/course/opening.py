"""What the commands that run a course share: where it is kept, and that it is let go of again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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

    A folder's database is made only with `make`: a command that reads leaves nothing behind.
    """
    from pellucid.course.storage import FILE, SOURCE, Course, Refused

    if url is None and not make and (folder / SOURCE).is_file() and not (folder / FILE).is_file():
        raise Refused(
            f"nothing has happened in {str(folder)!r} yet: it has no {FILE}; pellucid course open makes it, as do serve, "
            "and roster with a class list"
        )
    course = Course.open(folder, url)
    try:
        yield course
    finally:
        course.close()


def points(tenths: int | float) -> str:
    """As people read points."""
    return f"{tenths / 10:.1f}" if float(tenths).is_integer() else f"{tenths / 10:.2f}"
