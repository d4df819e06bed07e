"""Logits of copies of an image that differ from it in one square, computed anew only where the square reaches.

A convolution's output at a place depends on the few places of its input under the kernel, so a square changes only a part of
the first layers' outputs. Those are computed for a crop around the square, and laid into what the layers give for the image
itself; from there on the network runs as it is. The same values come out, up to rounding.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

Precision = Literal["float32", "bfloat16"]
Begun = NDArray[np.float32]
"""What images give at the cut: image, channel, row, column."""
TOGETHER = 10
"""Images that a part takes at once."""
LEAST = 0.1
"""The share of the network's work that must be saved at least."""
WRITTEN, COPIED = 30, 100
"""What it takes to write a number that a layer gives, and to copy one at the cut, in products of a convolution: as measured."""
POINTWISE = frozenset(
    ("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Relu", "Clamp", "Elu", "Gelu", "Tanh", "Mish", "SoftPlus")
) | {"Sigmoid", "Swish", "HSwish", "HSigmoid"}
"""What computes each place from the same place alone."""
PER_CHANNEL = frozenset(("BatchNormInference", "PRelu"))
"""The same, by constants that are one number a channel."""


class Span(NamedTuple):
    """Along one axis, place n of a layer's output depends on the picture's from n step - before to n step + after."""

    step: int
    before: int
    after: int


Spans = tuple[Span, Span]


class Piece(NamedTuple):
    """Along one axis: the crop of the picture, and which of its places at the cut are laid where."""

    crop: slice
    of: slice
    to: slice


