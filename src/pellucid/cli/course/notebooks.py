"""`pellucid course notebooks [OUT] [--part 1|2] [--force]`"""

from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json


@click.command(
    "notebooks",
    params=[json_flag],
    epilog="Example: pellucid course notebooks my-work   (then open my-work/part1_cnn.ipynb in Jupyter)",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="[OUT]")
@click.option("--part", type=click.Choice(["1", "2"]), help="Only the CNN's (1) or BERT's (2); both by default.")
@click.option("--force", is_flag=True, help="Replace notebooks that are there, whatever was done in them.")
def notebooks(folder: Path, part: str | None, force: bool, as_json: bool) -> None:
    """Write the course's two notebooks into the folder OUT, by default the current one."""
    from pellucid.course.notebooks import PARTS, write_notebooks

    written = write_notebooks(folder, [int(part)] if part else list(PARTS), force=force)
    if as_json:
        print_json({"notebooks": [str(path) for path in written]})
        return
    for path in written:
        click.echo(str(path))
