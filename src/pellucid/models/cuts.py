"""Where a network, as OpenVINO's graph, can be cut in two, and what a place on each side depends on of the other.

A cut is a tensor through which everything passes on its way from the picture to the logits.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

WRITTEN = 30
"""What it takes to write a number that a layer gives, in products of a convolution: as measured."""
POINTWISE = frozenset(
    ("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Relu", "Clamp", "Elu", "Gelu", "Tanh", "Mish", "SoftPlus")
) | {"Sigmoid", "Swish", "HSwish", "HSigmoid"}
"""What computes each place from the same place alone."""
PER_CHANNEL = frozenset(("BatchNormInference", "PRelu"))
"""The same, by constants that are one number a channel."""


class Span(NamedTuple):
    """Along one axis, place n of a layer's output depends on its input's from n step - before to n step + after."""

    step: int
    before: int
    after: int

    def since(self, earlier: "Span") -> "Span":
        """The same of what depends on an earlier tensor alone, of which that is the span."""
        before, after = self.before - earlier.before, self.after - earlier.after
        return Span(self.step // earlier.step, before // earlier.step, after // earlier.step)


Spans = tuple[Span, Span]


class Cut(NamedTuple):
    """The first one is the picture itself."""

    name: str
    spans: Spans
    """What its rows and columns depend on of the picture's."""
    shape: tuple[int, ...]
    """Image, channel, row, column."""
    before: float
    """The work that comes before it."""


def folded(graph: Any, images: int | None = None) -> Any:
    """A copy whose shapes are constants, for another number of images if one is given."""
    from openvino.passes import ConstantFolding, Manager

    copy = graph.clone()
    if images is not None:
        copy.reshape([images, *tuple(graph.inputs[0].get_shape())[1:]])
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    return copy


def named(graph: Any, name: str) -> Any:
    return next(op for op in graph.get_ops() if op.get_friendly_name() == name)


def cuts(graph: Any) -> Iterator[Cut]:
    """The picture, and the places where the graph can be cut, up to the first operation that looks at more than what is near.

    Its shapes must be known, and its constants folded.
    """
    operations = [op for op in graph.get_ordered_ops() if op.get_type_name() != "Constant"]
    picture = graph.inputs[0].get_node()
    name = picture.get_friendly_name()
    nothing = Span(1, 0, 0)
    reach: dict[str, Spans] = {name: (nothing, nothing)}
    awaited = {name: len(picture.output(0).get_target_inputs())}
    before = 0.0
    yield Cut(name, reach[name], tuple(graph.inputs[0].get_shape()), before)
    for op in operations:
        if op.get_type_name() == "Parameter":
            continue
        read = [source.get_node().get_friendly_name() for source in op.input_values()]
        inner = [name for name in read if name in reach]
        found = spans_of(op, [reach[name] for name in inner]) if inner else None
        if found is None or any(output.get_target_inputs() for output in op.outputs()[1:]):
            return
        before += work(op)
        for name in inner:
            awaited[name] -= 1
        awaited = {name: count for name, count in awaited.items() if count}
        name = op.get_friendly_name()
        reach[name] = found
        awaited[name] = len(op.output(0).get_target_inputs())
        readers = [reader.get_node().get_type_name() for reader in op.output(0).get_target_inputs()]
        if len(awaited) == 1 and not all(kind in POINTWISE for kind in readers):  # those are done along with what they follow
            yield Cut(name, found, tuple(op.output(0).get_shape()), before)


def work(op: Any) -> float:
    """How long it takes, in products: what it computes, and what it writes to memory."""
    written = float(np.prod(tuple(op.output(0).get_shape()))) if op.get_output_size() else 0.0
    match op.get_type_name():
        case "Convolution" | "GroupConvolution":
            return written * (WRITTEN + float(np.prod(tuple(op.input_value(1).get_shape())[-3:])))
        case "MatMul":
            return written * (WRITTEN + float(tuple(op.input_value(0).get_shape())[-1]))
    return 0.0  # done along with the one before


def spans_of(op: Any, inner: list[Spans]) -> Spans | None:
    """What a place of its output depends on, where `inner` are those of its inputs; None for an operation not known here."""
    kind, given = op.get_type_name(), op.get_attributes()
    sources = op.input_values()
    constants = [tuple(source.get_shape()) for source in sources if source.get_node().get_type_name() == "Constant"]
    inner_sizes = {tuple(source.get_shape())[2:] for source in sources if source.get_node().get_type_name() != "Constant"}
    alike = len({tuple(span.step for span in spans) for spans in inner}) == 1 and len(inner_sizes) == 1
    if not alike or len(inner) + len(constants) != len(sources) or len(op.output(0).get_shape()) != 4:
        return None
    if kind in PER_CHANNEL:
        return inner[0]
    if kind in POINTWISE:
        # subtle: a constant that has an extent in space would have to be cropped too
        return None if any(side != 1 for shape in constants for side in shape[-2:]) else _union(inner)
    if kind == "Concat":
        return _union(inner) if given["axis"] == 1 else None
    if kind == "Pad":
        begin = op.input_value(1).get_node()
        if given["pad_mode"] != "constant" or begin.get_type_name() != "Constant":
            return None
        return _both(inner, [(1, 1, pad) for pad in begin.data.tolist()[2:]])
    if kind in ("Convolution", "GroupConvolution"):
        kernel = tuple(op.input_value(1).get_shape())[-2:]
    elif kind in ("MaxPool", "AvgPool") and given["rounding_type"] == "floor":
        kernel = given["kernel"]
    else:
        return None
    if given["auto_pad"] not in ("explicit", "notset"):
        return None
    dilations = given.get("dilations", (1, 1))
    wide = [(side - 1) * dilation + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    return _both(inner, list(zip(given["strides"], wide, given["pads_begin"], strict=True)))


def _both(inner: list[Spans], slid: list[tuple[int, int, int]]) -> Spans:
    down, across = (
        Span(span.step * stride, span.before + pad * span.step, span.after + (wide - 1 - pad) * span.step)
        for span, (stride, wide, pad) in zip(inner[0], slid, strict=True)
    )
    return down, across


def _union(inner: list[Spans]) -> Spans:
    down, across = (
        Span(spans[0].step, max(span.before for span in spans), max(span.after for span in spans))
        for spans in zip(*inner, strict=True)
    )
    return down, across
