"""`pellucid course freeze FOLDER --by NAME`"""

from datetime import UTC, datetime
from pathlib import Path

import click

from pellucid.cli.course.console import course_folder


@click.command(params=[course_folder], epilog='Example: pellucid course freeze xai --by "A. Teacher"')
@click.option("--by", required=True, help="Your name, under which the key is frozen.")
@click.option("--override", "overrides", multiple=True, metavar="QUESTION/OPTION=REASON",
              help="Sign for an AMBIGUOUS option: its computed truth stands, for this reason. May be given again.")  # fmt: skip
def freeze(folder: Path, by: str, overrides: tuple[str, ...]) -> None:
    """Fix the latest key of the course in FOLDER under your name; it then never changes, only a new version can follow.

    Refused while an option shown is not SAFE and nobody has signed for it, and while a reviewer disagrees.
    """
    from pellucid.course.folder import CourseFolder

    reasons: dict[str, str] = {}
    for given in overrides:
        about, equals, reason = given.partition("=")
        if not equals or "/" not in about or not reason.strip():
            raise click.BadParameter(f"{given!r}: write QUESTION/OPTION=REASON", param_hint="--override")
        reasons[about.strip()] = reason.strip()
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    made = CourseFolder(folder).freeze(by=by, at=at, overrides=reasons)
    click.echo(f"key {made['key']['version']:04d} is frozen: {made['hash']}")
