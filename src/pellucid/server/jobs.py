"""Jobs: one thread that works, a bounded queue before it, and events that any number of clients can follow.

There is one worker, because there is one device. Between two batches of a job it answers what was asked in passing (`ask`), so
that a prediction does not wait for the end of a long explanation.
"""

import asyncio
import itertools
import json
import logging
import threading
import time
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, final

from pellucid.server.results import Results

T = TypeVar("T")
State = Literal["queued", "running", "done", "cancelled", "failed"]
ENDED = ("done", "cancelled", "failed")
KEEP = 256
"""Jobs that have ended and are still known in memory; those that are done are found in the store ever after."""
ASKED = 64
"""Questions that may wait to be answered in passing."""
AWAY = 60.0
"""Seconds for which a page may be gone: as long as it takes to load it again, or to find the network again."""
PACE = 0.05
"""Seconds between two steps that are told: more could not be drawn."""
LIBRARY = (ValueError, KeyError, IndexError, OSError)
"""What the library raises for what it was given: its text is meant for the person who asked."""
log = logging.getLogger("pellucid.lab")


class Cancelled(Exception):
    """Raised in a job's work, at the next batch, when nobody wants it any more."""


class OutOfTime(Exception):
    """Raised in a job's work when it may not go on."""


class Busy(Exception):
    """Nothing more can be taken now; its text says what waits."""


@final
@dataclass(frozen=True)
class Event:
    """Something that happened to a job: its running number, what it is, and JSON."""

    number: int
    kind: str
    data: bytes


@final
class Job:
    """One piece of work and what is known of it. Only `Jobs` changes it, under its lock."""

    def __init__(self, id: str, kind: str, body: Mapping[str, Any], work: "Callable[[Run], None]", kept: bool) -> None:
        self.id, self.kind, self.body, self.work = id, kind, body, work
        self.kept = kept
        """Whether the store has its result once it is done."""
        self.state: State = "queued"
        self.position: int | None = None
        self.steps = 0
        self.error: str | None = None
        self.notes: list[str] = []
        self.created = time.time()
        self.seconds = 0.0
        self.started = 0.0
        self.unwanted = False
        self.why: str | None = None
        """Why it is not wanted, where nobody said so."""
        self.pages: set[str | None] = set()
        """Who asked for it; None is somebody who may come back for it at any time."""
        self.events: dict[str, Event] = {}
        """The newest of each kind, in the order in which they happened."""
        self.listeners: set[Listener] = set()

    def head(self) -> dict[str, Any]:
        """What a list of jobs says of it."""
        seconds = time.monotonic() - self.started if self.state == "running" else self.seconds
        return {
            "id": self.id, "kind": self.kind, "body": self.body, "state": self.state, "position": self.position,
            "steps": self.steps, "seconds": round(seconds, 3), "created": self.created, "error": self.error,
            "notes": list(self.notes),
        }  # fmt: skip


@final
class Listener:
    """A client that waits for news, in its own event loop."""

    def __init__(self) -> None:
        self._loop, self.news = asyncio.get_running_loop(), asyncio.Event()

    def wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.news.set)


