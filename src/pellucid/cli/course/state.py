"""`pellucid course open FOLDER`, `pellucid course close FOLDER` and `pellucid course status FOLDER`"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.opening import FOLDER, opened, points, url_flag
from pellucid.cli.course.serve import published

if TYPE_CHECKING:
    from pellucid.course.storage import Course, Feedback

FEEDBACK = click.Choice(["none", "total", "question", "after_close"])


@click.command("open", params=[url_flag, json_flag], epilog="Example: pellucid course open xai --until 2026-12-24T18:00+08:00")
@click.argument("folder", type=FOLDER)
@click.option("--until", metavar="TIME", help="When it closes by itself, with its offset from UTC.  [default: it stays open]")
@click.option("--feedback", type=FEEDBACK, help="What students see of their points.  [default: as it is; at first after_close]")
@click.option("--interval", type=click.IntRange(min=1), metavar="MINUTES",
              help="How long feedback stays the same while the course is open.  [default: as it is; at first 10]")  # fmt: skip
def open_course(
    folder: Path, until: str | None, feedback: "Feedback | None", interval: int | None, url: str | None, as_json: bool
) -> None:
    """Let students answer. A course that was never published is, with its newest frozen key."""
    with opened(folder, url, make=True) as course:
        note = published(course, folder, standing=False) if course.state().assignment_hash is None else None
        course.set_state("open", until, feedback, interval)
        if note is not None and not as_json:
            click.echo(note)
        _show(course, as_json)


@click.command("close", params=[url_flag, json_flag], epilog="Example: pellucid course close xai")
@click.argument("folder", type=FOLDER)
def close_course(folder: Path, url: str | None, as_json: bool) -> None:
    """Take no more answers; what was saved counts. It can be opened again."""
    with opened(folder, url) as course:
        course.set_state("closed")
        _show(course, as_json)


@click.command(params=[url_flag, json_flag], epilog="Example: pellucid course status xai --verify")
@click.argument("folder", type=FOLDER)
@click.option("--verify", is_flag=True, help="Compute every stored score again from the answers; exit code 1 if one differs.")
def status(folder: Path, verify: bool, url: str | None, as_json: bool) -> int:
    """Say whether the course is open, how many have answered, and by which key it is graded."""
    with opened(folder, url) as course:
        return _show(course, as_json, verify)


def _show(course: "Course", as_json: bool, verify: bool = False) -> int:
    state, progress = course.state(), course.progress()
    students = [member for member in course.members() if member.role == "student"]
    found: dict[str, Any] = {
        "students": len(students), "joined": sum(one.joined is not None for one in students), "answered": len(progress),
        "last_at": max((at for _, at in progress.values()), default=None),
    }  # fmt: skip
    wrong = course.recompute() if verify else None
    if as_json:
        print_json({**asdict(state), **found} | ({} if wrong is None else {"wrong": wrong}))
        return 1 if wrong else 0
    key = "none published" if state.key_version is None else f"version {state.key_version}, {points(state.tenths)} points"
    ends = f", closes at {state.closes_at}" if state.closes_at and state.state == "open" else ""
    shown = f"{state.feedback}, every {state.interval} min" if state.feedback in ("total", "question") else state.feedback
    print_table(["state", f"{state.state}{ends}"], [
        ["title", state.title.get("en") or state.id or "-"], ["key", key], ["feedback", shown],
        ["students", f"{found['students']}, {found['joined']} joined, {found['answered']} have answered"],
        ["last saved", found["last_at"] or "-"],
    ])  # fmt: skip
    for sentence in wrong or ():
        click.echo(sentence, err=True)
    if wrong == []:
        click.echo("every stored score is what the answers and the key give")
    return 1 if wrong else 0
