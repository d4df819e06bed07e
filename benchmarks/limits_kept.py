"""What a limit promises, measured: deadlines, tolerances, memory, and that cost grows linearly.

    python benchmarks/limits_kept.py deadlines [METHOD or METRIC...] [--deadlines 0.3 1 3] [--images 1 4]
    python benchmarks/limits_kept.py tolerances [METHOD...] [--runs 100] [--photographs 3] [--model tiny] [--engine openvino]
    python benchmarks/limits_kept.py memory [METHOD...]
    python benchmarks/limits_kept.py cost [METHOD...]

`deadlines`: how long `pl.explain(..., deadline=s)` takes, or `pl.measure` of a map of SmoothGrad of ten samples, and the floor,
what the first answer alone takes. `tolerances`: in how many runs, over seeds, the answer is as near to the reference as the
tolerance that it reports as reached; "tiny" is a network of 16 x 16. `memory`: how far the resident memory of a fresh process
rises above what it was after a warm pass, and how much of that the answers must hold. `cost`: processor seconds over samples
and over images, with a straight line, drawn to `linear_cost.png`; what else runs on the machine hardly counts in them.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

import pellucid as pl
from pellucid.models.batches import Batches
from pellucid.models.engine import Engine
from pellucid.stream import bounded, drain

LAYER, FILTERS = "_blocks.5._project_conv", [0, 1, 2, 3]
REFINED = "integrated_gradients refined"
BOUND = {
    "lime": "samples",
    "kernel_shap": "samples",
    "smoothgrad": "samples",
    "integrated_gradients": "steps",
    REFINED: "refinements",
}
"""The option that the work of a method grows with."""
MOST = {"lime": 1_000_000, "kernel_shap": 1_000_000, "smoothgrad": 100_000, "integrated_gradients": 1000, REFINED: 100_000}


def started(name: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """The registered method and the options that a name here stands for."""
    return name.split()[0], ({"steps": 20, **options} if name == REFINED else options)


def paths(count: int) -> list[Path]:
    """That many photographs, beginning again where there are not as many."""
    shipped = pl.observation_paths()
    return [shipped[n % len(shipped)] for n in range(count)]


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


# ----------------------------------------------------------------------------------------------------------- deadlines


def deadlines(methods: Sequence[str], limits: Sequence[float], counts: Sequence[int]) -> None:
    model = pl.load("imagenet")
    pl.explain(model, paths(1), method="saliency")  # the network is prepared once, by its first pass
    print(f"{'method':<30}{'images':>7}{'floor':>8}" + "".join(f"{f'{limit:g} s':>16}" for limit in limits))
    worst = 0.0
    for name in methods or [*pl.methods, REFINED, "filters", *pl.metrics]:
        for count in counts:
            run = runner(model, name, count)
            floor, _ = seconds(lambda run=run: run(1e-3))
            cells = []
            for limit in limits:
                taken, answer = seconds(lambda run=run, limit=limit: run(limit))
                late = taken - limit
                cells.append(f"{taken:.2f} ({late:+.2f})" if answer.work.fraction < 1 or late > 0 else "finished")
                if answer.step > 1:
                    worst = max(worst, late)
            print(f"{name:<30}{count:>7}{floor:>8.2f}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    print(f"latest of all that took more than their first step: {worst:+.2f} s")


def runner(model: pl.ImageClassifier, name: str, count: int) -> Callable[[float], Any]:
    """What takes a deadline and gives the answer; with as much left to do as there can be."""
    if name == "filters":
        wanted = FILTERS * count
        return lambda limit: drain(bounded(pl.filters.stream(model, LAYER, wanted, steps=10_000), deadline=limit))
    given = paths(count)
    if name in pl.metrics:
        images = model.read(given)
        a = pl.explain(model, images, method="smoothgrad", samples=10)
        return lambda limit: pl.measure(model, images, a, metric=name, deadline=limit)
    method, options = started(name, **({BOUND[name]: MOST[name]} if name in BOUND else {}))
    return lambda limit: pl.explain(model, given, method=method, deadline=limit, **options)


# ---------------------------------------------------------------------------------------------------------- tolerances

ESTIMATES: list[tuple[str, float, dict[str, Any], dict[str, Any]]] = [
    *[("smoothgrad", t, {"statistic": s}, {"samples": 2000}) for s, t in
      [("mean", 0.4), ("magnitude", 0.15), ("square", 0.3), ("variance", 0.4)]],
    *[("lime", 0.3, {"design": d, "output": "logit", "segmentation": "grid", "segments": 49}, {"samples": 8000})
      for d in ("hadamard", "coin", "uniform")],
    ("kernel_shap", 0.3, {"output": "logit", "segmentation": "grid", "segments": 49}, {"samples": 20_000}),
]  # fmt: skip
"""Method, tolerance, options, and those of its reference."""
BASELINES: list[dict[str, Any]] = [{}, {"baseline": "uniform", "draws": 4}, {"baseline": "gaussian", "draws": 4}]


def tolerances(methods: Sequence[str], runs: int, photographs: int, network: str, engine: Engine) -> None:
    model = (tiny() if network == "tiny" else pl.load(network)).on(engine)
    for name, tolerance, options, many in ESTIMATES:
        if methods and name not in methods:
            continue
        held = reached = work = 0
        for path in paths(photographs):
            reference = pl.explain(model, path, method=name, seed=10**6, **options, **many)
            target, length = reference.target, reference.scores.norm()
            for seed in range(runs // photographs):
                a = pl.explain(model, path, method=name, target=target, tolerance=tolerance, seed=seed, **options)
                reached += a.worst_error <= tolerance
                held += a.worst_error <= tolerance and float((a.scores - reference.scores).norm() / length) <= tolerance
                work += a.work.forwards
        print(f"{name} {options}: {tolerance:g} reached {reached}, held {held}; {work / runs:.0f} passes a run", flush=True)
    for options in BASELINES if not methods or "integrated_gradients" in methods else []:
        held = reached = 0
        apart = []
        for path in paths(photographs):
            images = model.read(path)
            for seed in range(runs // photographs if options else 1):
                a = pl.explain(model, images, method="integrated_gradients", tolerance=0.01, seed=seed, **options)
                many = {**a.options, "steps": 200, "refinements": 0}
                finer = pl.explain(model, images, method="integrated_gradients", **many)
                change = float(finer.extras["change"])
                reached += a.worst_error <= 0.01
                held += a.worst_error <= 0.01 and abs(float(a.scores.double().sum()) - change) <= 0.0101 * abs(change)
                apart.append(float((a.scores - finer.scores).norm() / finer.scores.norm()))
        print(
            f"integrated_gradients {options}: a gap of 1 % reached {reached}, held {held}; "
            f"the map is {np.median(apart):.0%} from one of 200 points",
            flush=True,
        )


def tiny() -> pl.ImageClassifier:
    """Batch norm, ReLU and pooling with random weights, 16 x 16; looked at after every ten samples, as large images are, which
    gives more chances to stop too soon than after every fifty."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 10, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
        torch.nn.Linear(160, 5),
    )  # fmt: skip
    model = pl.ImageClassifier(module.eval(), size=(16, 16))
    vars(model)["batches"] = Batches()
    return model