@final
class Jobs:
    """The queue, the worker, and every job that is known."""

    def __init__(
        self,
        results: Results,
        *,
        queue: int = 32,
        seconds: int | float = 600.0,
        keep: int = KEEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.results, self.queue, self.seconds, self._keep, self.clock = results, queue, seconds, keep, clock
        self._lock = threading.Condition()
        self._asked: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._waiting: deque[Job] = deque()
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._running: Job | None = None
        self._seen: dict[str | None, float] = {}
        """When each page last asked about any of its jobs."""
        # subtle: from the clock, so that the numbers go on where a server that was killed left off
        self._numbers = itertools.count(int(time.time() * 1000))
        self._thread: threading.Thread | None = None
        self._closed = False

    # ------------------------------------------------------------------------------------------- from any thread

    def ask(self, question: Callable[[], T]) -> "Future[T]":
        """The answer, from the worker, ahead of all jobs. Busy when too many wait."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Busy("the lab is closing")
            if len(self._asked) >= ASKED:
                raise Busy(f"{ASKED} questions are waiting already; ask again in a moment")
            self._asked.append((future, question))
            self._start()
        return future

    def submit(
        self,
        id: str,
        kind: str,
        body: Mapping[str, Any],
        work: "Callable[[Run], None]",
        *,
        kept: bool = True,
        stands: Callable[[], bool] = lambda: True,
        page: str | None = None,
    ) -> tuple[Job, bool]:
        """The job of that id, and whether it is a new one; one that waits, runs, or is done and still `stands` is not done
        again. With a `page`, it is cancelled once all pages that asked for it are gone (see `look`). Busy when the queue is
        full."""
        with self._lock:
            if self._closed:
                raise Busy("the lab is closing")
            self._seen[page] = self.clock()
            self._let_go()
            job = self._known.get(id)
            live = job is not None and job.state in ("queued", "running") and not job.unwanted
            if job is not None and (live or (job.state == "done" and stands())):
                job.pages.add(page)
                return job, False
            if len(self._waiting) >= self.queue:
                raise Busy(f"{self.queue} jobs are waiting already; cancel one, or ask again when one is done")
            job = Job(id, kind, body, work, kept)
            job.pages.add(page)
            self._known[id] = job
            self._known.move_to_end(id)
            self._waiting.append(job)
            self._tell_places()
            self._start()
            return job, True

    def get(self, id: str) -> Job | None:
        with self._lock:
            return self._known.get(id)

    def heads(self) -> list[dict[str, Any]]:
        """Every known job, newest first."""
        with self._lock:
            return [job.head() for job in reversed(self._known.values())]

    def look(self, job: Job) -> tuple[State, list[Event], dict[str, Any]]:
        """State, newest events and head of a job, all of one moment. The pages that asked for it are still there, since
        somebody looks: a page listens to few of its jobs at a time, but always to one."""
        with self._lock:
            self._seen.update(dict.fromkeys(job.pages, self.clock()))
            return job.state, sorted(job.events.values(), key=lambda event: event.number), job.head()

    def cancel(self, job: Job) -> None:
        """A job that waits is gone at once; one that runs stops after the batch that it is in; one that has ended stays."""
        with self._lock:
            job.unwanted = True
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled", _reason(job))
                self._tell_places()

    def _let_go(self) -> None:
        """Cancels what only pages asked for that are gone."""
        now = self.clock()
        self._seen = {page: when for page, when in self._seen.items() if now - when <= AWAY}
        for job in [*self._waiting, *([] if self._running is None else [self._running])]:
            if not job.unwanted and None not in job.pages and job.pages.isdisjoint(self._seen):
                job.why = f"the page that asked for it was gone for {AWAY:g} s; ask again"
                self.cancel(job)

    @contextmanager
    def listening(self, job: Job) -> Iterator[Listener]:
        """Inside the `with`, the listener is woken by everything that happens to the job."""
        listener = Listener()
        with self._lock:
            job.listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                job.listeners.discard(listener)

    @property
    def closing(self) -> bool:
        return self._closed

    def close(self, patience: int | float = 0.0) -> bool:
        """No more work: what waits is cancelled, what runs is stopped at its next batch. Whether the worker ended in time."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._end(self._waiting.popleft(), "cancelled", {})
            while self._asked:
                self._asked.popleft()[0].set_exception(Busy("the lab is closing"))
            for job in self._known.values():
                for listener in job.listeners:
                    listener.wake()
            self._lock.notify_all()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(patience)
        return not thread.is_alive()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="pellucid lab: cpu", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    # ------------------------------------------------------------------------------------------- in the worker

    def _work(self) -> None:
        while self._once():
            pass

    def _once(self) -> bool:
        """One question or one job; False when there will be no more."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._asked or self._waiting)
            if self._closed:
                return False
            self._let_go()
            job = None
            if not self._asked and self._waiting:
                job = self._running = self._waiting.popleft()
                job.state, job.position, job.started = "running", 0, time.monotonic()
                self._note_event(job, "started", {})
                self._tell_places()
        if job is None:
            self.serve()
        else:
            self._run(job)
        return True

    def serve(self) -> None:
        """Answers everything that was asked in passing."""
        while True:
            with self._lock:
                if not self._asked:
                    return
                future, question = self._asked.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(question())
                except BaseException as error:  # whatever it is, it belongs to whoever asked
                    future.set_exception(error)
            del future, question

    def _run(self, job: Job) -> None:
        run = Run(self, job)
        state: State = "done"
        data: dict[str, Any] = {}
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                run.heard = heard
                run.check()
                job.work(run)
                run.listen()
            data = {"record": f"/api/jobs/{job.id}/record" if job.kept else None}
        except Cancelled:
            state, data = "cancelled", _reason(job)
        except (*LIBRARY, OutOfTime) as error:
            state, data = "failed", {"detail": str(error)}
        except Exception as error:
            log.exception("job %s failed", job.id)
            state, data = "failed", {"detail": f"the lab failed at this: {type(error).__name__}: {error}"}
        try:
            self._finish(job, run, state, data)
        except OSError as error:  # the disk is full
            self._finish(job, run, "failed", {"detail": str(error)})

    def _finish(self, job: Job, run: "Run", state: State, data: dict[str, Any]) -> None:
        if state == "done" and job.kept:
            with self._lock:
                events = list(job.events.values())
                numbers = {event.kind: event.number for event in events} | {"done": next(self._numbers)}
                head = job.head() | {"state": "done", "position": None, "seconds": round(run.seconds, 3), "numbers": numbers}
            self.results.write(job.id, whole(head, events), run.record)
        with self._lock:
            self._running = None
            job.seconds = run.seconds
            self._end(job, state, data)

    def _end(self, job: Job, state: State, data: dict[str, Any]) -> None:
        job.state, job.position, job.error = state, None, data.get("detail")
        if state != "done" or job.kept:  # the store has them, or nobody wants them
            job.events = {}
        job.work = _nothing
        self._note_event(job, state, data)
        over = [id for id, one in self._known.items() if one.state in ENDED]
        for id in over[: max(0, len(over) - self._keep)]:
            del self._known[id]

    def _tell_places(self) -> None:
        for place, job in enumerate(self._waiting, start=1):
            if job.position != place:
                job.position = place
                self._note_event(job, "queued", {"position": place})

    def note_event(self, job: Job, kind: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._note_event(job, kind, data)

    def _note_event(self, job: Job, kind: str, data: dict[str, Any]) -> None:
        job.events.pop(kind, None)
        job.events[kind] = Event(next(self._numbers), kind, dumps(data))
        for listener in job.listeners:
            listener.wake()

    def wants(self, job: Job) -> bool:
        with self._lock:
            self._let_go()
        return not (self._closed or job.unwanted)


@final
class Run:
    """What a job's work says while it runs, and asks: may I go on?"""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs, self._job = jobs, job
        self._start = time.monotonic()
        self._pending: Callable[[], dict[str, Any]] | None = None
        self._told = 0.0
        self.heard: list[warnings.WarningMessage] = []
        self.record: bytes | None = None
        """What the store is to keep beside the answer."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def steps(self) -> int:
        return self._job.steps

    @property
    def left(self) -> float:
        """Seconds until the job has to end."""
        return self._jobs.seconds - self.seconds

    def check(self) -> None:
        """To be called after every batch: lets others ask in between. Cancelled when the job is to stop."""
        self._jobs.serve()
        self.listen()
        if not self._jobs.wants(self._job):
            raise Cancelled

    def check_time(self) -> None:
        """The same, and OutOfTime when the job may run no longer."""
        self.check()
        if self.left <= 0:
            raise OutOfTime(f"stopped after {self._jobs.seconds:g} s, the longest that a job may run here; ask for less")

    def say(self, kind: str, data: dict[str, Any]) -> None:
        self._jobs.note_event(self._job, kind, data)

    def step(self, make: Callable[[], dict[str, Any]]) -> None:
        """A step, told unless another one was a moment ago; `flush` tells the last one in any case."""
        self._pending = make
        self._job.steps += 1
        if time.monotonic() - self._told >= PACE:
            self.flush()

    def flush(self) -> None:
        if self._pending is not None:
            begun = time.monotonic()
            self.say("step", self._pending())
            now = time.monotonic()
            # subtle: where making the step's pictures takes long, steps are told less often, so that most time goes into work
            self._pending, self._told = None, now + 2 * (now - begun)

    def note(self, text: str) -> None:
        if text not in self._job.notes:
            self._job.notes.append(text)
            self.say("note", {"text": text})

    def listen(self) -> None:
        """Passes on what the library warned of."""
        while self.heard:
            self.note(str(self.heard.pop(0).message))


def whole(head: dict[str, Any], events: list[Event]) -> bytes:
    """The JSON of a job with its newest step, evidence and the like, which are JSON already."""
    parts = {"step": "result", "trust": "trust", "firing": "firing"}
    found = {parts[event.kind]: event.data for event in events if event.kind in parts}
    if "trust" in found:
        found["trust"] = dumps(json.loads(found["trust"])["evidence"])
    body = dumps(head)[:-1]
    for name in dict.fromkeys(parts.values()):
        body += f', "{name}": '.encode() + found.get(name, b"null")
    return body + b"}"


def events_of(document: bytes) -> list[Event]:
    """The events of a job that is done, newest of each kind, from its JSON."""
    said = json.loads(document)
    numbers = said["numbers"]
    data = {
        "step": said["result"],
        "trust": {"evidence": said["trust"]},
        "firing": said["firing"],
        "note": {"text": said["notes"][-1]} if said["notes"] else None,
        "done": {"record": f"/api/jobs/{said['id']}/record"},
    }
    events = [Event(numbers[kind], kind, dumps(value)) for kind, value in data.items() if kind in numbers]
    return sorted(events, key=lambda event: event.number)


def dumps(value: Any) -> bytes:
    """JSON in ASCII. ValueError for NaN and infinity, which JSON has no words for."""
    return json.dumps(value, allow_nan=False).encode()


def _reason(job: Job) -> dict[str, Any]:
    return {} if job.why is None else {"detail": job.why}


def _nothing(run: Run) -> None:
    """The work of a job that has ended: what it held is let go."""
