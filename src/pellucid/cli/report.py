"""`pellucid report SOURCE...`"""

from pathlib import Path

import click

from pellucid.cli.console import engine_flag, json_flag, model_flag, out_flag, print_json, progress


@click.command(params=[model_flag, engine_flag, out_flag, json_flag], epilog="Example: pellucid report observation --out maps")
@click.argument("sources", nargs=-1)
@click.option("--layer", "-l", "layers", multiple=True, help="A layer whose filters are shown; may be given again.")
@click.option("--text", is_flag=True, help="Add the text half: encoders opened up on worked examples.")
def report(
    sources: tuple[str, ...], model: str, engine: str | None, out: Path, layers: tuple[str, ...], text: bool, as_json: bool
) -> int:  # fmt: skip
    """Explain pictures by all five approaches, as one HTML file that opens unplugged, with a record of each approach.

    A SOURCE is a picture, a folder of pictures, observation:0 to observation:9, or observation for all ten, the default.
    """
    from pellucid.models.load import load_classifier
    from pellucid.report import write_report

    network = load_classifier(model).on(engine)
    with progress(1.0, "report") as advance:
        written = write_report(network, sources or ["observation"], out, layers=layers, text=text, progress=advance)
    for reason in written.failed.values():
        click.echo(f"Error: {reason}", err=True)
    if as_json:
        print_json({"report": str(written.path), "records": [str(p) for p in written.records], "failed": dict(written.failed)})
    else:
        click.echo(
            f"The report is at {written.path.resolve()} ({written.path.stat().st_size / 1e6:.1f} MB): open it in a browser."
        )
    return 1 if written.failed else 0
