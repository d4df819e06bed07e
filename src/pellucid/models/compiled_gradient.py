"""The way back through a network as OpenVINO runs it: compared with torch's own before anything else is asked."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, fx

from pellucid.models.batches import SMALL
from pellucid.models.engine import (
    check_float32,
    check_logits,
    compiling,
    logits_of,
    noise_like,
    request_of,
)
from pellucid.models.errors import first_line
from pellucid.models.finite import check_features
from pellucid.models.lowered import lower
from pellucid.models.prepared import Prepared

TOGETHER = 5
"""Small images that a pass takes at once; larger ones come one by one. Every layer's output is held for each: one of
EfficientNet-Lite0 at 224 takes 50 MiB, and five together would be a sixth faster."""
ALIKE = 0.9999
"""The least cosine of a gradient with torch's; float32 itself comes no closer at the kinks of a ReLU6."""


@final
class CompiledGradient:
    """The logits, and the gradient by the features of what is made of them."""

    def __init__(self, network: Prepared, shape: tuple[int, ...], lowered: bool = False) -> None:
        """In float32, or `lowered`: the dense layers of the way back in bfloat16, where that is as close to torch's gradient.

        ValueError when the pass back cannot be put for OpenVINO, or gives another gradient than torch does.
        """
        noise = noise_like(shape)
        logits, each, expected = _by_torch(network, noise)
        self.classes = logits.shape[1]
        self._together = TOGETHER if shape[1] * shape[2] < SMALL else 1
        self._lock = threading.Lock()
        traced = _traced(network, self._together, shape, self.classes)
        sizes = [[self._together, *shape], [self._together, self.classes], [1, 1], [1, 1]]
        for low in (True, False) if lowered else (False,):
            try:
                self._request, self.lowered = _compiled(traced, sizes, low), low
                # subtle: memory of ours, bound once; handing arrays over each time takes half a millisecond
                self._read, self._found = _bound(self._request)
                found, gradients = self(noise, each, 0.0, 0.0)
                check_logits(found, logits, network, noise)
                _check_gradient(gradients, expected)
                return
            except ValueError:
                if not low:
                    raise

    def __call__(
        self,
        features: Float[Tensor, "batch channel height width"],
        direct: Float[Tensor, "batch class"],
        soft: float,
        odds: float,
    ) -> tuple[Float[Tensor, "batch class"], Float[Tensor, "batch channel height width"]]:
        """See `gradient_graph` for what it reads and gives."""
        check_features(features)
        logits, gradients = direct.new_empty(direct.shape), features.new_empty(features.shape)
        parts = (one.split(self._together) for one in (features, direct, logits, gradients))
        with self._asked(soft, odds):
            for some, chosen, said, slopes in zip(*parts, strict=True):
                self._read[0][: len(some)] = some
                self._read[1][: len(some)] = chosen
                self._request.infer()
                for place, found in zip((said, slopes), self._found, strict=True):
                    place.copy_(found[: len(some)])
        return logits, gradients

    def summed(
        self,
        start: Float[Tensor, "channel height width"],
        step: Float[Tensor, "channel height width"],
        where: Float[Tensor, " place"],
        weights: Float[Tensor, " place"],
        direct: Float[Tensor, "1 class"],
        soft: float,
        odds: float,
    ) -> tuple[Float[Tensor, "place class"], Float[Tensor, "channel height width"]]:
        """The logits at every start + where * step, and the weighted sum of the gradients there, of which none is kept."""
        check_features(start)
        check_features(step)
        logits = direct.new_empty(len(where), self.classes)
        # subtle: by numpy, since torch wakes a thread for so many numbers, which is then in the way of the engine's
        begin, line = start.numpy(), step.numpy()
        total, scaled = np.zeros_like(begin), np.empty_like(begin)
        parts = (one.split(self._together) for one in (where, weights, logits))
        with self._asked(soft, odds):
            self._read[1][:] = direct
            for some, counts, said in zip(*parts, strict=True):
                for place, at in zip(self._read[0].numpy(), some.tolist(), strict=False):
                    np.multiply(line, at, out=place)
                    place += begin
                self._request.infer()
                said.copy_(self._found[0][: len(some)])
                for slopes, count in zip(self._found[1].numpy(), counts.tolist(), strict=False):
                    np.multiply(slopes, count, out=scaled)
                    total += scaled
        return logits, torch.from_numpy(total)

    @contextmanager
    def _asked(self, soft: float, odds: float) -> Iterator[None]:
        """While nobody else may use the memory: with these, what is written there is what is asked."""
        with self._lock:
            for place, number in zip(self._read[2:], (soft, odds), strict=True):
                place.fill_(number)
            yield


