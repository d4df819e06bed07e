"""A folder of Parquet files that is added to: what is in it, and rows written to it, each file whole or not at all."""

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, final
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from pellucid.batch.plan import Settings
from pellucid.batch.rows import SCHEMA, Row, table
from pellucid.batch.work import Failure
from pellucid.store import SUFFIX, write_whole

ROWS, SECONDS = 256, 30.0
"""A file is written when there are so many rows, or this long after the one before."""
RECORDS, FAILED = "_records", "_failed.jsonl"
"""Beside the files of rows; what reads a folder of Parquet passes over names that begin so."""
_ABOUT = b"pellucid"


class Known(NamedTuple):
    """A row that is there: of which picture and which weights, and in which file."""

    content: str
    model: str
    fingerprint: str
    path: Path


@final
class Folder:
    """Where a batch keeps its rows. Not for two threads; several processes may add to one folder."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """ValueError for a folder whose rows were made in another way, or that holds other Parquet files."""
        if path.exists() and not path.is_dir():
            raise ValueError(f"{str(path)!r} is a file; name a folder for the rows")
        self.path, self.settings = path, settings
        self.known: dict[str, Known] = {}
        for file in sorted(path.glob("*.parquet")):
            self._look_into(file)
        self._waiting: list[Row] = []
        self._since = time.monotonic()

    def _look_into(self, file: Path) -> None:
        try:
            made = json.loads((pq.read_schema(file).metadata or {}).get(_ABOUT, b"null"))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{str(file)!r} cannot be read as Parquet: {error}; remove it, or name another folder") from None
        if made is None:
            raise ValueError(f"{str(file)!r} is Parquet, but not of a batch; name another folder")
        for name, (there, here) in self.settings.unlike(made).items():
            raise ValueError(
                f"the maps in {str(self.path)!r} were made with {name}={there!r}, now it is {here!r}; ask as before, or name "
                "another folder"
            )
        columns = pq.read_table(file, columns=["key", "content", "model", "fingerprint"]).to_pydict()
        for key, content, model, fingerprint in zip(*columns.values(), strict=True):
            self.known[key] = Known(content, model, fingerprint, file)

    def check_weights(self, fingerprints: Mapping[str, str]) -> None:
        """ValueError where the folder has rows of a network by that name with other weights."""
        for known in self.known.values():
            if known.model in fingerprints and known.fingerprint != fingerprints[known.model]:
                raise ValueError(
                    f"the maps in {str(self.path)!r} are of other weights than {known.model!r} has now; name another folder"
                )

    def drop(self, keys: set[str]) -> None:
        """Forgets these rows, each file whole or not at all."""
        for file in {self.known[key].path for key in keys}:
            rows = pq.read_table(file)
            kept = rows.filter(pa.array([key not in keys for key in rows["key"].to_pylist()]))
            if len(kept):
                write_whole(file, _parquet(kept))
            else:
                file.unlink()
        for key in keys:
            del self.known[key]

    def add(self, row: Row, record: bytes | None) -> None:
        """Keeps the row, in a file as soon as there are enough or the last one was written long ago; a record at once."""
        if record is not None:
            write_whole(self.path / RECORDS / f"{row.key}{SUFFIX}", record)
        self._waiting.append(row)
        if len(self._waiting) >= ROWS or time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits. OSError when the disk is full; then it still waits."""
        if self._waiting:
            name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid4().hex[:8]}.parquet"
            rows = table(self._waiting).replace_schema_metadata({_ABOUT: json.dumps(asdict(self.settings))})
            write_whole(self.path / name, _parquet(rows))
            self._waiting.clear()
        self._since = time.monotonic()

    def write_failures(self, failures: Sequence[Failure]) -> None:
        """What has no row and why, as a line of JSON each; without any, no file."""
        told = [{"source": one.request.source[0], "method": one.request.method, "error": one.error} for one in failures]
        lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in told]
        if lines:
            write_whole(self.path / FAILED, "".join(lines).encode())
        else:
            (self.path / FAILED).unlink(missing_ok=True)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows that are written, or these columns of them."""
        files = sorted(self.path.glob("*.parquet"))
        wanted: Any = None if columns is None else list(columns)
        if not files:
            return SCHEMA.empty_table() if wanted is None else SCHEMA.empty_table().select(wanted)
        return pa.concat_tables([pq.read_table(file, columns=wanted) for file in files])


def _parquet(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    return buffer.getvalue()
