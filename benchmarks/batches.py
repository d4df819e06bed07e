"""Many pictures: what `pellucid.batch` takes beside loops, on this machine and on Ray.

    python benchmarks/batches.py [--pictures 96] [--rounds 3] [--method saliency]

Photographs of 1,280 by 960 are made in a temporary folder of those that Pellucid ships. Every way explains the same files in a
process of its own, and the ways take turns; each writes what it found into a folder. Of each is printed as JSON: the pictures
a second once the first eight were done, the seconds until then from the call on with the network loaded (on Ray its processes
start in them), and the peak of memory of all its processes, each page counted once (proportional set size; Linux only).
What stands behind is the median over the rounds, with its least and greatest.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see `pellucid doctor`

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image, ImageOps

import pellucid as pl

FIRST = 8
"""Pictures after which the clock of the rate starts: as many as a batch explains together."""
SIZE = (1280, 960)
WAYS = ("captum", "loop", "batch", "evidence", "ray-1", "ray-2")


def photographs(folder: Path, count: int) -> None:
    """So many JPEG files, no two alike."""
    shipped = sorted(Path(pl.__file__).parent.glob("data/images/*.jpg"))
    draw = random.Random(0)
    for n in range(count):
        with Image.open(shipped[n % len(shipped)]) as image:
            width, height = image.size
            share = draw.uniform(0.8, 1)
            left, top = draw.uniform(0, 1 - share) * width, draw.uniform(0, 1 - share) * height
            box = (int(left), int(top), int(left + share * width), int(top + share * height))
            part = image.convert("RGB").crop(box).resize(SIZE, Image.Resampling.LANCZOS)
        (ImageOps.mirror(part) if draw.random() < 0.5 else part).save(folder / f"{n:05}.jpg", quality=90)


def by_captum(model: pl.ImageClassifier, files: list[Path], out: Path, method: str) -> Iterator[None]:
    """As its documentation does it: a picture at a time, opened, resized, normalised, explained for the class it is given."""
    from captum.attr import LayerGradCam, Saliency  # pyright: ignore[reportMissingTypeStubs]

    module = model.module
    known = model.read(files[0])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (known.mean, known.std))
    layer = module.get_submodule(str(pl.explain(model, known, method="grad_cam").options["layer"]))
    explain: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
        "saliency": lambda inputs, target: Saliency(module).attribute(inputs, target, abs=False),
        "grad_cam": lambda inputs, target: LayerGradCam(module, layer).attribute(inputs, target),
    }
    for file in files:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
        inputs = ((torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std)[None]
        with torch.no_grad():
            target = module(inputs).argmax(1)
        np.save(out / file.stem, explain[method](inputs, target).detach().numpy())
        yield


def by_loop(model: pl.ImageClassifier, files: list[Path], out: Path, method: str) -> Iterator[None]:
    """`pl.explain`, a picture at a time."""
    for file in files:
        np.save(out / file.stem, pl.explain(model, file, method=method).map().numpy())
        yield


def race(way: str, folder: Path, out: Path, method: str) -> dict[str, float]:
    """One way, in this process."""
    files = sorted(folder.iterdir())
    processors = int(way.removeprefix("ray-")) if way.startswith("ray-") else 0
    if processors:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        import ray

        ray.init(
            address="local", num_cpus=processors, include_dashboard=False, log_to_driver=False, logging_level="error",
            object_store_memory=512 * 2**20, _node_ip_address="127.0.0.1",
        )  # fmt: skip
    model = pl.load("imagenet")
    assert isinstance(model, pl.ImageClassifier)
    ends: list[float] = []
    with Peak() as peak:
        start = time.monotonic()
        if way in ("captum", "loop"):
            for _ in (by_captum if way == "captum" else by_loop)(model, files, out, method):
                ends.append(time.monotonic())
        else:
            done = pl.batch(
                folder, out, methods=method, model=model, trust=way == "evidence", engine="ray" if processors else "local",
                progress=lambda *_: ends.append(time.monotonic()),
            )  # fmt: skip
            assert done.made == len(files), done.failed
        end = time.monotonic()
    first = ends[FIRST - 1]
    return {"a second": (len(files) - FIRST) / (end - first), "until then": first - start, "MiB": peak.mebibytes}


class Peak:
    """Of this process and of all that it started, the most memory at a look, ten times a second."""

    def __init__(self) -> None:
        self.mebibytes = 0.0
        self._over = threading.Event()
        self._looks = threading.Thread(target=self._look)

    def __enter__(self) -> "Peak":
        self._looks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looks.join()

    def _look(self) -> None:
        this = psutil.Process()
        while not self._over.wait(0.1):
            self.mebibytes = max(self.mebibytes, sum(map(_proportional, [this, *this.children(recursive=True)])))


def _proportional(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / 2**20
    except psutil.Error:  # it has ended
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="saliency", choices=("saliency", "grad_cam"))
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        with tempfile.TemporaryDirectory() as out:
            print(json.dumps(race(given.child[0], Path(given.child[1]), Path(out), given.method)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in given.ways}
    with tempfile.TemporaryDirectory() as folder:
        photographs(Path(folder), given.pictures)
        for n in range(given.rounds):
            for way in given.ways if n % 2 == 0 else given.ways[::-1]:
                command = [sys.executable, __file__, "--method", given.method, "--child", way, folder]
                run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                found[way].append(json.loads(run.stdout.splitlines()[-1]))
                print(n, way, found[way][-1], file=sys.stderr)
    print(
        json.dumps({way: {what: spread([one[what] for one in rounds]) for what in rounds[0]} for way, rounds in found.items()})
    )


def spread(values: list[float]) -> Any:
    return {"median": round(statistics.median(values), 2), "from": round(min(values), 2), "to": round(max(values), 2)}


if __name__ == "__main__":
    main()
