"""Serving an application from the shell: a port of its own, an address to open, and an end by Ctrl-C."""

import errno
import gc
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import Any, NoReturn

import click

from pellucid.cli import look_as_usual

PORT = 8765
TRIED = 50
"""Ports after the usual one that are tried when it is taken."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::")


def bound(host: str, port: int | None) -> socket.socket:
    """A socket on that port; without one, on the usual port or the next that is free. UsageError where there is none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    wanted = range(PORT, PORT + TRIED) if port is None else [port]
    for number in wanted:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((where[0], number, *where[2:]))
            made.listen(1024)
        except OSError as error:
            made.close()
            if port is not None or error.errno != errno.EADDRINUSE:
                raise click.UsageError(
                    f"cannot listen on port {number} of {host}: {error.strerror}; try another --port"
                ) from None
            continue
        return made
    raise click.UsageError(f"the ports {PORT} to {PORT + TRIED - 1} of {host} are all taken; name a free one: --port N")


def shown(host: str) -> str:
    """The host as it stands in an address."""
    return socket.getfqdn() if host in ANY else f"[{host}]" if ":" in host else host


def serve(
    app: Any,
    listening: socket.socket,
    *,
    opened: str,
    closed: str,
    browser: str | None,
    connections: int = 400,
    close: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Serves a lab until Ctrl-C, and ends the process.

    `opened` is said when it answers, `closed` when it has ended; `browser` is the address to open, if any. Beyond that many
    connections others are told to come again. `close` is called when nobody is answered any more.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                look_as_usual()
                gc.collect()
                gc.freeze()  # to go through all that is imported, again and again, would take a third of a second each time
                click.echo(opened)
                sys.stdout.flush()
                if browser is not None:
                    threading.Thread(target=webbrowser.open, args=(browser,), daemon=True).start()

        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.lab.close(0.0)  # now, so that streams of events end and nobody waits for them
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1,
        limit_concurrency=connections, lifespan="on", ws="none",
    )  # fmt: skip
    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
    close()
    click.echo(closed, err=True)
    app.state.lab.close(0.1)
    sys.stdout.flush()
    sys.stderr.flush()
    # subtle: a batch that is being worked on cannot be broken off, and taking torch apart takes seconds; all that is to be kept
    # is on the disk
    os._exit(0)
