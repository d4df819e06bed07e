"""`pellucid lab`"""

import secrets
from pathlib import Path

import click

from pellucid.cli.console import engine_flag
from pellucid.cli.serving import LOOPBACK, PORT, bound, serve, shown


@click.command(params=[engine_flag], epilog="Example: pellucid lab --model my-resnet/ --port 9000")
@click.option("--port", "-p", type=click.IntRange(0, 65535), help=f"[default: {PORT}, or the next that is free]")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on. Any but this machine's own needs the token that is printed.")  # fmt: skip
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--queue", type=click.IntRange(1, 1000), default=32, show_default=True, help="Jobs that may wait.")
@click.option("--limit", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds that a job may run.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), default=Path("pellucid-out/lab"), show_default=True,
              help="Folder for results, uploads and corpora; the next lab finds them there.")  # fmt: skip
@click.option("--model", "-m", "models", multiple=True, metavar="MODEL",
              help="A model of your own, beside those that ship: a folder as transformers saves it, of an image classifier or "
              "of an encoder; hf:ORG/NAME; FILE.py:NAME, which makes one; or ARCHITECTURE:PATH of a checkpoint. May be given "
              "again.")  # fmt: skip
def lab(port: int | None, host: str, browser: bool, queue: int, limit: float, store: Path, models: tuple[str, ...],
        engine: str | None) -> None:  # fmt: skip
    """Look at explanations in the browser: pictures, filters, attention, a corpus, layers and words.

    It listens on this machine alone and fetches nothing. Ctrl-C ends it; results are kept.
    """
    listening = bound(host, port)
    from pellucid.models.load import load
    from pellucid.server import make_app

    mine = [load(name) for name in dict.fromkeys(models)]
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    app = make_app(store=store, models=mine, queue=queue, seconds=limit, token=token, engine=engine)
    address = f"http://{shown(host)}:{listening.getsockname()[1]}/" + ("" if token is None else f"?token={token}")
    serve(
        app, listening, browser=address if browser else None,
        opened=f"The lab is open at {address}\nCtrl-C ends it; results are kept in {store}",
        closed=f"The lab is closed; results are kept in {store}",
    )  # fmt: skip
