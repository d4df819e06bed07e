"""A lab of its own for a benchmark."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running() -> Iterator[str]:
    """Its address, with an empty store; it ends with the `with`, whatever happens in it."""
    command = [str(Path(sys.executable).with_name("pellucid")), "lab", "--no-browser", "--port", "0"]
    with tempfile.TemporaryDirectory() as store:
        lab = subprocess.Popen([*command, "--store", store], stdout=subprocess.PIPE, text=True)
        try:
            assert lab.stdout is not None
            yield lab.stdout.readline().split()[-1]
        finally:
            lab.terminate()
            lab.wait()
