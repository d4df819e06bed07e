"""`pellucid course regrade FOLDER`"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.opening import FOLDER, opened, points, url_flag

if TYPE_CHECKING:
    from pellucid.course.storage import Course, Policy, Regrade

SOURCE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    params=[url_flag, json_flag],
    epilog='Example: pellucid course regrade xai --disregard saliency-brightest=on-8 --reason "its outline is doubtful"',
)
@click.argument("folder", type=FOLDER)
@click.option("--accept", multiple=True, metavar="QUESTION=IDS", help="Selection that counts as right; also several.")
@click.option("--disregard", multiple=True, metavar="QUESTION=IDS", help="Options that may be chosen or not.")
@click.option("--full", multiple=True, metavar="QUESTION", help="Full points for everybody who answered it.")
@click.option("--changes", type=SOURCE, help="The same as a JSON file: {question: {accepted, disregard, full}}.")
@click.option("--key", type=SOURCE, help="Whatever differs in this frozen key, as `pellucid course freeze` writes it.")
@click.option("--policy", type=click.Choice(["replace", "either"]), default="replace", show_default=True,
              help="Whether the new key counts alone, or what the old one accepted still earns the points.")  # fmt: skip
@click.option("--reason", default="", help="Why; kept with the new version.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only what would happen is said.")
def regrade(
    folder: Path, accept: tuple[str, ...], disregard: tuple[str, ...], full: tuple[str, ...], changes: Path | None,
    key: Path | None, policy: "Policy", reason: str, yes: bool, url: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Change what counts as right: a new version of the key, by which everybody's answers are graded again.

    Says first whose points rise and whose fall. Old versions and the points under them stay readable.
    """
    inline = _inline(accept, disregard, full)
    if sum(map(bool, (inline, changes, key))) != 1:
        raise click.UsageError("say what changes: by --accept, --disregard and --full, or by --changes, or by --key")
    given = _changes(changes) if changes else inline
    with opened(folder, url) as course:
        wanted = _between(course, key) if key else given
        found = course.regrade(wanted, policy, reason) if yes else course.preview(wanted, policy, reason)
    if as_json:
        print_json({**found.to_json(), "changes": wanted})
    else:
        _show(found)


def _show(found: "Regrade") -> None:
    moved = [*found.rise, *found.fall]
    if moved:
        rows = [[one.member.login, one.member.name, points(one.before), points(one.after)] for one in moved]
        print_table(["login", "name", "before", "after"], rows)
    click.echo(f"{len(found.rise)} rise, {len(found.fall)} fall, {found.unchanged} stay as they are; "
               f"the mean goes from {found.mean_before / 10:.2f} to {found.mean_after / 10:.2f}")  # fmt: skip
    if found.version is None:
        click.echo("nothing is changed yet; do it with --yes")
    else:
        click.echo(f"version {found.version} of the key counts from now on")


def _inline(accept: tuple[str, ...], disregard: tuple[str, ...], full: tuple[str, ...]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for question, ids in map(_pair, accept):
        changes.setdefault(question, {}).setdefault("accepted", []).append(ids)
    for question, ids in map(_pair, disregard):
        changes.setdefault(question, {}).setdefault("disregard", []).extend(ids)
    for question in full:
        changes.setdefault(question, {})["full"] = True
    return changes


def _pair(text: str) -> tuple[str, list[str]]:
    question, _, ids = text.partition("=")
    if not question or not ids:
        raise click.UsageError(f"{text!r} is no change; write it as QUESTION=OPTION,OPTION")
    return question, [id.strip() for id in ids.split(",")]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{path} is to hold a JSON object, not a {type(found).__name__}")
    return found


def _changes(path: Path) -> dict[str, Any]:
    found = _read(path)
    if not all(isinstance(change, dict) for change in found.values()):
        raise click.UsageError(f"{path} is to hold an object by question: {{question: {{accepted, disregard, full}}}}")
    return found


def _between(course: "Course", path: Path) -> dict[str, Any]:
    from pellucid.course.storage.regrade import between
    from pellucid.course.storage.release import check

    _, new = check(_read(path))
    return between(course.key(), new)
