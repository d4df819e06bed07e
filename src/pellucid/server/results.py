"""What jobs have found, in a folder: the answer as JSON, and beside it the record that can be run again."""

import tempfile
import time
from pathlib import Path
from typing import final

from pellucid.store import SUFFIX, write_whole

STALE = 60.0
"""Seconds after which a half-written file is nobody's any more."""


def check_writable(folder: Path) -> None:
    """Makes the folder. OSError with what would do when files cannot be kept in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"results cannot be kept in {str(folder)!r}: {error.strerror}; name a folder that can be written to"
        ) from None


@final
class Results:
    """A folder of results by a job's id. Each appears whole or not at all: the answer is written last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for left in folder.glob(".*"):  # of a process that was killed as it wrote
            if left.is_file() and time.time() - left.stat().st_mtime > STALE:
                left.unlink(missing_ok=True)

    def record_path(self, id: str) -> Path:
        return self.folder / f"{id}{SUFFIX}"

    def write(self, id: str, document: bytes, record: bytes | None) -> None:
        """OSError with the reason where the disk is full; then there is no answer of that id."""
        if record is not None:
            write_whole(self.record_path(id), record)
        try:
            write_whole(self._path(id), document)
        except OSError:
            self.record_path(id).unlink(missing_ok=True)
            raise

    def has(self, id: str) -> bool:
        return self._path(id).is_file()

    def read(self, id: str) -> bytes | None:
        """The answer's JSON; None where there is none."""
        try:
            return self._path(id).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.json"
