"""A network in eight-bit integers, which a CPU multiplies several times as fast as float32.

Weights are rounded to 255 steps a channel, and what goes into a layer to 256 steps between the least and the largest value that
it has for some pictures: Jacob and others, CVPR 2018, https://arxiv.org/abs/1712.05877. The first layer stays as it is, since
it costs little and the picture's own values suffer most. Answers differ from the network's own by a fifth to a third of how
much those of perturbed copies vary, so this is for sums over many of them.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from pellucid.models.cuts import folded

LAYERS = ("Convolution", "GroupConvolution", "MatMul")


def quantized(graph: Any, request: Any, seen: Float32[Tensor, "picture channel height width"]) -> Any:
    """A copy of OpenVINO's graph in which every layer but the first computes in integers, as OpenVINO then does.

    `seen` are pictures like those that will be asked about, which tell how large values become; `request` compiles a graph.
    ValueError for a network of fewer than two layers.
    """
    copy = folded(graph)
    layers = _layers(copy)
    if not layers:
        raise ValueError("it has but one layer that would be quicker in integers, and the first stays as it is")
    for layer, (low, high) in zip(layers, _ranges(graph, request, seen), strict=True):
        _step(layer.input(0), *_steps(low, high), 256)
        weights = np.abs(layer.input_value(1).get_node().data)
        most = np.maximum(weights.max(axis=_within_channel(layer), keepdims=True), np.float32(1e-8))
        _step(layer.input(1), -most, most, 255)
    return copy


def _layers(graph: Any) -> list[Any]:
    """All but the first, of those with constant weights."""
    found = [op for op in graph.get_ordered_ops() if op.get_type_name() in LAYERS]
    return [op for op in found[1:] if op.input_value(1).get_node().get_type_name() == "Constant"]


def _ranges(graph: Any, request: Any, seen: Tensor) -> list[tuple[float, float]]:
    """The least and the largest value that goes into each layer."""
    import openvino
    from openvino import opset13

    copy = folded(graph)
    ends: list[Any] = []
    for layer in _layers(copy):
        value = layer.input_value(0)
        axes = np.arange(len(value.get_shape()))
        ends += [opset13.reduce_min(value, axes).output(0), opset13.reduce_max(value, axes).output(0)]
    model: Any = openvino.Model  # its types and those that it is made of are declared apart
    asking = request(model(ends, copy.get_parameters()), "float32")
    together = int(graph.inputs[0].get_shape()[0])
    answers: list[NDArray[np.float32]] = []
    for start in range(0, len(seen), together):
        # the last ones are asked twice instead of zeros, which are no pictures
        some = seen[max(0, min(start, len(seen) - together)) :][:together]
        filled = np.resize(some.numpy(), (together, *some.shape[1:]))
        found = asking.infer([filled], share_inputs=True)
        answers.append(np.stack([found[n] for n in range(len(ends))]))
    every = np.stack(answers)
    return list(zip(every[:, 0::2].min(0).tolist(), every[:, 1::2].max(0).tolist(), strict=True))


def _steps(low: float, high: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both ends, such that 0 is a step: from 0 on where nothing is below, or else as far to either side."""
    high = max(high, 1e-8)
    if low >= 0:
        return np.array([0], np.float32), np.array([high], np.float32)
    most = max(-low, high * 128 / 127)
    return np.array([-most], np.float32), np.array([most * 127 / 128], np.float32)


def _within_channel(layer: Any) -> tuple[int, ...]:
    """The axes of its weights that one channel of its output is made of."""
    kind, axes = layer.get_type_name(), tuple(range(len(layer.input_value(1).get_shape())))
    if kind == "MatMul":
        return axes[-1:] if layer.get_attributes()["transpose_b"] else axes[-2:-1]
    return axes[2:] if kind == "GroupConvolution" else axes[1:]


def _step(into: Any, low: NDArray[np.float32], high: NDArray[np.float32], levels: int) -> None:
    from openvino import opset13

    rounded = opset13.fake_quantize(into.get_source_output(), low, high, low, high, levels)
    into.replace_source_output(rounded.output(0))
