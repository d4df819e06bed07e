"""`pellucid course roster FOLDER [CSV]`"""

import csv
from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.cli.course.opening import FOLDER, opened, url_flag

CODES = click.Path(path_type=Path, dir_okay=False)


@click.command(params=[url_flag, json_flag], epilog="Example: pellucid course roster xai class.csv --invitations codes.csv")
@click.argument("folder", type=FOLDER)
@click.argument("csv_file", metavar="[CSV]", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--invitations", type=CODES, metavar="FILE", help="Write the codes into a CSV file instead of printing them.")
@click.option(
    "--address", metavar="URL", help="Where students open the course, for the codes' file: each gets a link of their own."
)
@click.option("--invite", "again", multiple=True, metavar="LOGIN", help="A new code for this member; also several.")
def roster(
    folder: Path, csv_file: Path | None, dry_run: bool, invitations: Path | None, address: str | None,
    again: tuple[str, ...], url: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Import the class list CSV, and print an invitation code for each new student; without CSV, list the members.

    The first line of the list names its columns: name (or first name and last name), email, student id, section, login. A list
    with problems is not imported at all; importing one again updates what has changed.
    """
    if invitations is not None and invitations.exists() and (csv_file or again) and not dry_run:
        raise click.UsageError(f"{invitations} exists, and its codes are kept nowhere else; name another file")
    if csv_file is None:
        return _invite(folder, url, again, invitations, address, as_json) if again else _members(folder, url, as_json)
    if again:
        raise click.UsageError("give a class list to import, or --invite, not both")
    text = _text(csv_file)
    with opened(folder, url, make=True) as course:
        report = course.import_roster(text, dry_run)
    if as_json:
        print_json(report.to_json())
        return 1 if report.problems else 0
    for problem in report.problems:
        click.echo(f"{csv_file}, line {problem.line}: {problem.message}", err=True)
    if report.problems:
        click.echo("nothing was imported", err=True)
        return 1
    would = "would be " if dry_run else ""
    click.echo(f"{report.added} {would}added, {report.updated} {would}updated, {report.unchanged} as they were")
    _hand_out([(one.name, one.login, one.code) for one in report.invitations], invitations, address)
    return 0


def _members(folder: Path, url: str | None, as_json: bool) -> int:
    with opened(folder, url) as course:
        members, progress = course.members(), course.progress()
    found = [(one, *progress.get(one.id, (0, ""))) for one in members]
    if as_json:
        print_json({"members": [{**one.to_json(), "answered": n, "last_at": at or None} for one, n, at in found]})
        return 0
    header = ["login", "name", "section", "role", "joined", "answered", "last saved"]
    print_table(header, [[m.login, m.name, m.section, m.role, m.joined or "-", str(n), at or "-"] for m, n, at in found])
    return 0


def _invite(
    folder: Path, url: str | None, logins: tuple[str, ...], file: Path | None, address: str | None, as_json: bool
) -> int:
    from pellucid.course.roster import normal
    from pellucid.registry import unknown

    with opened(folder, url, make=True) as course:
        members = {member.login: member for member in course.members()}
        for login in logins:
            if normal(login) not in members:
                raise click.UsageError(unknown("login", login, members))
        found = [members[normal(login)] for login in logins]
        codes = [(member.name, member.login, course.invite(member.id)) for member in found]
    if as_json:
        print_json({"invitations": [{"name": name, "login": login, "code": code} for name, login, code in codes]})
    else:
        _hand_out(codes, file, address)
    return 0


def _hand_out(codes: list[tuple[str, str, str]], file: Path | None, address: str | None) -> None:
    """The codes into the file, which only its owner may read, or onto the screen: they are kept nowhere."""
    header, rows = ("name", "login", "code"), [list(one) for one in codes]
    if address is not None:
        header = (*header, "address")
        rows = [[*one, f"{address.rstrip('/')}/?view=course&invitation={one[2]}"] for one in rows]
    elif codes:
        click.echo(
            "tell students the address of the course, too: `pellucid course serve` prints it; or give it as --address", err=True
        )
    if file is None:
        if codes:
            print_table(header, rows)
        return
    from pellucid.course.exports import harmless

    file.touch(mode=0o600)
    with file.open("w", newline="", encoding="utf-8-sig") as out:
        csv.writer(out).writerows([header, *([harmless(cell) for cell in row] for row in rows)])
    click.echo(f"{file}: {len(codes)} codes")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{path} is no UTF-8 text; save it as 'CSV UTF-8' and try again") from None
