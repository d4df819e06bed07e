"""`pellucid course drift [FOLDER]`"""

from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.console import ids, maybe_folder, questions_flag, told


@click.command(params=[maybe_folder, json_flag, questions_flag], epilog="Example: pellucid course drift xai")
def drift(folder: Path | None, as_json: bool, questions: tuple[str, ...]) -> int:
    """Compute the key of the course in FOLDER again, and say where it would differ from the frozen one. Nothing is changed.

    Without FOLDER, of the course that ships. Exit code 1 when an option that students see would have another truth, or is no
    longer SAFE.
    """
    from tempfile import TemporaryDirectory

    from pellucid.course.drift import drift as compare
    from pellucid.course.folder import CourseFolder
    from pellucid.course.key import compute_key

    course = CourseFolder(folder)
    frozen = course.frozen_key()
    if frozen is None:
        raise click.UsageError(f"{course.path} has no frozen key; `pellucid course freeze` makes one")
    # subtle: in a folder of its own, for what was kept would say that nothing has changed
    with TemporaryDirectory(prefix="pellucid-course-") as scratch, told() as hears:
        now = compute_key(course.spec, course.workshop(hears, Path(scratch)), only=ids(questions), told=hears)
    found = compare(frozen, now)
    if as_json:
        print_json({"version": frozen["key"]["version"], **found.to_json()})
        return 1 if found.contradicts else 0
    for cause in found.causes:
        click.echo(f"note: {cause}")
    if found.changes:
        rows = [(f"{c.question}/{c.option}", "yes" if c.shown else "no", c.what, c.before, c.after) for c in found.changes]
        print_table(("OPTION", "SHOWN", "WHAT", "FROZEN", "NOW"), rows)
    many = len(now["evidence"]["questions"])
    click.echo(
        f"key {frozen['key']['version']:04d} and {many} questions computed now: "
        + ("options that students see would have another answer" if found.contradicts else "no option shown has another answer")
    )
    return 1 if found.contradicts else 0
