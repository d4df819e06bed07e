"""How a course holds up: five hundred students, a hundred saves a second, and their page views in between.

`python benchmarks/course_load.py [--students 500] [--rate 100] [--seconds 600] [--url postgresql+psycopg://...]` makes a course
of its own, serves it by `pellucid course serve`, and prints a table: how long a save and a page view took over HTTP, from the
moment at which it was due (so a server that falls behind is not spared), and the errors. Saves come at random moments, from
random students, to random questions. At the end every save is looked for in the database, and every stored score is computed
again. --url names an empty database.
"""

import argparse
import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict

import httpx2
from course_running import OPTIONS, Served, Student, body, served

from pellucid.course.storage import Course

JSON = {"content-type": "application/json"}


class Load:
    """What was asked and what came back."""

    def __init__(self, course: Served, browsers: dict[int, httpx2.AsyncClient], seed: int) -> None:
        self.course, self.browsers, self.draw = course, browsers, random.Random(seed)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.last: dict[tuple[int, str], int] = {}
        self.saved: dict[str, int] = {}
        self.sent = 0

    async def save(self, student: Student, due: float) -> None:
        question = self.draw.choice(self.course.assignment.questions).id
        selected = self.draw.sample(OPTIONS, self.draw.randint(1, 4))
        operation, self.sent = f"load-{self.sent}", self.sent + 1
        base = self.last.get((student.id, question))
        content = body(operation, selected, base, self.course.assignment.hash)
        path = f"api/course/answers/{question}"
        answer = await self.ask("save", "PUT", path, student, due, content)
        if answer is not None:
            sequence = answer.json()["sequence"]
            self.saved[operation] = self.last[student.id, question] = sequence

    async def look(self, student: Student, due: float) -> None:
        path = self.draw.choice(["api/course", "api/course/questions", "api/course/answers", "api/course/answers"])
        await self.ask(f"view {path}", "GET", path, student, due)

    async def ask(
        self, what: str, method: str, path: str, student: Student, due: float, content: bytes | None = None
    ) -> httpx2.Response | None:
        headers = JSON if content else None
        try:
            answer = await self.browsers[student.id].request(
                method, self.course.address + path, headers=headers, content=content
            )
        except httpx2.HTTPError as error:
            self.errors[f"{what}: {type(error).__name__}"] += 1
            return None
        self.times[what].append(1000 * (time.monotonic() - due))
        if answer.status_code != 200:
            self.errors[f"{what}: {answer.status_code} {answer.text[:80]}"] += 1
            return None
        return answer

    async def run(self, rate: float, views: float, seconds: float) -> None:
        """Asks at random moments, whether or not earlier answers have come."""
        start = time.monotonic()
        due, running = start, set[asyncio.Task[None]]()
        while due < start + seconds:
            due += self.draw.expovariate(rate + views)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            act = self.save if self.draw.random() < rate / (rate + views) else self.look
            task = asyncio.create_task(act(self.draw.choice(self.course.students), due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


async def load(course: Served, given: argparse.Namespace) -> Load:
    async with contextlib.AsyncExitStack() as stack:
        browsers = {student.id: await stack.enter_async_context(browser(student)) for student in course.students}
        found = Load(course, browsers, given.seed)
        await asyncio.gather(*(found.look(student, time.monotonic()) for student in course.students))  # everybody is there
        found.times.clear()
        await found.run(given.rate, given.views, given.seconds)
        return found


def browser(student: Student) -> httpx2.AsyncClient:
    """A client with connections of its own: one pool for everybody would be searched through at every request."""
    # subtle: the server lets go of idle connections after five seconds; a browser would ask again then, this client fails
    limits = httpx2.Limits(max_connections=6, keepalive_expiry=3)
    return httpx2.AsyncClient(headers={"cookie": student.cookie}, limits=limits, timeout=30, verify=False)


def verify(course: Served, found: Load) -> tuple[int, int]:
    """How many of the acknowledged saves are not in the database as they were acknowledged, and how many are there."""
    kept = Course.open(course.folder, course.url)
    history = {save.operation: save.sequence for student in course.students for save in kept.history(student.id)}
    wrong = kept.recompute()
    kept.close()
    assert not wrong, wrong
    return sum(history.get(operation) != sequence for operation, sequence in found.saved.items()), len(history)


def spread(times: list[float]) -> str:
    times = sorted(times)
    at = (0.5, 0.95, 0.99, 0.999, 1.0)
    return "".join(f"{times[min(len(times) - 1, int(share * len(times)))]:10.1f}" for share in at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100.0, help="Saves a second.")
    parser.add_argument("--views", type=float, default=20.0, help="Page views a second.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url")
    given = parser.parse_args()
    with served(given.students, given.url) as course:
        before, began = course.processor(), time.monotonic()
        found = asyncio.run(load(course, given))
        used, took, resident = course.processor() - before, time.monotonic() - began, course.resident()
        lost, kept = verify(course, found)
    print(f"{given.students} students, {given.rate:g} saves and {given.views:g} views a second for {given.seconds:g} s")
    print(f"{'milliseconds':32}{'count':>8}{'median':>10}{'p95':>10}{'p99':>10}{'p99.9':>10}{'longest':>10}")
    views = {name: times for name, times in sorted(found.times.items()) if name != "save"}
    for name, times in {"save": found.times["save"], **views}.items():
        print(f"{name:32}{len(times):8}{spread(times)}" if times else f"{name:32}{0:8}")
    print(f"errors: {sum(found.errors.values())}", *(f"  {n} x {what}" for what, n in found.errors.items()), sep="\n")
    print(f"acknowledged {len(found.saved)}, in the database {kept}, of the acknowledged missing or different {lost}")
    print(f"the server used {used / took:.0%} of a core and holds {resident:.0f} MB")


if __name__ == "__main__":
    main()
