"""What jobs have found, in a folder: the answer as JSON, and beside it the record that can be run again."""

import os
import tempfile
import time
from pathlib import Path
from typing import final

from pellucid.store import SUFFIX, write_whole

STALE = 60.0
"""Seconds after which a half-written file is nobody's any more."""
ROOM = 2_000_000_000
"""Bytes of results that are kept; beyond, those that were not asked for longest are let go."""


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
    """Results by a job's id in a folder, of at most `room` bytes. Each appears whole or not at all: its answer comes last."""

    def __init__(self, folder: Path, room: int = ROOM) -> None:
        self.folder, self._room = folder, room
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
        self._forget(id)

    def has(self, id: str) -> bool:
        return self._path(id).is_file()

    def read(self, id: str) -> bytes | None:
        """The answer's JSON; None where there is none."""
        try:
            os.utime(self._path(id))
            return self._path(id).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.json"

    def _forget(self, newest: str) -> None:
        """Lets go of what was not asked for longest, an answer before its record, until the rest has room."""
        sizes = {path.stem: path.stat() for path in self.folder.glob("*.json")}
        records = {id: self.record_path(id).stat().st_size for id in sizes if self.record_path(id).is_file()}
        held = sum(stat.st_size + records.get(id, 0) for id, stat in sizes.items())
        for id in sorted(sizes, key=lambda id: sizes[id].st_mtime_ns):
            if held <= self._room:
                return
            if id != newest:
                self._path(id).unlink(missing_ok=True)
                self.record_path(id).unlink(missing_ok=True)
                held -= sizes[id].st_size + records.get(id, 0)
