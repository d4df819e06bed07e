"""Logits of copies of an image that differ from it in one square, computed anew only where the square reaches.

A layer's output at a place depends on the few places of its input under the kernel, so a square changes only a part of what the
first layers give, and a larger part the deeper they lie. The network is cut into stages. Each computes what is changed at its
end from a crop of what is given at its start: of the image's own maps, into which the stage before has laid what it changed.
Where nearly everything is changed, the network runs as it is. The same values come out, up to rounding.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from pellucid.models.cuts import Cut, Span, cuts, folded, named, work
from pellucid.models.finite import check_features

Precision = Literal["float32", "bfloat16"]
Maps = NDArray[np.float32]
"""Image, channel, row, column."""
TOGETHER = 10
"""Images that a part takes at once."""
LEAST = 0.1
"""The share of the network's work that must be saved at least."""
COPIED, CALLED = 100, 1e7
"""What it takes to copy a number where a stage begins, and to run a stage for an image, in products of a convolution: as
measured."""


class Region(NamedTuple):
    """Places along one axis."""

    first: int
    end: int


class Piece(NamedTuple):
    """Along one axis: the crop that a stage reads, and which of the places that come of it are changed, and where they lie."""

    crop: slice
    of: slice
    changed: Region


@dataclass(frozen=True)
class Axis:
    """One axis of a stage: what its outputs depend on, how many places it reads and gives, and what may be changed of those
    that it reads."""

    span: Span
    side: int
    places: int
    regions: frozenset[Region]

    @cached_property
    def pieces(self) -> dict[Region, Piece]:
        """For each region that is changed of what is read."""
        return {region: self._piece(region) for region in self.regions}

    def _piece(self, region: Region) -> Piece:
        first, end = self.reached(region)
        begins = min(self._begins(first), self.side - self.crop)
        skipped = begins // self.span.step
        return Piece(slice(begins, begins + self.crop), slice(first - skipped, end - skipped), Region(first, end))

    @cached_property
    def crop(self) -> int:
        """How long crops are: enough for every region, whatever is left being a multiple of the step, where they may start."""
        longest = 0
        for region in self.regions:
            first, end = self.reached(region)
            ends = min(self.side, (end - 1) * self.span.step + self.span.after + 1)
            longest = max(longest, ends - self._begins(first))
        return self.side - (self.side - longest) // self.span.step * self.span.step

    def reached(self, region: Region) -> Region:
        """What depends on these places."""
        first = max(0, -((self.span.after - region.first) // self.span.step))
        last = (region.end - 1 + self.span.before) // self.span.step
        return Region(first, max(first, min(self.places, last + 1)))

    def _begins(self, first: int) -> int:
        """Where a crop may begin so that this place has all that it depends on."""
        return max(0, (first * self.span.step - self.span.before) // self.span.step * self.span.step)


Axes = tuple[Axis, Axis]


def squares(side: int, window: int) -> frozenset[Region]:
    """What squares change along an axis of the picture, wherever they start."""
    return frozenset(Region(start, min(start + window, side)) for start in range(side))


def axes(read: Cut, given: Cut, regions: Sequence[frozenset[Region]]) -> Axes:
    """Of the stage between two cuts, where those are the regions along the two axes that may be changed of what it reads."""
    down, across = (
        Axis(span.since(earlier), side, places, some)
        for span, earlier, side, places, some in zip(
            given.spans, read.spans, read.shape[2:], given.shape[2:], regions, strict=True
        )
    )
    return down, across


def reached(stage: Axes) -> list[frozenset[Region]]:
    """What may be changed of what the stage gives."""
    return [frozenset(map(axis.reached, axis.regions)) for axis in stage]


def plan(found: Sequence[Cut], window: int, everything: float) -> tuple[list[Cut], float]:
    """The cuts, the picture first, between which stages take the least work, and the share of everything that they save.

    Dijkstra's way in a graph without circles: from the last cut to the first, what is cheapest from there to the logits.
    """
    regions = [squares(side, window) for side in found[0].shape[2:]]
    changed = [reached(axes(found[0], cut, regions)) for cut in found]
    best: list[tuple[float, list[Cut]]] = [(0.0, [])] * len(found)
    for n in reversed(range(len(found))):
        read = found[n]
        size = float(np.prod(read.shape))
        ways = [(everything - read.before + COPIED * size, [read])]
        for m in range(n + 1, len(found)):
            down, across = axes(read, found[m], changed[n])
            share = down.crop * across.crop / (down.side * across.side)
            cost = share * (found[m].before - read.before + COPIED * size) + CALLED * read.shape[0]
            ways.append((cost + best[m][0], [read, *best[m][1]]))
        best[n] = min(ways, key=lambda way: way[0])
    cost, chosen = best[0]
    return chosen, 1 - cost / everything


@final
class Local:
    """The stages of a network, and the network from the last of them on, as OpenVINO's."""

    def __init__(self, graph: Any, window: int, request: Callable[[Any, Precision], Any]) -> None:
        """ValueError when the graph cannot be cut where it saves work, or OpenVINO cannot run its parts."""
        self._graph, self.window, self._request = folded(graph, TOGETHER), window, request
        chosen, saved = plan([*cuts(self._graph)], window, sum(map(work, self._graph.get_ordered_ops())))
        if saved < LEAST or len(chosen) == 1:
            raise ValueError("its first layers look at the whole picture, or cost too little")
        self.cut_at(chosen)

    def cut_at(self, chosen: Sequence[Cut]) -> None:
        """Cuts it there, the first being the picture."""
        self.cuts = chosen
        self.stages: list[Axes] = []
        regions: Sequence[frozenset[Region]] = [squares(side, self.window) for side in chosen[0].shape[2:]]
        for read, given in pairwise(chosen):
            self.stages.append(axes(read, given, regions))
            regions = reached(self.stages[-1])
        sizes = [(down.crop, across.crop) for down, across in self.stages] + [chosen[-1].shape[2:]]
        self._given = [np.zeros((*cut.shape[:2], *size), np.float32) for cut, size in zip(chosen, sizes, strict=True)]
        self._lock = threading.Lock()  # subtle: a request runs one batch at a time, and says so with an error
        self._parts: dict[Precision, tuple[Any, list[Any]]] = {}

    def begun(self, features: Float32[Tensor, "image channel height width"], precision: Precision) -> list[Maps]:
        """What the images themselves give at each cut."""
        found: list[list[Maps]] = []
        with self._lock:
            whole, _ = self._compiled(precision)
            check_features(features)
            for some in features.split(TOGETHER):
                whole.get_input_tensor().data[: len(some)] = some.numpy()
                found.append([maps[: len(some)].copy() for maps in _run(whole)])
        return [np.concatenate(maps) for maps in zip(*found, strict=True)]

    def __call__(
        self,
        copies: Float32[Tensor, "copy channel height width"],
        corners: Int64[Tensor, "copy 2"],
        begun: Sequence[Maps],
        owners: Int64[Tensor, " copy"],
        precision: Precision,
    ) -> Float32[Tensor, "copy class"]:
        """The logits of the copies, which differ from the images that own them in the squares at these corners at most."""
        found: list[Maps] = []
        pictures = copies.numpy()
        with self._lock:
            for start in range(0, len(copies), TOGETHER):
                rows = range(start, min(start + TOGETHER, len(copies)))
                whole = [[pictures[row] for row in rows]]
                whole += [[maps[owner] for owner in owners[start : rows.stop].tolist()] for maps in begun]
                found.append(self._logits(whole, corners[start : rows.stop].tolist(), precision))
        return torch.from_numpy(np.concatenate(found))

    def _logits(self, whole: Sequence[Sequence[Maps]], corners: Sequence[Sequence[int]], precision: Precision) -> Maps:
        """Of a few copies; `whole` are the copies themselves, and their images' maps at each cut."""
        _, parts = self._compiled(precision)
        changed = [
            tuple(Region(at, min(at + self.window, axis.side)) for at, axis in zip(corner, self.stages[0], strict=True))
            for corner in corners
        ]
        last: list[tuple[Maps, tuple[Piece, ...]]] = []
        for stage, part, given, maps in zip(self.stages, parts[:-1], self._given[:-1], whole[:-1], strict=True):
            pieces = [tuple(axis.pieces[one] for axis, one in zip(stage, both, strict=True)) for both in changed]
            for onto, own, (down, across) in zip(given, maps, pieces, strict=False):
                onto[:] = own[:, down.crop, across.crop]
            for onto, one, (down, across) in zip(given, last, pieces, strict=False):
                _lay(onto, (down.crop.start, across.crop.start), *one)
            if not last:
                check_features(torch.from_numpy(given[: len(corners)]))
            changed = [(down.changed, across.changed) for down, across in pieces]
            last = [*zip(_run(part)[0], pieces, strict=False)]
        for onto, own, one in zip(self._given[-1], whole[-1], last, strict=False):
            onto[:] = own
            _lay(onto, (0, 0), *one)
        return _run(parts[-1])[0][: len(corners)].copy()

    def _compiled(self, precision: Precision) -> tuple[Any, list[Any]]:
        """What gives the maps of whole images, and the stages with the rest of the network."""
        import openvino

        if precision not in self._parts:
            inner = [cut.name for cut in self.cuts[1:]]
            starts, ends = [None, *inner], [[one] for one in inner] + [None]
            whole = self._request(self._part(None, inner), precision)
            parts = [
                self._request(self._part(start, end, given.shape), precision)
                for start, end, given in zip(starts, ends, self._given, strict=True)
            ]
            for part, given in zip(parts, self._given, strict=True):
                part.set_input_tensor(openvino.Tensor(given, shared_memory=True))
            self._parts[precision] = whole, parts
        return self._parts[precision]

    def _part(self, start: str | None, ends: Sequence[str] | None, shape: tuple[int, ...] | None = None) -> Any:
        """The graph between two cuts, from the picture or up to the logits where none is named, that reads so much."""
        import openvino

        model: Any = openvino.Model  # its types and those that it is made of are declared apart
        graph = self._graph.clone()
        given = [named(graph, end).output(0) for end in ends] if ends else graph.get_results()
        read = graph.get_parameters()
        if start is not None:
            cut = named(graph, start).output(0)
            read = [openvino.op.Parameter(openvino.Type.f32, cut.get_partial_shape())]
            for reader in cut.get_target_inputs():
                reader.replace_source_output(read[0].output(0))
        part = model(given, read)
        if shape is not None:
            part.reshape([*shape])
        return part


def _run(request: Any) -> list[Maps]:
    """What it gives for what it was given to read; it is written over when it runs again."""
    request.infer()
    return [request.get_output_tensor(n).data for n in range(len(request.model_outputs))]


def _lay(onto: Maps, offset: tuple[int, int], maps: Maps, pieces: tuple[Piece, ...]) -> None:
    """Lays what a stage has changed into what the next one reads, a crop that begins there and may leave some of it out."""
    rows, columns = (_laid(*one) for one in zip(pieces, offset, onto.shape[1:], strict=True))
    onto[:, rows[0], columns[0]] = maps[:, rows[1], columns[1]]


def _laid(piece: Piece, begins: int, size: int) -> tuple[slice, slice]:
    """Along one axis: where it is laid, and where it is taken from."""
    first = max(piece.changed.first, begins)
    end = max(first, min(piece.changed.end, begins + size))
    moved = piece.of.start - piece.changed.first
    return slice(first - begins, end - begins), slice(first + moved, end + moved)
