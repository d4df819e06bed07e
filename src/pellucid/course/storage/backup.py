"""A course as one file: rows as JSON lines, compressed, with a checksum. It restores into either engine.

The first line says of which release the rows are, so that a later release can read them: it restores them into tables of their
own release, and carries those over.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pellucid.course.storage.database import Database
from pellucid.course.storage.migrations import HEAD, current, upgrade
from pellucid.course.storage.tables import metadata
from pellucid.course.values import Refused, stamp

KIND = "pellucid course"
FORMAT = 1
CHUNK = 1000
"""Rows in one insert."""


def backup(database: Database, path: Path) -> dict[str, int]:
    """Rows by table in the file that is now at `path`; whole, or not at all. The course may go on meanwhile."""
    from pellucid.store import write_whole

    lines: list[bytes] = []
    counts: dict[str, int] = {}
    with database.read() as connection:  # one transaction: what it sees is one moment
        if (found := current(connection)) != HEAD:
            raise Refused(f"no course of this release is in this database (its step is {found}, not {HEAD})")
        for table in metadata.sorted_tables:
            rows = connection.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
            lines += [_line([table.name, *row]) for row in rows]
            counts[table.name] = len(rows)
    columns = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
    first = {"kind": KIND, "format": FORMAT, "step": HEAD, "at": stamp(), "rows": counts, "columns": columns}
    body = b"".join([_line(first), *lines])
    data = gzip.compress(body + _line({"sha256": hashlib.sha256(body).hexdigest()}), mtime=0)
    write_whole(path, data, mode=0o600)  # the key is in it
    return counts


def restore(path: str | Path, url: str) -> dict[str, int]:
    """Rows by table that the backup put into the database at `url`, which must be empty. All of them, or none.

    Raises Refused for a file that is damaged or no backup, before anything is touched, and for a database with a course in it.
    """
    first, rows = _read(Path(path))
    database = Database(url)
    try:
        with database.guarded():
            _fill(database, first, rows)
        database.migrate()
    finally:
        database.close()
    return first["rows"]


def _fill(database: Database, first: dict[str, Any], rows: list[list[Any]]) -> None:
    database.prepare()
    with database.writer.connect() as connection:
        taken = sa.inspect(connection).get_table_names()
    if taken:
        raise Refused(
            f"{database.url.render_as_string()} is not empty: it has the tables {', '.join(sorted(taken)[:4])}, ...; "
            "restore into another one, or move it away if nothing in it is wanted"
        )
    upgrade(database.writer, first["step"])
    by_table: dict[str, list[list[Any]]] = {name: [] for name in first["columns"]}
    for name, *values in rows:
        by_table[name].append(values)
    with database.writer.begin() as connection:
        for name, columns in first["columns"].items():
            table = sa.table(name, *(sa.column(column) for column in columns))
            for some in _chunks(by_table[name]):
                connection.execute(sa.insert(table), [dict(zip(columns, values, strict=True)) for values in some])
        if not database.sqlite:
            _go_on_counting(connection, first["columns"])


def _go_on_counting(connection: sa.Connection, names: Any) -> None:
    """PostgreSQL's counters do not see the numbers that were inserted; the next must come after them."""
    inspector = sa.inspect(connection)
    for name in names:
        for column in inspector.get_columns(name):
            if column.get("autoincrement") is True:
                target = sa.column(column["name"])
                highest = connection.execute(sa.select(sa.func.max(target)).select_from(sa.table(name))).scalar()
                if highest is not None:
                    serial = sa.func.pg_get_serial_sequence(name, column["name"])
                    connection.execute(sa.select(sa.func.setval(serial, highest)))


def _read(path: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    try:
        data = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"{str(path)!r} is damaged, or no backup of a course: {error}") from None
    body, _, last = data.rstrip(b"\n").rpartition(b"\n")
    body += b"\n"
    try:
        first, checksum = json.loads(body[: body.index(b"\n")]), json.loads(last)["sha256"]
        kind, format, step = first["kind"], first["format"], first["step"]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{str(path)!r} is no backup of a course, or its end is missing") from None
    if kind != KIND or format != FORMAT:
        raise Refused(f"{str(path)!r} is a {kind!r} of format {format}; this release reads format {FORMAT} of {KIND!r}")
    if hashlib.sha256(body).hexdigest() != checksum:
        raise Refused(f"{str(path)!r} is damaged: its contents do not match its checksum")
    rows = [json.loads(line) for line in body.splitlines()[1:]]
    if len(rows) != sum(first["rows"].values()):
        raise Refused(
            f"{str(path)!r} holds {len(rows)} rows, not the {sum(first['rows'].values())} that it names (step {step})"
        )
    return first, rows


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _chunks(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    return (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK))
