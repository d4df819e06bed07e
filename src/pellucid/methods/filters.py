"""Filter visualization by gradient ascent. Erhan, Bengio, Courville and Vincent, technical report 1341, Montreal, 2009.

With Fourier coordinates and robustness transforms as in Olah, Mordvintsev and Schubert, Distill 2017,
https://doi.org/10.23915/distill.00007
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, final

import torch
from jaxtyping import Float32, Int64
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Work
from pellucid.inputs.image import Images, displayed, normalised
from pellucid.inputs.parameterise import coloured, decoloured, from_spectrum, squash, to_spectrum, unsquash
from pellucid.inputs.wobble import Wobble, moved, movements
from pellucid.methods.filter_image import FilterImage
from pellucid.models.batches import BATCH
from pellucid.models.finite import all_finite
from pellucid.models.fit import check_gradients
from pellucid.models.image import ImageClassifier
from pellucid.models.kinds import check_classifier
from pellucid.models.layer_maps import filter_indices, filter_layer, layer_maps, together
from pellucid.stream import Preset, method

Coordinates = Literal["fourier", "pixel"]
Bound = Literal["logistic", "clip", "none"]
Objective = Literal["mean", "sum", "neuron"]

EVERY = 5
"""Steps between two answers of one batch, at most: what a cancel or a deadline waits for. Of many pictures in a batch fewer, so
that together they take no more than `BATCH`."""


@method(
    presets={
        "course": Preset(
            {
                "steps": 100, "rate": 0.1, "parameterisation": "pixel", "start": "images", "objective": "sum",
                "transforms": "none", "bound": "none",
            },
            view={"scale": "minmax"},
            description="Adam on the input itself, 100 steps at 0.1, from the images, for the sum of the activations.",
        )
    }
)  # fmt: skip
def filters(
    model: ImageClassifier,
    layer: str,
    filters: Sequence[int] | int,
    inputs: Images | None = None,
    *,
    steps: Annotated[int, Field(ge=1, le=10_000, description="Steps of ascent.", json_schema_extra={"lifted": 2000})] = 100,
    rate: Annotated[float, Field(gt=0, le=10, description="Adam's learning rate, in units of the coordinates.")] = 0.1,
    parameterisation: Annotated[
        Coordinates, Field(description="What ascent changes: Fourier coordinates along the colours of photographs, or pixels.")
    ] = "fourier",
    start: Annotated[
        Literal["noise", "images"], Field(description="White noise about grey, the same for every filter, or the given images.")
    ] = "noise",
    noise: Annotated[
        float, Field(ge=0, le=0.5, description="Standard deviation of the noise to start from; black to white is 1.")
    ] = 0.01,
    objective: Annotated[
        Objective, Field(description="What is raised: the mean or the sum of the filter's map, or the place in its middle.")
    ] = "mean",
    transforms: Annotated[
        Wobble, Field(description="Movements the pattern must survive: none, shifts, or shifts with changes of size and turns.")
    ] = "standard",
    bound: Annotated[
        Bound, Field(description="What keeps values between black and white: a logistic curve, clipping each step, or nothing.")
    ] = "logistic",
    decorrelate: Annotated[
        bool, Field(description="Fourier: coordinates along the colour axes of photographs, not red, green and blue.")
    ] = True,
    seed: Annotated[int, Field(ge=0, description="Makes the run repeatable.")] = 0,
) -> Iterator[FilterImage]:
    """Pictures that excite filters of a layer, made by gradient ascent: one a filter, or with images one a filter and image.

    The forward pass ends at the layer. The units of a linear layer count as filters with a map of one place. All pictures rise
    together, and an answer comes after every few steps of every batch; none depends on the others. With images to start from
    they come filter by filter. Adam is scale-free, so `mean` and `sum` differ only where gradients are near its 1e-8; either
    way the curve is of the mean, and of the picture standing still, whatever `transforms` do. A picture that starts under the
    logistic bound loses the outermost hundredth towards black and white; without a bound it may leave what a screen can show.

    The error is the share of the rise that came in the last tenth of the steps: 0.1 for a curve that rises steadily, near 0
    for one that has levelled off, 1 before anything is known. Filters without any gradient are `dead`.

    Raises KeyError for a layer and IndexError for a filter that does not exist, and ValueError for a layer that has no filters
    or runs more than once, for images where none belong or none where they do, and for gradients that are NaN or infinite.
    """
    check_classifier(model)
    model.check_mode()
    check_gradients(model.module)
    found = filter_layer(model, layer)
    wanted = filter_indices(found, filters)
    begin, starts = _starts(model, inputs, start, noise, seed)
    with torch.inference_mode(False):
        of_filter = wanted.repeat_interleave(len(begin))
        begins = begin.repeat(len(wanted), 1, 1, 1).split(together(model, layer))
        move = movements(transforms, steps, seed) if transforms != "none" else None
        coordinates = _Coordinates(parameterisation, bound, decorrelate, model)
        ascents = [
            _Ascent(model, layer, part, of, coordinates, rate, objective, move, steps)
            for part, of in zip(begins, of_filter.split(together(model, layer)), strict=True)
        ]
    stride = min(EVERY, max(1, BATCH // min(together(model, layer), len(of_filter))))
    for until in [*range(stride, steps, stride), steps]:
        for ascent in ascents:
            ascent.advance(until)
            yield _answer(ascents, of_filter, layer, starts * len(wanted), inputs, model, steps)


def _starts(
    model: ImageClassifier, inputs: Images | None, start: str, noise: float, seed: int
) -> tuple[Float32[Tensor, "start channel height width"], tuple[str, ...]]:
    if start == "images":
        if inputs is None or not len(inputs):
            raise ValueError(
                "filters: start='images' needs images to start from; give them after the filters, or start='noise'"
            )
        return inputs.features, inputs.names
    if inputs is not None:
        raise ValueError("filters: images were given, but start='noise' uses none; say start='images' to start from them")
    shape = (1, len(model.mean), *model.size)
    values = 0.5 + noise * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return normalised(values.clamp(0, 1), model.mean, model.std), ("noise",)


@final
@dataclass(frozen=True)
class _Coordinates:
    """What ascent changes, and the features it stands for. As pixels without the logistic curve they are the features."""

    parameterisation: Coordinates
    bound: Bound
    decorrelate: bool
    model: ImageClassifier

    def of(self, features: Float32[Tensor, "batch channel height width"]) -> Float32[Tensor, "..."]:
        plain = unsquash(self._displayed(features)) if self.bound == "logistic" else features.clone()
        if self.parameterisation == "pixel":
            return plain
        return to_spectrum(decoloured(plain) if self._by_colour else plain)

    def features(self, coordinates: Float32[Tensor, "..."]) -> Float32[Tensor, "batch channel height width"]:
        # subtle: the copy lets a network begin with an in-place module, which may not touch a leaf
        plain = coordinates.clone()
        if self.parameterisation == "fourier":
            plain = from_spectrum(plain, self.model.size[1])
            plain = coloured(plain) if self._by_colour else plain
        return normalised(squash(plain), self.model.mean, self.model.std) if self.bound == "logistic" else plain

    def clipped(self, coordinates: Float32[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """The coordinates of the same picture with its values cut off at black and white."""
        values = self._displayed(self.features(coordinates)).clamp(0, 1)
        return self.of(normalised(values, self.model.mean, self.model.std))

    def _displayed(self, features: Tensor) -> Tensor:
        return displayed(features, self.model.mean, self.model.std)

    @property
    def _by_colour(self) -> bool:
        return self.decorrelate and len(self.model.mean) == 3


@final
class _Ascent:
    """One batch of pictures on their way up."""

    def __init__(
        self, model: ImageClassifier, layer: str, start: Float32[Tensor, "batch channel height width"],
        filters: Int64[Tensor, " batch"], coordinates: _Coordinates, rate: float, objective: Objective,
        movements: Float32[Tensor, "step 4"] | None, steps: int,
    ) -> None:  # fmt: skip
        self.model, self.layer, self.filters, self.coordinates = model, layer, filters, coordinates
        self.objective, self.movements, self.steps = objective, movements, steps
        self.place = coordinates.of(start).requires_grad_()
        # subtle: Adam divides by the root of each coordinate's own mean square, so pictures in one batch do not meet
        self.adam = torch.optim.Adam([self.place], lr=rate, maximize=True)
        self.done = self.forwards = self.backwards = 0
        self.points: list[int] = []
        self.curve: list[Tensor] = []
        self.dead = torch.ones(len(filters), dtype=torch.bool)
        self.features = coordinates.features(self.place.detach())

    def advance(self, until: int) -> None:
        """On to that many steps, leaving the features and the curve up to date."""
        with torch.inference_mode(False), torch.enable_grad():
            if self.done == 0:
                self._look()
            while self.done < until:
                self.adam.step()
                if self.coordinates.bound == "clip":
                    self.place.data.copy_(self.coordinates.clipped(self.place.detach()))
                self.done += 1
                self._look()

    def _look(self) -> None:
        """The curve's value where we are, and the gradient for the next step."""
        features = self.coordinates.features(self.place)
        self.features = features.detach().clone()  # before a network that writes over its input sees them
        last = self.done == self.steps
        if last or (self.movements is not None and self.done % EVERY == 0):
            with torch.no_grad():
                self._note(self._activation(features.clone()))
        if last:
            return
        if self.movements is None:
            value = self._activation(features)
            self._note(value)
        else:
            value = self._activation(moved(features, self.movements[self.done]))
        raised = value.sum((1, 2)) if self.objective == "sum" else value.mean((1, 2))
        (gradient,) = torch.autograd.grad(raised.sum(), self.place)
        self.backwards += len(gradient)
        if not all_finite(gradient):
            finite = gradient.isfinite().flatten(1).all(1)
            raise ValueError(
                f"the gradient of filter {int(self.filters[~finite][0])} of layer {self.layer!r} is NaN or infinite after "
                f"{self.done} steps; a smaller rate or another bound may keep the picture where the network is defined"
            )
        self.dead &= (gradient == 0).flatten(1).all(1)
        self.place.grad = gradient

    def _activation(self, features: Tensor) -> Float32[Tensor, "batch rows columns"]:
        """Each picture's own filter's map, or the place in its middle."""
        maps = layer_maps(self.model, self.layer, features)[torch.arange(len(features)), self.filters]
        self.forwards += len(maps)
        if self.objective != "neuron":
            return maps
        row, column = maps.shape[1] // 2, maps.shape[2] // 2
        return maps[:, row : row + 1, column : column + 1]

    def _note(self, value: Float32[Tensor, "batch rows columns"]) -> None:
        self.points.append(self.done)
        self.curve.append(value.detach().mean((1, 2)))


