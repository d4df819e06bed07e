"""The peak of this process's resident memory while a map is made, in MiB above where it was after a small one.

    python benchmarks/peers_memory.py captum|ours ig|smoothgrad SAMPLES ENGINE

`peers.py` starts it once for each figure. Linux only: it sets the kernel's own mark back before the map is made.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see `pellucid doctor`

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from peers_gradients import captum_ig, captum_smoothgrad, our_ig, our_smoothgrad
from peers_race import Part

from pellucid.models.image import ImageClassifier
from pellucid.models.load import load_classifier

PROCESS = Path("/proc/self")


def main() -> None:
    who, method, samples, engine = sys.argv[1:]
    model = replace(load_classifier("imagenet"), engine=engine)  # pyright: ignore[reportArgumentType]
    images = model.read("observation:0")
    part = Part(images, model.on("torch").targets(images), 0)
    makers: dict[tuple[str, str], Callable[[ImageClassifier, int], object]] = {
        ("captum", "ig"): lambda model, n: captum_ig(model.module, part, n, None),
        ("captum", "smoothgrad"): lambda model, n: captum_smoothgrad(model.module, part, n, None, 0),
        ("ours", "ig"): lambda model, n: our_ig(model, part, steps=n),
        ("ours", "smoothgrad"): lambda model, n: our_smoothgrad(model, part, n, 0),
    }
    make = makers[who, method]
    make(model.on("torch"), 2)  # so that all of what another engine compiles and holds is counted
    gc.collect()
    level = resident("VmRSS")
    (PROCESS / "clear_refs").write_text("5")
    make(model, int(samples))
    print(json.dumps(max(resident("VmHWM") - level, 1.0)))  # less than a MiB cannot be told from nothing


def resident(what: str) -> float:
    """VmRSS, now, or VmHWM, the highest since the mark was set back; in MiB."""
    lines = (PROCESS / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


if __name__ == "__main__":
    main()