# -------------------------------------------------------------------------------------------------------------- memory

BASE = {"lime": 50, "kernel_shap": 50, "smoothgrad": 16, "integrated_gradients": 16, REFINED: 16}
"""The work that 4 and 16 times as much is compared with."""


def memory(methods: Sequence[str]) -> None:
    print(f"{'MiB above the level after a warm pass':<40}{'times':>6}{'images':>7}{'risen':>8}{'answers':>9}{'rest':>7}")
    for name in methods or [*pl.methods, REFINED, "filters"]:
        for times, count in [(1, 1), (4, 1), (16, 1), (1, 4), (1, 16), (1, 64)]:
            if times > 1 and name not in BASE:
                continue
            command = [sys.executable, __file__, "one", name, str(times), str(count)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            risen, answers = found["risen"] / 2**20, found["answers"] / 2**20
            print(f"{name:<40}{times:>6}{count:>7}{risen:>8.0f}{answers:>9.1f}{risen - answers:>7.0f}", flush=True)


def one(name: str, times: int, count: int) -> None:
    """In a process of its own: prints how far its memory rises over one explanation, in bytes."""
    model = pl.load("imagenet")
    images = model.read(paths(count))
    pl.explain(model, images[0], method=started(name)[0] if name != "filters" else "saliency", **least(name))
    if name == "filters":
        pl.filters(model, LAYER, FILTERS, steps=1)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    if name == "filters":
        made = pl.filters(model, LAYER, FILTERS * count, steps=10)
        answers = made.features.nbytes
    else:
        method, options = started(name, **({BOUND[name]: BASE[name] * times} if name in BASE else {}))
        a = pl.explain(model, images, method=method, **options)
        answers = sum(t.nbytes for t in (a.scores, a.error, a.target, *a.extras.values()))
    print(json.dumps({"risen": resident("VmHWM") - before, "answers": answers}))


def least(name: str) -> dict[str, Any]:
    return {"lime": {"samples": 10}, "kernel_shap": {"samples": 10}, "smoothgrad": {"samples": 10}}.get(
        name, {"steps": 10} if name in BASE else {}
    )


def resident(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(which)).split()[1])


# ---------------------------------------------------------------------------------------------------------------- cost

TIMES = (1, 2, 3, 4)
IMAGES = (1, 2, 3, 4)