def _answer(
    ascents: Sequence[_Ascent], of_filter: Int64[Tensor, " batch"], layer: str, starts: tuple[str, ...], inputs: Images | None,
    model: ImageClassifier, steps: int,
) -> FilterImage:  # fmt: skip
    points = max((ascent.points for ascent in ascents), key=len)
    curves = [_column(ascent, len(points)) for ascent in ascents]
    done = sum(ascent.done * len(ascent.filters) for ascent in ascents)
    return FilterImage(
        features=torch.cat([ascent.features for ascent in ascents]),
        filters=of_filter,
        objective=torch.cat(curves, dim=1),
        points=torch.tensor(points),
        error=torch.cat([late_share(ascent.points, ascent.curve, ascent.dead) for ascent in ascents]),
        # before its first step a filter is not known to be dead
        dead=torch.cat([ascent.dead & (ascent.done > 0) for ascent in ascents]),
        work=Work(sum(a.forwards for a in ascents), sum(a.backwards for a in ascents), done / (steps * len(of_filter))),
        layer=layer,
        starts=starts,
        mean=tuple(model.mean),
        std=tuple(model.std),
        model=model.name,
        fingerprint=model.fingerprint,
        begin=None if inputs is None else inputs.features,
    )


def _column(ascent: _Ascent, length: int) -> Float32[Tensor, "point batch"]:
    missing = torch.full((length - len(ascent.curve), len(ascent.filters)), float("nan"))
    return torch.cat([*(value[None] for value in ascent.curve), missing])


def late_share(points: Sequence[int], curve: Sequence[Tensor], dead: Tensor) -> Float32[Tensor, " batch"]:
    """How much of the rise so far came in the last tenth of the steps so far: 0 to 1."""
    if len(points) < 2:
        return torch.ones(len(dead))
    tenth = max(number for number, point in enumerate(points) if point <= 0.9 * points[-1])
    late, whole = (curve[-1] - curve[tenth]).abs(), (curve[-1] - curve[0]).abs()
    share = torch.where(whole > 0, late / whole, 1.0).clamp(max=1.0)
    return torch.where(dead, 0.0, share)