@dataclass(frozen=True)
class Axis:
    """One axis of a cut: the side of the picture and of the squares, and the places of the cut."""

    span: Span
    side: int
    window: int
    places: int

    def piece(self, start: int) -> Piece:
        """For a square that starts there."""
        first, end = self._reached(start)
        begins = min(self._begins(first), self.side - self.crop)
        skipped = begins // self.span.step
        return Piece(slice(begins, begins + self.crop), slice(first - skipped, end - skipped), slice(first, end))

    @cached_property
    def crop(self) -> int:
        """How long crops are: enough for every square, whatever is left being a multiple of the step, where they may start."""
        longest = 0
        for start in range(self.side):
            first, end = self._reached(start)
            ends = min(self.side, (end - 1) * self.span.step + self.span.after + 1)
            longest = max(longest, ends - self._begins(first))
        return self.side - (self.side - longest) // self.span.step * self.span.step

    def _reached(self, start: int) -> tuple[int, int]:
        """The first place of the cut that depends on the square, and the one after the last."""
        first = max(0, -((self.span.after - start) // self.span.step))
        last = (start + self.window - 1 + self.span.before) // self.span.step
        return first, max(first, min(self.places, last + 1))

    def _begins(self, first: int) -> int:
        """Where a crop may begin so that this place has all that it depends on."""
        return max(0, (first * self.span.step - self.span.before) // self.span.step * self.span.step)


@dataclass(frozen=True)
class Cut:
    """A tensor through which everything passes on its way from the picture to the logits."""

    name: str
    down: Axis
    across: Axis
    saved: float
    """Share of the network's work."""


@final
class Local:
    """The three parts of a network as OpenVINO's: up to the cut, the same for crops, and from the cut on."""

    def __init__(self, graph: Any, window: int, request: Callable[[Any, Precision], Any]) -> None:
        """ValueError when the graph cannot be cut where it saves work, or OpenVINO cannot run its parts."""
        self._graph, self.window, self._request = folded(graph, TOGETHER), window, request
        best = max(cuts(self._graph, window), key=lambda cut: cut.saved, default=None)
        if best is None or best.saved < LEAST:
            raise ValueError("its first layers look at the whole picture, or cost too little")
        self.cut = best
        self._lock = threading.Lock()  # subtle: a request runs one batch at a time, and says so with an error
        self._parts: dict[Precision, tuple[Any, Any, Any]] = {}

    def begun(self, features: Float32[Tensor, "image channel height width"], precision: Precision) -> Begun:
        """What the images themselves give at the cut."""
        with self._lock:
            whole, _, _ = self._compiled(precision)
            return np.concatenate([self._run(whole, part.contiguous().numpy()) for part in features.split(TOGETHER)])

    def __call__(
        self,
        copies: Float32[Tensor, "copy channel height width"],
        corners: Int64[Tensor, "copy 2"],
        begun: Begun,
        owners: Int64[Tensor, " copy"],
        precision: Precision,
    ) -> Float32[Tensor, "copy class"]:
        """The logits of the copies, which differ from the images that own them in the squares at these corners at most."""
        found: list[NDArray[np.float32]] = []
        step = TOGETHER
        with self._lock:
            _, cropped, rest = self._compiled(precision)
            for start in range(0, len(copies), step):
                some = slice(start, start + step)
                places = [(self.cut.down.piece(top), self.cut.across.piece(left)) for top, left in corners[some].tolist()]
                crops = torch.stack(
                    [copy[:, down.crop, across.crop] for copy, (down, across) in zip(copies[some], places, strict=True)]
                )
                inner = begun[owners[some].numpy()]
                for to, at, (down, across) in zip(inner, self._run(cropped, crops.numpy()), places, strict=True):
                    to[:, down.to, across.to] = at[:, down.of, across.of]
                found.append(self._run(rest, inner))
        return torch.from_numpy(np.concatenate(found))

    def _run(self, request: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
        missing = TOGETHER - len(values)
        filled = np.concatenate([values, np.zeros((missing, *values.shape[1:]), np.float32)]) if missing else values
        return request.infer([filled], share_inputs=True)[0][: len(values)].copy()

    def _compiled(self, precision: Precision) -> tuple[Any, Any, Any]:
        if precision not in self._parts:
            self._parts[precision] = tuple(self._request(part, precision) for part in self._cut())
        return self._parts[precision]

    def _cut(self) -> Iterator[Any]:
        import openvino

        model: Any = openvino.Model  # its types and those that it is made of are declared apart
        for size in (None, (self.cut.down.crop, self.cut.across.crop)):
            graph = self._graph.clone()
            first = model([_named(graph, self.cut.name).output(0)], graph.get_parameters())
            if size:
                first.reshape([*tuple(graph.inputs[0].get_shape())[:2], *size])
            yield first
        graph = self._graph.clone()
        cut = _named(graph, self.cut.name).output(0)
        given = openvino.op.Parameter(openvino.Type.f32, cut.get_partial_shape())
        for reader in cut.get_target_inputs():
            reader.replace_source_output(given.output(0))
        yield model(graph.get_results(), [given])


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


def _named(graph: Any, name: str) -> Any:
    return next(op for op in graph.get_ops() if op.get_friendly_name() == name)


def cuts(graph: Any, window: int) -> Iterator[Cut]:
    """The places where the graph, OpenVINO's, can be cut, up to the first operation that looks at more than what is near.

    Its shapes must be known, and its constants folded.
    """
    operations = [op for op in graph.get_ordered_ops() if op.get_type_name() != "Constant"]
    picture = graph.inputs[0].get_node()
    sides = tuple(graph.inputs[0].get_shape())[2:]
    reach: dict[str, Spans] = {picture.get_friendly_name(): (Span(1, 0, 0), Span(1, 0, 0))}
    awaited = {picture.get_friendly_name(): len(picture.output(0).get_target_inputs())}
    everything = sum(map(work, operations))
    before = 0.0
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
            shape = tuple(op.output(0).get_shape())
            down, across = (Axis(*axis) for axis in zip(found, sides, (window, window), shape[2:], strict=True))
            share = down.crop * across.crop / (sides[0] * sides[1])
            saved = before * (1 - share) - COPIED * float(np.prod(shape))
            yield Cut(name, down, across, saved / everything)


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
