"""`pellucid course new FOLDER`"""

from pathlib import Path

import click

from pellucid.cli.course.console import course_folder


@click.command(params=[course_folder], epilog="Example: pellucid course new xai && pellucid course check xai")
def new(folder: Path) -> None:
    """Copy the course that ships, its questions and its key, into a new FOLDER to edit.

    Whoever has Pellucid has that key too: for grades, change the thresholds and choose your own images.
    """
    from pellucid.course.folder import new_course

    made = new_course(folder)
    click.echo(f"{folder}: {', '.join(path.name for path in sorted(made.path.glob('*.yaml')))} are yours to edit")
    if made.versions():
        click.echo("keys/0001.json is the key of the course that ships, frozen; `pellucid course build` makes the next version")
    click.echo(f"next: pellucid course check {folder}")
