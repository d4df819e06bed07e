"""`pellucid course drift [FOLDER]`"""

from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.console import ids, maybe_folder, questions_flag, told

base_flag = click.Option(
    ["--base", "base_only"], is_flag=True,
    help="Only the base run of every option, without other seeds, sample counts and number formats: a twentieth of the time.",
)  # fmt: skip


@click.command(params=[maybe_folder, json_flag, questions_flag, base_flag], epilog="Example: pellucid course drift xai --base")
def drift(folder: Path | None, as_json: bool, questions: tuple[str, ...], base_only: bool) -> int:
    """Compute the key of the course in FOLDER again, and say where it would differ from the frozen one. Nothing is changed.

    Without FOLDER, of the course that ships. Exit code 1 when an option that students see would have another truth, or is no
    longer SAFE: with --base, which takes minutes, by one run alone, as students make it.
    """
    from tempfile import TemporaryDirectory

    from pellucid.course.drift import drift as compare
    from pellucid.course.drift import of_base_runs
    from pellucid.course.folder import CourseFolder
    from pellucid.course.key import compute_key

    course = CourseFolder(folder)
    frozen = course.frozen_key()
    if frozen is None:
        raise click.UsageError(f"{course.path} has no frozen key; `pellucid course freeze` makes one")
    # subtle: in a folder of its own, for what was kept would say that nothing has changed
    with TemporaryDirectory(prefix="pellucid-course-") as scratch, told() as hears:
        workshop = course.workshop(hears, Path(scratch))
        now = compute_key(course.spec, workshop, only=ids(questions), base_only=base_only, told=hears)
    found = compare(of_base_runs(frozen), of_base_runs(now)) if base_only else compare(frozen, now)
    if as_json:
        print_json({"version": frozen["key"]["version"], **found.to_json()})
        return 1 if found.contradicts else 0
    for cause in found.causes:
        click.echo(f"note: {cause}")
    if found.changes:
        rows = [(f"{c.question}/{c.option}", "yes" if c.shown else "no", c.what, c.before, c.after) for c in found.changes]
        print_table(("OPTION", "SHOWN", "WHAT", "FROZEN", "NOW"), rows)
    many = len(now["evidence"]["questions"])
    how = f"{many} questions computed now" + (", their base runs alone" if base_only else "")
    said = "options that students see would have another answer" if found.contradicts else "no option shown has another answer"
    click.echo(f"key {frozen['key']['version']:04d} and {how}: {said}")
    return 1 if found.contradicts else 0
