"""`pellucid course backup FOLDER FILE` and `pellucid course restore FILE [FOLDER]`"""

from collections.abc import Mapping
from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json
from pellucid.cli.course.opening import FOLDER, counted, opened, url_flag


@click.command(params=[url_flag, json_flag], epilog="Example: pellucid course backup xai xai-monday.backup")
@click.argument("folder", type=FOLDER)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
def backup(folder: Path, file: Path, force: bool, url: str | None, as_json: bool) -> None:
    """Write members, answers, keys and scores into FILE, while the course goes on.

    The file is one moment of the course, has a checksum, and restores into SQLite and PostgreSQL alike. Whoever has it has the
    key. The author's own files (course.yaml, pictures, evidence) are not in it.
    """
    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already; name another file, or --force to replace it")
    with opened(folder, url) as course:
        counts = course.database.backup(file)
    if as_json:
        print_json({"file": str(file), "rows": counts})
    else:
        click.echo(f"{file}: {_content(counts)}")


@click.command(params=[url_flag, json_flag], epilog="Example: pellucid course restore xai-monday.backup xai-again")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False, metavar="[FOLDER]")
def restore(file: Path, folder: Path | None, url: str | None, as_json: bool) -> None:
    """Restore the backup FILE into FOLDER/course.db, or into the database at --url, which must be empty."""
    from pellucid.course.storage import FILE as NAME
    from pellucid.course.storage import restore as put_back

    if (folder is None) == (url is None):
        raise click.UsageError("say where to: a FOLDER, or --url of an empty database")
    counts = put_back(file, url or f"sqlite:///{Path(str(folder)) / NAME}")
    if as_json:
        print_json({"rows": counts})
    else:
        click.echo(f"restored {_content(counts)}")


def _content(counts: Mapping[str, int]) -> str:
    members, saves = counted(counts["member"], "member"), counted(counts["answer"], "save")
    return f"{members}, {saves}, {counted(counts['key_version'], 'version', ' of the key')}"
