"""`pellucid course items FOLDER`"""

from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.opening import FOLDER, counted, opened, points, url_flag


@click.command(params=[url_flag, json_flag], epilog="Example: pellucid course items xai --json")
@click.argument("folder", type=FOLDER)
def items(folder: Path, url: str | None, as_json: bool) -> None:
    """Say how the questions did: how hard each was, how well it tells students apart, and where the best disagree with the key.

    `right` is the share of students who earn the points, with its 95 % interval; `first` is that of the answers on which they
    settled first, which is what stood when they went on to another question or changed nothing for 30 seconds; `r` is the
    correlation with the rest of the assignment; `upper-lower` compares the best and the worst 27 %.
    """
    with opened(folder, url) as course:
        found = course.items()
    if as_json:
        print_json(found.to_json())
        return
    if not found.n:
        click.echo("nobody has answered yet")
        return
    rows = [
        [
            q.id, str(q.answered), f"{q.difficulty:.2f}", _between(q.difficulty_interval), f"{q.first_difficulty:.2f}",
            _number(q.item_rest), _between(q.item_rest_interval), f"{q.discrimination:+.2f}", _number(q.alpha_if_deleted),
        ]
        for q in found.questions
    ]  # fmt: skip
    header = ["question", "answered", "right", "95 %", "first", "r", "95 %", "upper-lower", "alpha without"]
    print_table(header, rows)
    click.echo(
        f"{counted(found.n, 'student')}, mean {points(round(found.mean, 1))}, sd {found.sd / 10:.2f}; "
        f"KR-20 {_number(found.kr20)}, alpha {_number(found.alpha)} ({_between(found.alpha_interval)})"
    )
    for question, option in found.disagreements:
        click.echo(f"{question}, {option}: most of the upper third of those who answered sees it otherwise than the key")
    if found.few:
        click.echo("too few students to read anything into these numbers: fewer than 30")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _between(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"
