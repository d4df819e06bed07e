"""`pellucid batch SOURCE...`"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pellucid.cli.console import json_flag, model_flag, print_json, print_table, progress
from pellucid.cli.flags import above_zero

REQUESTS = ".jsonl"
"""How the name of a file of requests ends."""
TOLD = 10
"""Failures that are printed; a file has all of them."""


@click.command(epilog="Example: pellucid batch observation --method saliency --method grad_cam --out maps")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--method", "-x", "methods", multiple=True, help="May be given again.")
@click.option("--option", "-O", "given", multiple=True, metavar="METHOD.NAME=VALUE",
              help="An option of a method, such as lime.samples=500; may be given again.")  # fmt: skip
@click.option("--preset", help="A named set of options that each of the methods has.")
@click.option("--target", "-t", help="The class to explain, by label or number.  [default: the predicted class of each]")
@click.option("--against", help="Why the target rather than this class: the difference of the two logits.")
@click.option("--tolerance", type=above_zero, help="Stop as soon as the error is this small.")
@click.option("--deadline", type=above_zero, help="Stop after this many seconds a picture and method.")
@click.option("--trust/--no-trust", default=True, show_default=True,
              help="Say how far each map can be trusted; costs as much again, or 120 passes if that is more.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), help="Take so many pictures, texts or requests, and no more.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="Where: in this process, or on the Ray cluster that RAY_ADDRESS names, else one made on this machine (pip "
              "install 'pellucid[ray]').")  # fmt: skip
@click.option("--network-engine", type=click.Choice(["torch", "openvino", "openvino-int8"]),
              help="What runs the network; see --engine of pellucid explain.")  # fmt: skip
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("pellucid-batch"), show_default=True,
              help="Folder of the rows; nothing else should be in it.")  # fmt: skip
@click.option("--records", is_flag=True, help="Write a record of each row as well, for pellucid replay and measure.")
@click.option("--plan", is_flag=True, help="Explain nothing: print what would be asked, a request a line.")
def batch(
    sources: tuple[str, ...], methods: tuple[str, ...], given: tuple[str, ...], preset: str | None, target: str | None,
    against: str | None, tolerance: float | None, deadline: float | None, trust: bool, limit: int | None, engine: Any,
    network_engine: Any, records: bool, plan: bool, model: str, out: Path, as_json: bool,
) -> int:  # fmt: skip
    """Explain many pictures or texts by several methods: a folder of Parquet files with a row for each map.

    A SOURCE is a picture, a folder of pictures, or observation for the ten shipped ones. With an encoder as --model it is a
    text, or a file of texts: .txt with one a line, .csv or .tsv with a column of texts and one called context where there is
    one; the methods are those of pellucid token-scores. And it may be a .jsonl file of requests as --plan prints them.

    What is in the folder already is not made again, so the same command goes on where another run ended.
    """
    from pellucid.batch.networks import networks
    from pellucid.batch.plan import read_requests, requested
    from pellucid.batch.run import batch as run
    from pellucid.registry import Contradiction

    files = [Path(one) for one in sources if one.endswith(REQUESTS)]
    if files and len(files) < len(sources):
        raise click.UsageError(f"some sources are files of requests ({files[0]}) and some are not; give one or the other")
    if not files and not methods:
        raise click.UsageError("which method? Name some: --method saliency --method lime; pellucid methods lists them, and "
                               "pellucid token-scores --help those for text")  # fmt: skip
    asked: dict[str, Any] = {
        "methods": methods, "options": _options(given, methods), "target": target, "against": against, "preset": preset,
    }  # fmt: skip
    limits: dict[str, Any] = {"tolerance": tolerance, "limit": limit}
    named: Any = [request for file in files for request in read_requests(file)] or list(sources)
    if plan:
        for request in requested(named, networks(named, model, network_engine), **asked, **limits):
            click.echo(request.model_dump_json())
        return 0
    with _ended_as_interrupted(), progress(1.0, "batch") as advance:
        try:
            found = run(
                named, out, model=model, **asked, **limits, deadline=deadline, trust=trust, records=records, engine=engine,
                network_engine=network_engine,
                progress=lambda done, of, source: advance(done / of, f"{done} of {of}: {Path(source).name[:40]}"),
            )  # fmt: skip
        except Contradiction as error:
            raise click.UsageError(str(error)) from None
    for failure in found.failed[:TOLD]:
        click.echo(f"Error: {failure.request.method}: {failure.error}", err=True)
    if len(found.failed) > TOLD:
        click.echo(f"... and {len(found.failed) - TOLD} more: {found.folder / '_failed.jsonl'}", err=True)
    if as_json:
        failed = [{"source": f.request.source[0], "method": f.request.method, "error": f.error} for f in found.failed]
        print_json({
            "out": str(found.folder), "made": found.made, "there": found.there, "failed": failed,
            "seconds": round(found.seconds, 3), "verdicts": found.verdicts,
        })  # fmt: skip
    else:
        _print(found)
    return 1 if found.failed else 0


batch.params += [model_flag, json_flag]


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Within, what a scheduler sends to end a process does what Ctrl-C does: rows that wait are written."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _options(given: tuple[str, ...], methods: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """By method, the options that are given as METHOD.NAME=VALUE."""
    options: dict[str, dict[str, str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        method, point, option = name.partition(".")
        if not equals or not point:
            example = f"{methods[0] if methods else 'lime'}.{name or 'samples'}={value or '500'}"
            raise click.BadParameter(f"{one!r} is not METHOD.NAME=VALUE, such as {example}", param_hint="--option")
        options.setdefault(method, {})[option.replace("-", "_")] = value
    return options


def _print(found: Any) -> None:
    """How many maps there are, and what was found of them, method by method."""
    if any(found.verdicts.values()):
        print_table(
            ("METHOD", "VERDICT", "MAPS"),
            [(m, v, str(n)) for m, by in found.verdicts.items() for v, n in sorted(by.items(), key=lambda pair: -pair[1])],
        )
    there = f", {found.there} were there" if found.there else ""
    pace = f", {found.made / found.seconds:.2g} a second" if found.made else ""
    failed = f", {len(found.failed)} failed" if found.failed else ""
    click.echo(f"{found.made} maps made in {found.seconds:.1f} s{pace}{there}{failed}")
    if found.made or found.there:
        click.echo(f"rows: {found.folder}/*.parquet")
