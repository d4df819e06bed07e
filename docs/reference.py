"""Writes docs/reference.md from the code: methods, options, presets, models, commands. `make docs` runs it; a test compares."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

import pellucid as pl
from pellucid.batch.rows import COLUMNS, SCHEMA
from pellucid.cli import COMMANDS, group
from pellucid.cli.listing import paper, values_of
from pellucid.models.load import catalog

HEAD = """# Reference

Made from the code by `make docs`; a test fails when it lags behind.

- [Python](#python)
- [Methods](#methods)
- [Metrics](#metrics)
- [Models](#models)
- [Rows of a batch](#rows-of-a-batch)
- [Shell](#shell)
"""


def sections() -> Iterator[str]:
    yield HEAD
    yield "## Python\n\n`import pellucid as pl`; the names are loaded when they are first used.\n"
    yield table(
        ("name", "what it is"),
        [(f"`pl.{name}`", first_line(getattr(pl, name))) for name in sorted(pl.__all__) if name != "__version__"],
    )
    yield (
        "## Methods\n\n`pl.explain(model, source, method=NAME, **options)`, or "
        "`pl.methods[NAME](model, inputs, target, **options)`; `.stream(...)` gives every "
        "intermediate answer. In the shell: `pellucid explain NAME SOURCE... --OPTION VALUE`.\n"
    )
    for name, method in [*pl.methods.items(), *others()]:
        yield from entry(name, method)
        for preset, meaning in method.presets.items():
            chosen = ", ".join(f"`{k}={v!r}`" for k, v in meaning.options.items())
            yield f"Preset `{preset}`: {meaning.description} ({chosen})\n"
    yield (
        "## Metrics\n\n`pl.measure(model, source, attribution, metric=NAME, **options)`, or "
        "`pl.metrics[NAME](model, inputs, attribution, **options)`. In the shell: `pellucid measure NAME RECORD... --OPTION "
        "VALUE`.\n"
    )
    better = {True: "Higher is better", False: "Lower is better", None: "Neither direction is better"}
    for name, metric in pl.metrics.items():
        yield from entry(name, metric, f"{better[metric.higher_is_better]}; unit: {metric.unit}.\n\n")
    yield "## Models\n\n`pl.load(NAME)`, or `pl.load(PATH, architecture=NAME)` for a checkpoint of your own.\n"
    entries = catalog()
    yield table(("model", "what it is"), [(f"`{k}`", v["description"]) for k, v in entries["models"].items()])
    yield table(("encoder of text", "what it is"), [(f"`{k}`", v["description"]) for k, v in entries["encoders"].items()])
    yield table(("architecture", "what it is"), [(f"`{k}`", v["description"]) for k, v in entries["architectures"].items()])
    yield (
        "## Rows of a batch\n\n`pl.batch(sources, folder, methods=...)`, or `pellucid batch SOURCE... --method NAME --out "
        "FOLDER`, writes Parquet files with these columns.\n"
    )
    rows = [
        (f"`{field.name}`", f"{kind(field.type)}{' or none' if field.nullable else ''}", COLUMNS[field.name])
        for field in SCHEMA
    ]
    yield table(("column", "type", "what it holds"), rows)
    yield "## Shell\n"
    context = click.Context(group, info_name="pellucid", **group.context_settings)
    yield f"```text\n{group.get_help(context)}\n```\n"
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        yield from helps(name, command, context)


def entry(name: str, of: Any, about: str = "") -> Iterator[str]:
    """A method or a metric: paper, docstring, options."""
    yield f"### {name}\n\n{paper(of)}\n\n{about}{inspect.getdoc(of)}\n"
    options = of.options.model_json_schema().get("properties", {})
    rows = [
        (f"`{k}`", f"`{values_of(o)}`".replace("|", "\\|"), f"`{o['default']!r}`", o["description"]) for k, o in options.items()
    ]
    yield table(("option", "values", "default", "meaning"), rows) if rows else "No options.\n"


def kind(of: pa.DataType) -> str:
    """The type of a column, in short."""
    return f"list of {kind(of.value_type)}" if pa.types.is_list(of) else str(of)


def helps(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    """The help of a command and of the commands below it, except the methods: their options stand above."""
    context = click.Context(command, parent, info_name=name)
    yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group) and name not in ("explain", "measure"):
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            yield from helps(below, inner, context)


def others() -> Iterator[tuple[str, Any]]:
    """Streams that explain something else than an input."""
    yield "filters", pl.filters


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0].replace("|", "\\|")


def reference() -> str:
    return "\n".join(sections())


if __name__ == "__main__":
    (Path(__file__).parent / "reference.md").write_text(reference(), encoding="utf-8")
    print("wrote docs/reference.md")