def cost(methods: Sequence[str], repeats: int) -> None:
    model = pl.load("imagenet")
    pl.explain(model, paths(1), method="saliency")
    curves: list[tuple[str, str, list[int], list[float], float, float]] = []
    for name in methods or [*BASE, "occlusion", "saliency", "grad_cam"]:
        base = BASE.get(name, 1)
        asked: list[tuple[str, list[int], list[tuple[int, int]]]] = [("images", list(IMAGES), [(base, n) for n in IMAGES])]
        if name in BASE:
            asked.insert(0, (BOUND[name], [base * n for n in TIMES], [(base * n, 1) for n in TIMES]))
        for axis, places, works in asked:
            runs = [[timed(model, name, *work) for work in works] for _ in range(repeats)]
            best = np.min(runs, axis=0)  # what else runs on the machine only ever adds
            slope, start = np.polyfit(places, best, 1)
            share = 1 - ((best - (start + slope * np.array(places))) ** 2).sum() / ((best - best.mean()) ** 2).sum()
            curves.append((name, axis, places, best.tolist(), float(slope), float(start)))
            print(
                f"{name} over {axis}: {1000 * slope:.1f} processor ms each, {1000 * start:.0f} ms before, R2 {share:.4f}",
                flush=True,
            )
    draw(curves, Path(__file__).with_name("linear_cost.png"))


def timed(model: pl.ImageClassifier, name: str, work: int, count: int) -> float:
    method, options = started(name, **({BOUND[name]: work} if name in BASE else {}))
    images = model.read(paths(count))
    start = time.process_time()
    pl.explain(model, images, method=method, target=0, **options)
    return time.process_time() - start


COLOURS = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#34495e", "#16a085"]


def draw(curves: Sequence[tuple[str, str, list[int], list[float], float, float]], to: Path) -> None:
    """Seconds over samples or steps on the left and over images on the right; points as measured, lines as fitted."""
    from PIL import Image, ImageDraw, ImageFont

    scale, width, height, edge = 2, 560, 400, 60
    sheet = Image.new("RGB", (scale * 2 * width, scale * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11 * scale)
    names = list(dict.fromkeys(name for name, *_ in curves))
    for panel, own in enumerate(([c for c in curves if c[1] != "images"], [c for c in curves if c[1] == "images"])):
        if not own:
            continue
        right, top = max(max(c[2]) for c in own), max(max(c[3]) for c in own) * 1.05

        def place(x: float, y: float, panel: int = panel, right: float = right, top: float = top) -> tuple[float, float]:
            across = panel * width + edge + x / right * (width - 2 * edge)
            return scale * across, scale * (height - edge - y / top * (height - 2 * edge))

        pen.line([place(0, top), place(0, 0), place(right, 0)], fill="#444444", width=scale)
        for share in (0.25, 0.5, 0.75, 1):
            x, y = place(right * share, 0)
            pen.text((x, y + 6 * scale), f"{right * share:.3g}", fill="#444444", font=font, anchor="mt")
            x, y = place(0, top * share)
            pen.text((x - 6 * scale, y), f"{top * share:.2g}", fill="#444444", font=font, anchor="rm")
        title = "images" if panel else "samples, steps or refinements, of one image"
        pen.text((place(right / 2, 0)[0], scale * (height - 22)), title, fill="#222222", font=font, anchor="mm")
        pen.text(
            (place(0, top)[0], scale * 28),
            "processor seconds (points: the least of the repeats, lines: least squares)",
            fill="#222222",
            font=font,
        )
        for name, _, places, taken, slope, start in own:
            colour = COLOURS[names.index(name) % len(COLOURS)]
            ends = places[0], places[-1]
            pen.line([place(x, start + slope * x) for x in ends], fill=colour, width=scale)
            for x, y in zip(places, taken, strict=True):
                a, b = place(x, y)
                pen.ellipse((a - 3 * scale, b - 3 * scale, a + 3 * scale, b + 3 * scale), fill=colour)
            number = own.index(next(c for c in own if c[0] == name))
            pen.text(
                (place(0, 0)[0] + 12 * scale, scale * (edge + 15 * number)),
                f"{name}: {1000 * slope:.1f} ms each",
                fill=colour,
                font=font,
            )
    sheet.save(to, optimize=True)
    print(f"drawn: {to.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["deadlines", "tolerances", "memory", "cost", "one"])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--deadlines", type=float, nargs="+", default=[0.3, 1, 3])
    parser.add_argument("--images", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--photographs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="imagenet", help="or tiny")
    parser.add_argument("--engine", choices=get_args(Engine), default="torch")
    asked = parser.parse_args()
    if asked.what == "deadlines":
        deadlines(asked.methods, asked.deadlines, asked.images)
    elif asked.what == "tolerances":
        tolerances(asked.methods, asked.runs, asked.photographs, asked.model, asked.engine)
    elif asked.what == "memory":
        memory(asked.methods)
    elif asked.what == "cost":
        cost(asked.methods, asked.repeats)
    else:
        one(asked.methods[0], int(asked.methods[1]), int(asked.methods[2]))


if __name__ == "__main__":
    main()
