"""How the lab holds up: fifty people look at finished results while one job runs.

`python benchmarks/lab_load.py [--viewers 50] [--seconds 20]` starts a lab of its own and prints JSON: answers, errors, and the
median, 95th percentile and longest time to answer in milliseconds, by what was asked; and how soon the first partial map of a
new job came, once the model was loaded.
"""

import argparse
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from typing import Any

from lab_running import running


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def job(source: int, samples: int, method: str = "smoothgrad") -> dict[str, Any]:
    request = {"model": "imagenet", "source": [f"observation:{source}"], "method": method, "options": {"samples": samples}}
    return {"kind": "explain", "request": request, "trust": False}


def first_map(address: str, body: dict[str, Any]) -> tuple[str, float]:
    """The job's id, and the seconds from asking to its first step."""
    start = time.monotonic()
    id = json.loads(ask(address, "api/jobs", body))["id"]
    with urllib.request.urlopen(f"{address}api/jobs/{id}/events", timeout=60) as stream:
        for line in stream:
            if line == b"event: step\n":
                return id, time.monotonic() - start
    raise RuntimeError("the stream ended without a step")


def view(address: str, ids: list[str], until: float, seed: int, times: dict[str, list[float]], errors: list[str]) -> None:
    """One person: now a result, now its stream, a picture, the catalog; half a second between two looks."""
    draw = random.Random(seed)
    asked = {
        "result": lambda: f"api/jobs/{draw.choice(ids)}",
        "events": lambda: f"api/jobs/{draw.choice(ids)}/events",
        "picture": lambda: f"api/pictures/observation:{draw.randrange(10)}?model=imagenet",
        "drawing": lambda: f"api/jobs/{draw.choice(ids)}/picture.png",
        "catalog": lambda: "api/catalog",
    }
    time.sleep(draw.random())
    while time.monotonic() < until:
        name = draw.choices(list(asked), [5, 2, 4, 1, 1])[0]
        start = time.monotonic()
        try:
            ask(address, asked[name]())
        except (OSError, urllib.error.HTTPError) as error:
            errors.append(f"{name}: {error}")
        times[name].append(1000 * (time.monotonic() - start))
        time.sleep(draw.uniform(0.25, 0.75))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    with running() as address:
        ids = [first_map(address, job(n, 16))[0] for n in range(6)]
        for id in ids:
            while json.loads(ask(address, f"api/jobs/{id}"))["state"] != "done":
                time.sleep(0.1)
            ask(address, f"api/jobs/{id}/picture.png")  # drawn once, as the first who looks would have it
        running_job, seconds = first_map(address, job(7, 100_000))
        times: dict[str, list[float]] = defaultdict(list)
        errors: list[str] = []
        until = time.monotonic() + given.seconds
        viewers = [
            threading.Thread(target=view, args=(address, ids, until, n, times, errors)) for n in range(given.viewers)
        ]  # fmt: skip
        for one in viewers:
            one.start()
        for one in viewers:
            one.join()
        still = json.loads(ask(address, f"api/jobs/{running_job}"))
    every = sorted(one for each in times.values() for one in each)
    print(json.dumps({
        "viewers": given.viewers, "answers": len(every), "errors": errors[:5], "error_count": len(errors),
        "milliseconds": {name: spread(sorted(each)) for name, each in {"all": every, **times}.items()},
        "first_map_seconds": round(seconds, 3), "job": {key: still[key] for key in ("state", "steps")},
    }, indent=1))  # fmt: skip


def spread(times: list[float]) -> dict[str, float]:
    at = {"median": 0.5, "p95": 0.95, "longest": 1.0}
    return {name: round(times[min(len(times) - 1, int(share * len(times)))], 1) for name, share in at.items()}


if __name__ == "__main__":
    main()
