import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.server import make_app
from tests import encoders, networks
from tests.conftest import MEAN, STD

LOCAL = "http://localhost:8765"


def small(module: Any = None, name: str = "small") -> pl.ImageClassifier:
    """A network of 16 x 16 pixels under a name."""
    made = networks.seeded(module or networks.smooth_cnn())
    return pl.ImageClassifier(made, size=(16, 16), mean=MEAN, std=STD, labels=list("abcde"), name=name)


@cache
def models() -> list[Any]:
    return [small(), encoders.tiny("bert"), *(
        pl.TextEncoder(encoders.module("bert", head), encoders.tokenizer("bert"), name=name)
        for name, head in (("reader", "ForQuestionAnswering"), ("guesser", "ForMaskedLM"))
    )]  # fmt: skip


@contextmanager
def opened(store: Path, **options: Any) -> Iterator[TestClient]:
    options = {"models": models(), **options}
    with TestClient(make_app(store=store, **options), base_url=LOCAL) as client:
        yield client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with opened(tmp_path) as made:
        yield made


def jpeg(width: int = 40, height: int = 30, kind: str = "JPEG", mode: str = "RGB", seed: int = 0) -> bytes:
    noise = Image.effect_noise((width, height), 60 + seed).convert(mode)
    out = io.BytesIO()
    noise.save(out, kind)
    return out.getvalue()


def question(method: str = "saliency", sources: tuple[str, ...] = ("observation:0",), **rest: Any) -> dict[str, Any]:
    """A job's body."""
    options = rest.pop("options", {})
    request = {"model": "small", "source": list(sources), "method": method, "options": options}
    request |= {key: rest.pop(key) for key in ("target", "against", "seed") if key in rest}
    return {"kind": "explain", "request": request, "trust": False, **rest}


ENDLESS = question("smoothgrad", options={"samples": 100_000, "noise": 0.15})


def finished(client: TestClient, id: str, patience: float = 60.0) -> dict[str, Any]:
    """The job once it has ended."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        said = client.get(f"/api/jobs/{id}").json()
        if said["state"] in ("done", "cancelled", "failed"):
            return said
        time.sleep(0.01)
    raise AssertionError(f"{id} did not end")


def events(client: TestClient, id: str, **headers: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Every event until the stream ends."""
    answer = client.get(f"/api/jobs/{id}/events", headers=headers)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def parsed(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found
