"""`pellucid course export FOLDER FORMAT`"""

import json
from pathlib import Path

import click

from pellucid.cli.course.opening import FOLDER, opened, url_flag

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    params=[url_flag], epilog="Example: pellucid course export xai canvas --gradebook from-canvas.csv --out back.csv"
)
@click.argument("folder", type=FOLDER)
@click.argument("format", type=click.Choice(["gradescope", "json", "canvas"]))
@click.option("--gradebook", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="canvas: the gradebook that Canvas exported, which is given back with the points.")  # fmt: skip
@click.option("--column", help="canvas: the assignment's column.  [default: the title of the assignment]")
@click.option("--out", "-o", type=FILE, help="File to write.  [default: standard output]")
def export(folder: Path, format: str, gradebook: Path | None, column: str | None, out: Path | None, url: str | None) -> int:
    """Write the grades in the columns of a Gradescope export, as JSON, or into a gradebook that Canvas exported.

    Students are found in Canvas's gradebook by SIS id alone, never by name; exit code 1 when there are any whom that does not
    settle, and they are listed.
    """
    if (format == "canvas") != (gradebook is not None):
        raise click.UsageError("canvas needs --gradebook, the file that Canvas exported; the other formats take none")
    left: tuple[str, ...] = ()
    with opened(folder, url) as course:
        if gradebook is not None:
            text, report = course.merge_canvas(gradebook.read_text(encoding="utf-8-sig"), column)
            left = (*report.ambiguous, *report.unmatched)
            click.echo(
                f"{report.matched} matched, {len(report.ambiguous)} ambiguous, {len(report.unmatched)} unmatched", err=True
            )
        elif format == "json":
            text = json.dumps(course.export_json(), ensure_ascii=False, indent=1) + "\n"
        else:
            text = course.export_gradescope()
    for sentence in left:
        click.echo(sentence, err=True)
    if out is None:
        click.echo(text, nl=False)
    else:
        # with a mark, or spreadsheets take names in other scripts for something else
        out.write_text(text, encoding="utf-8" if format == "json" else "utf-8-sig", newline="")
    return 1 if left else 0
