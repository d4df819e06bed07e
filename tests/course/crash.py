"""A process that saves answers until it is killed, and what the one who killed it knows of them."""

import contextlib
import multiprocessing
import os
import random
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from pellucid.course.storage import Course, Database, Saved

Operation = tuple[int, str, list[str], str]
"""Member, question, selection, the operation's name."""


@dataclass
class Ledger:
    """What was sent, and what was acknowledged of it."""

    sent: dict[str, Operation] = field(default_factory=dict[str, Operation])
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    """Sequences by operation."""
    differing: list[str] = field(default_factory=list[str])
    """Operations that were acknowledged twice, and differently."""
    repeated: int = 0
    """Operations that were sent again, as nobody knew what became of them."""


def work(url: str, hash: str, pipe: Connection) -> None:
    """Saves whatever comes through the pipe, many at once, and says which saves are committed."""
    course, lock = Course(Database(url)), threading.Lock()

    def tell(operation: str, future: "Future[Saved]") -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            pipe.send((operation, future.result().sequence))

    while True:
        for member, question, selected, operation in pipe.recv():
            future = course.database.writing(_job(member, question, selected, operation, hash))
            future.add_done_callback(lambda done, operation=operation: tell(operation, done))


def kill_often(url: str, hash: str, members: list[int], kills: int, seed: int = 0, window: int = 40) -> Ledger:
    """Kills one worker after another, each in the midst of its work; the next repeats what was not acknowledged."""
    context = multiprocessing.get_context("forkserver")  # which imports once, and not before every worker
    context.set_forkserver_preload(["tests.course.crash"])
    chance, ledger = random.Random(seed), Ledger()
    for round in range(kills + 1):
        ours, theirs = context.Pipe()
        worker = context.Process(target=work, args=(url, hash, theirs))
        worker.start()
        theirs.close()
        pending = [one for name, one in ledger.sent.items() if name not in ledger.acknowledged]
        ledger.repeated += len(pending)
        ours.send(pending)
        last = round == kills
        # the first acknowledgement says that it is at work; from then on it has some milliseconds to live
        dies = float("inf")
        while not (last and not pending) and time.monotonic() < dies:
            if not last:
                fresh = [_operation(chance, members, ledger) for _ in range(max(0, window - len(pending)))]
                pending += fresh
                if fresh:
                    ours.send(fresh)
            if wait([ours], timeout=min(30.0, max(0.0, dies - time.monotonic()))):
                pending = _note(ledger, ours, pending)
                dies = min(dies, float("inf") if last else time.monotonic() + chance.uniform(0.0, 0.12))
            elif dies == float("inf"):
                raise TimeoutError("the worker acknowledged nothing within 30 seconds")
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        with contextlib.suppress(EOFError, OSError):
            while True:  # what it had said before it died counts: a client may have read it
                _note(ledger, ours, pending)
        ours.close()
    return ledger


def _job(member: int, question: str, selected: list[str], operation: str, hash: str):
    from pellucid.course.storage import answers

    return lambda connection: answers.save(connection, member, question, selected, operation, None, hash)


def _operation(chance: random.Random, members: list[int], ledger: Ledger) -> Operation:
    name = f"operation-{len(ledger.sent)}"
    selected = sorted(chance.sample("abcd", chance.randint(0, 4)))
    ledger.sent[name] = (chance.choice(members), chance.choice(["q1", "q2", "q3"]), selected, name)
    return ledger.sent[name]


def _note(ledger: Ledger, pipe: Any, pending: list[Operation]) -> list[Operation]:
    name, sequence = pipe.recv()
    if ledger.acknowledged.setdefault(name, sequence) != sequence:
        ledger.differing.append(name)
    return [one for one in pending if one[3] != name]