def _by_torch(network: Prepared, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The logits, a number for each, and the gradient of their sum of products. ValueError for a network that is not in
    float32."""
    check_float32(network)
    generator = torch.Generator().manual_seed(1)
    found = []
    # subtle: one by one, since the engine's memory comes on top of all that torch has once taken
    for picture in pictures.split(1):
        with torch.inference_mode(False), torch.enable_grad():
            leaf = picture.clone().requires_grad_()
            logits = logits_of(network.module(leaf.clone()))
            each = torch.randn(logits.shape, generator=generator)
            (gradient,) = torch.autograd.grad((logits * each).sum(), leaf)
        found.append((logits.detach(), each, gradient))
    logits, each, gradients = map(torch.cat, zip(*found, strict=True))
    return logits, each, gradients


def _traced(network: Prepared, together: int, shape: tuple[int, ...], classes: int) -> fx.GraphModule:
    from pellucid.models.gradient_graph import gradient_graph  # subtle: torch's decompositions take a while to import

    # subtle: torch's pass comes before this, so that what it takes is free again when the engine needs it
    try:
        return gradient_graph(network.module, together, shape, classes, logits_of)
    except Exception as error:  # whatever: what cannot be traced fails in any way
        raise ValueError(first_line(error)) from error


def _compiled(traced: fx.GraphModule, sizes: Sequence[Sequence[int]], lowered: bool) -> Any:
    """What runs it."""
    try:
        graph = _read(traced, sizes)
        if not lowered:
            return request_of(graph, "float32")
        if not lower(graph, asked=1):
            raise ValueError("no dense layer on the way back")
        return request_of(graph, "as it says")
    except Exception as error:  # whatever: what cannot be read fails in any way
        raise ValueError(first_line(error)) from error


def _check_gradient(found: Tensor, gradient: Tensor) -> None:
    alike = torch.cosine_similarity(found.flatten(1), gradient.flatten(1))
    if not float(alike.min()) >= ALIKE:
        raise ValueError(f"its gradient has a cosine of {float(alike.min()):.6f} with torch's")


def _bound(request: Any) -> tuple[list[Tensor], list[Tensor]]:
    """What the request reads and what it gives, to be written and read."""
    import openvino

    compiled = request.get_compiled_model()
    read = [torch.zeros(*port.shape) for port in compiled.inputs]
    for number, one in enumerate(read):
        request.set_input_tensor(number, openvino.Tensor(one.numpy(), shared_memory=True))
    return read, [torch.from_numpy(request.get_output_tensor(number).data) for number, _ in enumerate(compiled.outputs)]


def _read(traced: fx.GraphModule, sizes: Sequence[Sequence[int]]) -> Any:
    """The traced graph as OpenVINO's, its inputs of these sizes."""
    from openvino import PartialShape
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    with compiling, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        front = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchFXPythonDecoder(traced)  # subtle: it must live as long as the graph is being made
        graph = front.convert(front.load(decoder))
    graph.reshape({one: PartialShape([*size]) for one, size in zip(graph.inputs, sizes, strict=True)})
    return graph
