"""A PostgreSQL server of the tests' own: Debian's binaries, a temporary folder, a socket that nobody else knows."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

USER = "pellucid"
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200", "autovacuum=off")
"""The server's machine does not lose power in a test. What our own code asks of a commit is left as it is."""


def binaries() -> Path:
    """The folder with initdb and postgres of the newest version; RuntimeError where there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    if folders:
        return folders[0]
    if (found := shutil.which("postgres")) and shutil.which("initdb"):
        return Path(found).parent
    raise RuntimeError("no PostgreSQL server is installed, and its tests are not skipped: apt-get install postgresql")


@contextmanager
def server(options: tuple[str, ...] = FAST) -> Iterator[str]:
    """The URL of a database server without databases of its own; put a name between `@/` and `?`."""
    # subtle: PostgreSQL refuses to run as root, and a socket's path has at most 107 characters
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None and any(entry.pw_name == "postgres" for entry in pwd.getpwall()):
        user = "postgres"
    folder = Path(tempfile.mkdtemp(prefix="pellucid-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)
    bin, data = binaries(), folder / "data"
    try:
        subprocess.run(
            [bin / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-N"],
            user=user, check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        asked = [part for one in (*options, "listen_addresses=") for part in ("-c", one)]
        log = (folder / "log").open("wb")
        with log, subprocess.Popen(
            [bin / "postgres", "-D", data, "-k", folder, *asked], user=user, stdout=log, stderr=log, cwd=folder
        ) as process:  # fmt: skip
            try:
                _wait(process, folder)
                yield f"postgresql+psycopg://{USER}@/?host={folder}"
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make(url: str, name: str) -> str:
    """The URL of a new database."""
    with psycopg.connect(_plain(url, "postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    return url.replace("@/", f"@/{name}")


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once: {(folder / 'log').read_text()[-2000:]}")
        try:
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not answer within ten seconds")


def _plain(url: str, name: str) -> str:
    """As the driver reads it, without the dialect's name."""
    return url.replace("+psycopg", "").replace("@/", f"@/{name}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the server ends with this
    with server(("max_connections=200",)) as at:  # as Debian sets it up, fsync and all: benchmarks are timed on it
        print(make(at, "course"), flush=True)
        input("an empty database for a benchmark; Enter ends it\n")
