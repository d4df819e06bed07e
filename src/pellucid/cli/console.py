"""What every command shares: the model flags, progress on standard error, tables and JSON on standard output."""

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from pellucid.cli import look_as_usual
from pellucid.strict_json import finite

F = TypeVar("F", bound=Callable[..., Any])

json_flag = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document for machines.")
model_flag = click.Option(
    ["--model", "-m"],
    default="imagenet",
    show_default=True,
    help="A name from `pellucid models`; or of your own: a folder as transformers saves it, hf:ORG/NAME, FILE.py:NAME, which "
    "makes one, or ARCHITECTURE:PATH of a checkpoint.",
)
record_model_flag = click.Option(
    ["--model", "-m"],
    help="Asked instead of the one that a record names: one of Python code, which a record alone never runs, or one that has "
    "moved.",
)
engine_flag = click.Option(
    ["--engine"],
    type=click.Choice(["torch", "openvino", "openvino-int8"]),
    show_default="torch, or the network's own",
    help="What runs the network; openvino (pip install 'pellucid[fast]') makes methods of many passes quick on a CPU, "
    "openvino-int8 LIME quicker still and rougher.",
)

ENCODER = "A name from `pellucid models`, the folder of an encoder, hf:ORG/NAME, or FILE.py:NAME, which makes one."
"""What --model of the commands that read text takes."""

out_flag = click.Option(
    ["--out", "-o"],
    type=click.Path(path_type=Path),
    default=Path("pellucid-out"),
    show_default=True,
    help="Folder for what is written.",
)


def readable(classifier: Any, sources: Sequence[str], failed: list[dict[str, str]]) -> list[str]:
    """The pictures that the network can read; of the others it is said why not. A usage error where there is none."""
    from pellucid.inputs.photograph import expand

    read: list[str] = []
    for source in expand(sources):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are told when it is read to be explained
                classifier.read(source)
        except (ValueError, OSError) as error:
            failed.append({"source": source, "error": str(error)})
            click.echo(f"Error: {error}", err=True)
        else:
            read.append(source)
    if not read:
        raise click.UsageError("none of the pictures can be read")
    return read


def numbers(parts: Iterable[str], what: str, hint: str, example: str) -> list[int]:
    """`0` and `3-5` as 0, 3, 4, 5; a usage error for anything else, naming what it should be."""
    wanted: list[int] = []
    for part in parts:
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise click.BadParameter(f"{part!r} is no {what}; give numbers or ranges, such as {example}", param_hint=hint)
        wanted += range(int(found[1]), int(found[2] or found[1]) + 1)
    return wanted


def print_json(document: object) -> None:
    """Strict JSON: what is not a number becomes null."""
    click.echo(json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest entry, each entry on one line; the last one may run on."""
    lines = [[" ".join(str(cell).splitlines()) for cell in row] for row in [header, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def progress(total: float, what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error while inside; `advance(done, text)` moves it. Nothing is shown when nobody looks."""
    look_as_usual()
    if not sys.stderr.isatty():
        yield lambda done, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)
