"""A batch on Ray: a few pictures a task, a processor a task. https://docs.ray.io"""

import copy
import os
import re
import socket
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from pellucid.batch.networks import Network
from pellucid.batch.plan import TOGETHER, Settings, grouped
from pellucid.batch.rows import Answered
from pellucid.batch.work import Chunk, Failure, answers
from pellucid.models.errors import first_line
from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.load import load
from pellucid.models.load_code import is_code
from pellucid.registry import Contradiction
from pellucid.request import Request

ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
}
"""Of the processes that explain: threads do not spin, and freed memory is kept for the next pass."""
RETRIES = 2
"""How often a task is tried again whose process died."""
AHEAD = 2
"""Tasks handed in for each processor, so that none waits for this process."""
SECONDS = 10
"""That a cluster's address has to answer."""
STORE = 512 * 2**20
"""Bytes of shared memory of a cluster of our own, which holds what is on its way: files of pictures there, rows back."""

Sent = Mapping[str, Any]
"""By name, a network: the reference of what was put into the cluster's store, or of code the name, since it is made there."""


def on_ray(
    models: Mapping[str, Network], requests: Sequence[Request], settings: Settings, records: bool
) -> Generator[Answered | Failure, None, None]:
    """The answers in the order in which they come. ValueError where Ray is not installed."""
    ray = _ray()
    ours = _connect(ray)
    running: dict[Any, Chunk] = {}
    try:
        sent = {name: name if is_code(name) else ray.put(_unused(model)) for name, model in models.items()}
        task = ray.remote(num_cpus=1, max_retries=RETRIES, runtime_env={"env_vars": ENVIRONMENT})(_answered)
        processors = _processors(ray)
        size = max(1, min(TOGETHER, len(requests) // (2 * processors)))
        waiting = [*grouped(requests, size)][::-1]
        again: list[Chunk] = []
        while waiting or again or running:
            while (waiting or again) and len(running) < AHEAD * _processors(ray):
                if again:
                    chunk = again.pop()
                else:
                    chunk, unread = Chunk.read(waiting.pop(), models)
                    yield from unread
                if chunk.requests:
                    running[task.remote(sent, chunk, settings, records)] = chunk
            done, _ = ray.wait(list(running), num_returns=1) if running else ([], [])
            for reference in done:
                chunk = running.pop(reference)
                try:
                    yield from ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # of every picture: what is one's own is a failure by then
                    if isinstance(error.cause, Contradiction):
                        raise error.cause from None
                    raise ValueError(
                        f"a process of the cluster cannot have the network: {type(error.cause).__name__}: "
                        f"{first_line(error.cause)}; what makes it has to be there as well"
                    ) from None
                except ray.exceptions.RayError as error:
                    singles = chunk.one_by_one()
                    if len(singles) > 1:
                        again += singles
                    else:
                        yield from (Failure(request, _told(error)) for request in chunk.requests)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if ours:
            ray.shutdown()


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # subtle: read at import; nothing is told to anybody
    try:
        import ray
    except ImportError:
        raise ValueError("engine='ray' needs Ray, which is not installed: pip install 'pellucid[ray]'") from None
    return ray


def _connect(ray: Any) -> bool:
    """Whether a cluster had to be made: there was none that this process knows of."""
    if ray.is_initialized():
        return False
    if address := os.environ.get("RAY_ADDRESS"):
        place = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
        try:
            if place:  # subtle: Ray itself would try for minutes
                socket.create_connection((place[1], int(place[2])), timeout=SECONDS).close()
            ray.init(log_to_driver=False)
        except OSError as error:  # Ray's own is a ConnectionError
            raise ConnectionError(
                f"no Ray cluster answers at {address}, which RAY_ADDRESS names ({error}); if it asks for a token, set "
                "RAY_AUTH_MODE=token here, and without RAY_ADDRESS a cluster is made on this machine"
            ) from None
        return True
    ray.init(  # subtle: without "local" it would look for one that was started here, and wait for one that has ended
        address="local", num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False, logging_level="error",
        object_store_memory=STORE, _node_ip_address="127.0.0.1",
    )  # fmt: skip
    return True


def _processors(ray: Any) -> int:
    """Of the cluster as it is now: some grow."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _unused(model: Network) -> Network:
    """The same without what it has prepared and remembers, and without what transformers hangs on an encoder that was asked:
    that has no pickle, and is hung on anew."""
    if isinstance(model, ImageClassifier):
        return replace(model)
    module = copy.deepcopy(model.module)
    for sub in module.modules():
        for number, hook in [*sub._forward_hooks.items()]:
            if (getattr(hook, "__module__", "") or "").startswith("transformers."):
                del sub._forward_hooks[number]
        if "_output_capturing_hooks_installed" in vars(sub):
            delattr(sub, "_output_capturing_hooks_installed")
    return replace(model, module=module)


_here: dict[Any, Network] = {}
"""In a process of the cluster, the networks that it has."""


def _answered(sent: Sent, chunk: Chunk, settings: Settings, records: bool) -> list[Answered | Failure]:
    models = {name: _network(sent[name], settings.engine) for name in {r.model for r in chunk.requests}}
    return list(answers(models, chunk, settings, records))


def _network(sent: Any, engine: Engine) -> Network:
    if sent not in _here:
        import ray

        found: Network = load(sent) if isinstance(sent, str) else ray.get(sent)
        _here[sent] = found.on(engine) if isinstance(found, ImageClassifier) else found
    return _here[sent]


def _told(error: Exception) -> str:
    return f"the process that explained it ended: {str(error).splitlines()[0]}"
