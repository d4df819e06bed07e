"""`pellucid course instructor FOLDER LOGIN`"""

import sys
from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json
from pellucid.cli.course.opening import FOLDER, opened, url_flag


@click.command(params=[url_flag, json_flag], epilog='Example: pellucid course instructor xai ada --name "Ada Lovelace"')
@click.argument("folder", type=FOLDER)
@click.argument("login")
@click.option("--name", help="As students and colleagues see it.  [default: the login]")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
def instructor(folder: Path, login: str, name: str | None, password_stdin: bool, url: str | None, as_json: bool) -> None:
    """Add an instructor, or set an instructor's password anew."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with opened(folder, url, make=True) as course:
        added = course.add_instructor(login, name or login, password)
    if as_json:
        print_json(added.to_json())
    else:
        click.echo(f"{added.login} ({added.name}) is an instructor")
