"""What the course's commands share: the folder, the questions, progress in words, and how a key is told."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pellucid.cli.console import print_table

course_folder = click.Argument(["folder"], type=click.Path(path_type=Path))
maybe_folder = click.Argument(["folder"], required=False, type=click.Path(path_type=Path), metavar="[FOLDER]")
questions_flag = click.Option(
    ["--questions", "-q"], multiple=True, metavar="ID", help="Only these questions; may be given again, or with commas."
)


def ids(given: tuple[str, ...]) -> tuple[str, ...]:
    """The ids in repeated flags, each of which may hold several with commas."""
    return tuple(id.strip() for one in given for id in one.split(",") if id.strip())


@contextmanager
def told() -> Iterator[Callable[[str], None]]:
    """Words on standard error while inside: one line that changes where somebody looks, one line a question elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("") as status:
            yield status.update
        return
    last = ""

    def line(text: str) -> None:
        nonlocal last
        about = text.partition(": ")[0]
        if "/" in about and about != last:
            click.echo(about, err=True)
            last = about

    yield line


def tell_key(document: Mapping[str, Any]) -> None:
    """The key as a table, a line a question, and what bars its release."""
    from pellucid.course.review import summary
    from pellucid.course.spec import in_points

    worth = {q["id"]: q["tenths"] for q in document["assignment"]["questions"]}
    rows: list[tuple[str, ...]] = []
    for question in document["evidence"]["questions"]:
        counts = [sum(o["verdict"] == verdict for o in question["options"]) for verdict in ("SAFE", "AMBIGUOUS", "INVALID")]
        shown = [o for o in question["options"] if o["shown"]]
        safe = sum(o["verdict"] == "SAFE" for o in shown)
        true = sum(o["correct"] for o in shown)
        rows.append(
            (
                question["id"],
                in_points(worth[question["id"]]),
                *map(str, counts),
                f"{len(shown)} ({true} true)",
                f"{safe}/{len(shown)}",
            )
        )
    print_table(("QUESTION", "POINTS", "SAFE", "AMBIGUOUS", "INVALID", "SHOWN", "SHOWN SAFE"), rows)
    found = summary(document)
    click.echo(
        f"{len(rows)} questions, {found['points']} points; state {document['state']}; "
        f"chance that a run of a student's own contradicts any option shown: {found['contradiction']:.2g}"
    )
    for problem in found["blocking"]:
        click.echo(f"- {problem}")
