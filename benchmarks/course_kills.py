"""What killing the server costs: it is killed without warning under load, again and again, and clients repeat what was not
acknowledged.

`python benchmarks/course_kills.py [--kills 200] [--students 50] [--url postgresql+psycopg://...]` serves a course of its own
by `pellucid course serve`, sends saves over HTTP, kills the process with signal 9 in the midst of them, starts it again, and
repeats every unacknowledged save under its own name. At the end the database is compared with what was sent and acknowledged:
lost (an acknowledged save is not there, or is another one), doubled (a save is there twice). It also says how many saves were
committed though their acknowledgement never arrived: those are what a repetition could double. A killed process is not a power
failure: for that SQLite runs with synchronous=FULL, and PostgreSQL with its own default.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx2
from course_running import OPTIONS, Served, Student, body, served

from pellucid.course.storage import Course, Saved

JSON = {"content-type": "application/json"}
AT_ONCE = 32


@dataclass
class Sent:
    student: Student
    question: str
    selected: list[str]
    sequence: int | None = None
    """As acknowledged; None as long as it was not."""


@dataclass
class Ledger:
    course: Served
    draw: random.Random
    sent: dict[str, Sent] = field(default_factory=dict[str, Sent])
    repeated: int = 0
    differing: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])

    def fresh(self) -> str:
        name = f"kill-{len(self.sent)}"
        question = self.draw.choice(self.course.assignment.questions).id
        selected = sorted(self.draw.sample(OPTIONS, self.draw.randint(0, 5)))
        self.sent[name] = Sent(self.draw.choice(self.course.students), question, selected)
        return name

    async def save(self, client: httpx2.AsyncClient, name: str) -> bool:
        """Whether it was acknowledged."""
        one = self.sent[name]
        address = f"{self.course.address}api/course/answers/{one.question}"
        headers = {"cookie": one.student.cookie, **JSON}
        content = body(name, one.selected, None, self.course.assignment.hash)
        try:
            answer = await client.put(address, headers=headers, content=content)
        except httpx2.HTTPError:
            return False
        if answer.status_code != 200:
            self.refused[f"{answer.status_code} {answer.text[:80]}"] += 1
            return False
        sequence = answer.json()["sequence"]
        self.differing += one.sequence not in (None, sequence)
        one.sequence = sequence
        return True


async def one_life(ledger: Ledger, seconds: float | None) -> None:
    """Clients repeat what is open and then go on saving, until the server has lived so long; without, until nothing is open."""
    open_ones = [name for name, one in ledger.sent.items() if one.sequence is None]
    ledger.repeated += len(open_ones)
    async with httpx2.AsyncClient(timeout=10, limits=httpx2.Limits(max_connections=AT_ONCE)) as client:
        if seconds is None:
            while open_ones:
                done = await asyncio.gather(*(ledger.save(client, name) for name in open_ones[:AT_ONCE]))
                open_ones = [name for name, ok in zip(open_ones, done, strict=False) if not ok] + open_ones[AT_ONCE:]
            return
        until = time.monotonic() + seconds

        async def keep_saving() -> None:
            while time.monotonic() < until + 1:
                if not await ledger.save(client, open_ones.pop() if open_ones else ledger.fresh()):
                    return  # the server is gone

        async def kill() -> None:
            await asyncio.sleep(until - time.monotonic())
            ledger.course.kill()

        await asyncio.gather(kill(), *(keep_saving() for _ in range(AT_ONCE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--students", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url")
    given = parser.parse_args()
    began, unheard = time.monotonic(), 0
    with served(given.students, given.url) as course:
        ledger = Ledger(course, random.Random(given.seed))
        for _ in range(given.kills):
            asyncio.run(one_life(ledger, ledger.draw.uniform(0.05, 0.8)))
            unheard += len(open_but_kept(ledger))
            course.start()
        asyncio.run(one_life(ledger, None))
        rows = stored(course)
    kept = {save.operation: save for save in rows}
    acknowledged = {name: one for name, one in ledger.sent.items() if one.sequence is not None}
    lost = [
        name for name, one in acknowledged.items()
        if name not in kept or (kept[name].sequence, list(kept[name].selected)) != (one.sequence, one.selected)
    ]  # fmt: skip
    print(f"{given.kills} kills in {time.monotonic() - began:.0f} s: {len(ledger.sent)} saves, {ledger.repeated} repeated")
    print(f"committed, but the acknowledgement never arrived: {unheard}")
    print(f"acknowledged {len(acknowledged)}, in the database {len(rows)}")
    print(f"lost {len(lost)}, doubled {len(rows) - len(kept)}, acknowledged twice and differently {ledger.differing}")
    print("refused: 0" if not ledger.refused else f"refused: {dict(ledger.refused)}")


def open_but_kept(ledger: Ledger) -> set[str]:
    """What is in the database though nobody was told."""
    waiting = {name for name, one in ledger.sent.items() if one.sequence is None}
    return waiting & {save.operation for save in stored(ledger.course)}


def stored(course: Served) -> list[Saved]:
    kept = Course.open(course.folder, course.url)
    rows = [save for student in course.students for save in kept.history(student.id)]
    kept.close()
    return rows


if __name__ == "__main__":
    main()
