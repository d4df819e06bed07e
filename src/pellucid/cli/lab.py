"""`pellucid lab`"""

import errno
import os
import secrets
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Any

import click

PORT = 8765
TRIED = 50
"""Ports after the usual one that are tried when it is taken."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(epilog="Example: pellucid lab --port 9000 --no-browser")
@click.option("--port", "-p", type=click.IntRange(0, 65535), help=f"[default: {PORT}, or the next that is free]")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on. Any but this machine's own needs the token that is printed.")  # fmt: skip
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--queue", type=click.IntRange(1, 1000), default=32, show_default=True, help="Jobs that may wait.")
@click.option("--limit", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds that a job may run.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), default=Path("pellucid-out/lab"), show_default=True,
              help="Folder for results, uploads and corpora; the next lab finds them there.")  # fmt: skip
def lab(port: int | None, host: str, browser: bool, queue: int, limit: float, store: Path) -> None:
    """Look at explanations in the browser: pictures and filters.

    It listens on this machine alone and fetches nothing. Ctrl-C ends it; results are kept.
    """
    listening = _bound(host, port)
    import uvicorn

    from pellucid.server import make_app

    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    app = make_app(store=store, queue=queue, seconds=limit, token=token)
    shown = socket.getfqdn() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/" + ("" if token is None else f"?token={token}")

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                click.echo(f"The lab is open at {address}\nCtrl-C ends it; results are kept in {store}")
                sys.stdout.flush()
                if browser:
                    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.lab.close(0.0)  # now, so that streams of events end and nobody waits for them
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1, limit_concurrency=400,
        lifespan="on", ws="none",
    )  # fmt: skip
    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
    click.echo(f"The lab is closed; results are kept in {store}", err=True)
    app.state.lab.close(0.1)
    sys.stdout.flush()
    sys.stderr.flush()
    # subtle: a batch that is being worked on cannot be broken off, and taking torch apart takes seconds; all that is to be kept
    # is on the disk
    os._exit(0)


def _bound(host: str, port: int | None) -> socket.socket:
    """A socket on that port; without one, on the usual port or the next that is free. UsageError where there is none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    wanted = range(PORT, PORT + TRIED) if port is None else [port]
    for number in wanted:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((where[0], number, *where[2:]))
            made.listen(256)
        except OSError as error:
            made.close()
            if port is not None or error.errno != errno.EADDRINUSE:
                raise click.UsageError(
                    f"cannot listen on port {number} of {host}: {error.strerror}; try another --port"
                ) from None
            continue
        return made
    raise click.UsageError(f"the ports {PORT} to {PORT + TRIED - 1} of {host} are all taken; name a free one: --port N")
