"""The command, run by a test as a person would type it."""

import contextlib
import io
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from pellucid.cli import main


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def shell(*arguments: str, cwd: Path | None = None) -> Answer:
    """The command's own entry point in this process, which spares every test the import of torch."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["pellucid", *arguments]), warnings.catch_warnings(),
    ):  # fmt: skip
        warnings.simplefilter("always")
        try:
            main()
        except SystemExit as exit_:
            return Answer(int(exit_.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("the command did not exit")


def process(*arguments: str, cwd: Path) -> Answer:
    """The installed command in a process of its own."""
    command = [str(Path(sys.executable).with_name("pellucid")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)
