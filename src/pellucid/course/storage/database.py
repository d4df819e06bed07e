"""One database, SQLite or PostgreSQL: many readers, and one thread that writes.

All that waits to be written goes into one transaction, and is acknowledged after its commit: a hundred saves a second cost few
flushes to disk. Only one such transaction runs at a time, over all processes (SQLite's write lock; an advisory lock in
PostgreSQL), so that what a job reads inside it is still so when it commits.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError

from pellucid.course.values import CourseError, Refused, Unavailable

T = TypeVar("T")
Job = Callable[[sa.Connection], Any]
Waiting = tuple[Job, "Future[Any]"]

BATCH = 256
"""Jobs in one transaction, at most: a long queue must not keep the first of it waiting."""
BUSY = 15_000
"""Milliseconds that a writer waits for another process."""
LOCK = 0x70656C6C75636964
"""The advisory lock of writers in PostgreSQL: "pellucid"."""

log = logging.getLogger(__name__)


@final
class Database:
    """An open database. `read` and `write` may be called from any thread; close it when done."""

    def __init__(self, url: str) -> None:
        """Of `sqlite:///PATH` or `postgresql+psycopg://...`. Opens nothing yet, so no error is raised before first use."""
        try:
            self.url = sa.make_url(url)
        except ArgumentError:
            raise Refused(f"{url!r} is no database; give sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME") from None
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise Refused(f"{self.url.get_backend_name()!r} is not supported; known: sqlite, postgresql")
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite and not self.url.database:
            raise Refused("a course is kept in a file; give sqlite:///PATH")
        self._reader, self._writer = self._engine(reads=True), self._engine(reads=False)
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._state = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def migrate(self) -> None:
        """Bring the tables to this program's release; make them where there are none. Refused for those of a later one."""
        from pellucid.course.storage.migrations import upgrade

        self.prepare()
        with self.guarded():
            upgrade(self._writer)

    def prepare(self) -> None:
        """Make the file of a SQLite database that is not there yet: only its owner may read it, for the key is in it."""
        if self.sqlite:
            path = Path(str(self.url.database))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment of the database and cannot write."""
        with self.guarded(), self._reader.connect() as connection:
            yield connection

    def write(self, job: Callable[[sa.Connection], T]) -> T:
        """What `job` returns, after the transaction in which it ran is committed."""
        return self.writing(job).result()

    def writing(self, job: Callable[[sa.Connection], T]) -> "Future[T]":
        """The same as a future. An error of the job undoes this job alone; Unavailable where the commit failed."""
        future: Future[T] = Future()
        with self._state:
            if self._closed:
                future.set_exception(Unavailable("the course is shutting down; nothing was saved"))
                return future
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="course writer", daemon=True)
                self._thread.start()
            self._queue.put((job, future))
        return future

    def close(self) -> None:
        """Write what is waiting, then let go of every connection. Closing twice is closing once."""
        with self._state:
            if not self._closed:
                self._queue.put(None)
            self._closed = True
        if self._thread is not None:
            self._thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def backup(self, path: str | Path) -> dict[str, int]:
        """Rows by table in the file that is now at `path`: one moment of the course, while it goes on."""
        from pellucid.course.storage.backup import backup

        return backup(self, Path(path))

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """What the driver raises, as Unavailable with what would do."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise Unavailable(f"the database does not answer: {error.orig}") from error
        except DatabaseError as error:
            if type(error) is not DatabaseError:
                raise  # subtle: of its kinds, SQLite keeps the bare one for a file that is damaged; the others are our mistakes
            raise Unavailable(
                f"{self.url.render_as_string()} cannot be read: {error.orig}; move the file away, and put a backup in its "
                "place by `pellucid course restore`"
            ) from error

    @property
    def writer(self) -> sa.Engine:
        """For migrations and restores, which run before anybody else is there."""
        return self._writer

    def _run(self) -> None:
        while True:
            taken = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(taken) < BATCH:
                    taken.append(self._queue.get_nowait())
            self._commit([one for one in taken if one is not None])
            if None in taken:  # put last, by `close`
                return

    def _commit(self, batch: list[Waiting]) -> None:
        batch = [(job, future) for job, future in batch if future.set_running_or_notify_cancel()]
        if not batch:
            return
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            with self._writer.begin() as connection:
                outcomes = [_run_one(connection, job) for job, _ in batch]
        except Exception as error:
            reason = getattr(error, "orig", None) or error
            log.warning("a transaction of %d was not committed: %s", len(batch), reason)
            failed = Unavailable(f"the database could not write: {reason}. Nothing was saved; to try again is safe")
            failed.__cause__ = error
            outcomes = [(None, failed)] * len(batch)
        for (_, future), (result, error) in zip(batch, outcomes, strict=True):
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _engine(self, reads: bool) -> sa.Engine:
        size = {"pool_size": 16, "max_overflow": 32} if reads else {"pool_size": 1, "max_overflow": 0}
        if not self.sqlite:
            # a reader sees one moment over several statements; what a job reads after the writers' lock is what was committed
            level = "REPEATABLE READ" if reads else "READ COMMITTED"
            options = "-c default_transaction_read_only=on" if reads else f"-c lock_timeout={BUSY}"
            engine = sa.create_engine(
                self.url, isolation_level=level, pool_pre_ping=True, connect_args={"options": options}, **size
            )  # fmt: skip
            if not reads:
                event.listen(engine, "begin", _take_lock)
            return engine
        engine = sa.create_engine(self.url, connect_args={"timeout": BUSY / 1000, "check_same_thread": False}, **size)
        event.listen(engine, "connect", _sqlite_reader if reads else _sqlite_writer)
        event.listen(engine, "begin", _begin_reading if reads else _begin_writing)
        return engine


def _run_one(connection: sa.Connection, job: Job) -> tuple[Any, Exception | None]:
    """The job's result or its error. What it wrote before an error is undone, and the transaction goes on."""
    savepoint = connection.begin_nested()
    try:
        result = job(connection)
    except Exception as error:
        savepoint.rollback()
        if isinstance(error, OperationalError | InterfaceError):
            raise  # the database, not the job: nobody's write in this transaction is safe
        if not isinstance(error, CourseError):
            log.exception("a job of the course failed")
        return None, error
    savepoint.commit()
    return result, None


def _sqlite_writer(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # or the driver would begin and commit when it pleases
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk when it returns
    connection.execute("PRAGMA foreign_keys=ON")


def _sqlite_reader(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _begin_writing(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _take_lock(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
