"""The command, as a process of its own: its address, its end, and what survives when it is killed."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pellucid.cli.serving import bound
from tests.cli.command import shell

PELLUCID = str(Path(sys.executable).with_name("pellucid"))


@contextmanager
def lab(store: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running lab and its address."""
    command = [PELLUCID, "lab", "--no-browser", "--store", str(store), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=store.parent)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.poll())
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def job(samples: int) -> dict[str, Any]:
    request = {"model": "imagenet", "source": ["observation:0"], "method": "smoothgrad", "options": {"samples": samples}}
    return {"kind": "explain", "request": request, "trust": False}


def until(address: str, id: str, ready: Any) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        said = ask(address, f"api/jobs/{id}")
        if ready(said):
            return said
        time.sleep(0.05)
    raise AssertionError("it never was")


def following(address: str, id: str, after: int = 0, enough: str = "") -> list[tuple[int, str, Any]]:
    """Events after that number, to the end or until one of the kind `enough`, when the connection is dropped."""
    request = urllib.request.Request(f"{address}api/jobs/{id}/events", headers={"last-event-id": str(after)})
    found: list[tuple[int, str, Any]] = []
    number, kind = 0, ""
    with urllib.request.urlopen(request, timeout=60) as stream:
        for line in stream:
            name, _, value = line.decode().strip().partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                found.append((number, kind, json.loads(value)))
                if kind == enough:
                    break
    return found


def test_a_connection_that_was_dropped_in_mid_stream_goes_on_and_the_job_never_stopped(tmp_path):
    with lab(tmp_path / "store") as (_, address):
        id = ask(address, "api/jobs", job(60))["id"]
        seen = following(address, id, enough="step")
        assert 0 < seen[-1][2]["fraction"] < 1
        rest = following(address, id, after=seen[-1][0])
        numbers = [number for number, _, _ in seen + rest]
        assert numbers == sorted(set(numbers))
        steps = [data["step"] for _, kind, data in seen + rest if kind == "step"]
        assert steps == sorted(set(steps))  # none twice
        assert [kind for _, kind, _ in rest][-2:] == ["step", "done"]
        assert rest[-2][2]["fraction"] == 1.0
        assert following(address, id, after=rest[-1][0]) == []


def test_a_killed_lab_loses_no_finished_result_and_ctrl_c_ends_one_in_mid_job(tmp_path):
    store = tmp_path / "store"
    with lab(store) as (process, address):
        done = ask(address, "api/jobs", job(4))["id"]
        before = until(address, done, lambda said: said["state"] == "done")
        other = ask(address, "api/jobs", job(100_000))["id"]
        until(address, other, lambda said: said["steps"] > 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with lab(store) as (process, address):
        assert ask(address, f"api/jobs/{done}") == before
        assert ask(address, "api/jobs", job(4)) == {"id": done, "state": "done", "position": None, "url": f"/api/jobs/{done}"}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(address, f"api/jobs/{other}")
        assert ask(address, "api/jobs", job(100_000))["id"] == other
        until(address, other, lambda said: said["steps"] > 0)
        with urllib.request.urlopen(f"{address}api/jobs/{other}/events") as stream:
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            stream.read()
        assert process.wait(20) == 0
        assert time.monotonic() - start < 15  # two seconds on an idle machine, which is for a benchmark to say
    assert sorted(p.name for p in (store / "results").iterdir()) == [f"{done}.json", f"{done}.safetensors"]


def test_another_address_wants_the_token_that_was_printed(tmp_path):
    with lab(tmp_path / "store", "--host", "0.0.0.0", "--port", "0") as (_, address):
        port, token = re.search(r":(\d+)/\?token=(\S+)", address).groups()  # type: ignore[union-attr]
        local = f"http://127.0.0.1:{port}/"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(local, "api/health")
        request = urllib.request.Request(local + "api/health", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["ready"] is True


def test_a_folder_that_cannot_keep_anything_is_refused_at_once(tmp_path):
    taken = tmp_path / "a file"
    taken.write_text("")
    answer = shell("lab", "--no-browser", "--port", "0", "--store", str(taken / "lab"))
    assert answer.returncode == 2
    assert f"results cannot be kept in '{taken / 'lab'}': " in answer.stderr
    assert "name a folder that can be written to" in answer.stderr


def test_the_next_free_port_is_taken_unless_one_was_asked_for():
    with bound("127.0.0.1", None) as first, bound("127.0.0.1", None) as second:
        ports = first.getsockname()[1], second.getsockname()[1]
        assert ports[0] < ports[1] < 8765 + 50
        done = shell("lab", "--no-browser", "--port", str(ports[1]))
        assert done.returncode == 2
        assert f"cannot listen on port {ports[1]}" in done.stderr
        assert "another --port" in done.stderr


def test_it_listens_on_this_machine_alone():
    with bound("127.0.0.1", 0) as made:
        assert made.getsockname()[0] == "127.0.0.1"
        assert made.family == socket.AF_INET
