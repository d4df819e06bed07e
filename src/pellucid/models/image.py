"""An image classifier: any module from images to logits, and what one must know to show it a picture and read its answer."""

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from pellucid.inputs.image import Images, displayed, from_pixels, to_pixels
from pellucid.inputs.photograph import Fit, ImageWarning, Rectangle, central, open_photograph, recall, remember
from pellucid.models.batches import BATCH, Batches, Shown
from pellucid.models.compilation import Compilation
from pellucid.models.compiled_gradient import CompiledGradient
from pellucid.models.digest import digest, shortened
from pellucid.models.engine import Compiled, Engine, check_engine, logits_of
from pellucid.models.finite import all_finite
from pellucid.models.fit import (
    check_differentiable,
    check_gradients,
    check_module,
    count_classes,
    gradient,
    label_names,
    sequence,
)
from pellucid.models.hooks import Layer, captured, list_layers, run_to, uncompiled
from pellucid.models.local import Local, Precision
from pellucid.models.prepared import Preparation, Prepared
from pellucid.models.remembered import Memory
from pellucid.registry import UnknownName, unknown

Interpolation = Literal["bicubic", "bilinear", "box", "hamming", "lanczos", "nearest"]
Output = Literal["logit", "log_probability", "probability", "loss"]
Target = str | int | Sequence[str | int] | Tensor | NDArray[np.integer[Any]] | None

_SEQUENCES = {
    "size": "(height, width) in pixels, such as (224, 224)",
    "mean": "one value per channel, such as (0.5, 0.5, 0.5), or (0.5,) for a network that reads grey",
    "std": "one value per channel, such as (0.5, 0.5, 0.5), or (0.5,) for a network that reads grey",
    "unanswered": "a list of labels",
}

WITHOUT_GRADIENT = "lime or occlusion"

LEAST_SEEN = 0.5
"""A picture is noted where its shape leaves the network less than this share of what it sees of one of its own shape. So 2:1 is
not noted, for a note on every usual photograph (16:9 has 56 %) would be read by nobody; a panorama is."""


@dataclass(frozen=True)
class Prediction:
    """One class of a model's answer."""

    index: int
    label: str
    probability: float
    logit: float


@final
@dataclass(frozen=True, eq=False)
class ImageClassifier:
    """A ready network: module, labels, how it reads a picture, its named layers.

    The module maps `batch channel height width` to logits `batch class` (a tensor, or an object with `.logits`). It is never
    changed: weights, mode, `.grad`, `requires_grad` and hooks stay as they were. Of what torch.compile made, the module that it
    was given is taken, whose layers can be looked at. A picture is cut (`fit="crop"`: the central
    `crop` of its short side; `fit="squash"`: the central `crop` of each side, and the sides are scaled apart), resized to
    `size` (height, width), and normalised as (value - mean) / std of values in [0, 1].
    """

    module: nn.Module
    size: tuple[int, int] = (224, 224)
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)
    labels: Sequence[str] = ()
    """Names of the classes, or a dictionary from their numbers to names; when none are given, their numbers."""
    crop: float = 1.0
    fit: Fit = "crop"
    interpolation: Interpolation = "bicubic"
    channels_last: bool = False
    """Feed the module itself in torch's channels-last format, too, not only where `prepare` finds that it can read it."""
    name: str = ""
    """What a Request calls it; the fingerprint when none is given."""
    against: int | None = None
    """A class whose logit is subtracted from every logit: why this rather than that."""
    unanswered: Sequence[str] = ()
    """Labels whose logit is a constant: the network cannot answer them, so asking for one is an error."""
    prepare: bool = True
    """Run passes on a faster copy, wherever it is proved to give the same numbers (see `prepared`); without, on the module as
    it is: for one that must see every pass, or that is asked only a few."""
    engine: Engine = "torch"
    """What runs passes. OpenVINO (pip install 'pellucid[fast]') takes half of torch's time on a CPU: for logits, which are
    torch's to 1e-5 or as near to float64's (LIME and occlusion then ask it in bfloat16 where that is proved to do no harm, see
    `watch`), and for the gradients of methods that average many (see `models.gradients`)."""
    batches: Batches = field(default=Batches(), init=False, repr=False)
    """How many images a pass takes at once."""
    _preparation: Preparation = field(default_factory=Preparation, init=False, repr=False)
    _compilation: Compilation = field(default_factory=Compilation, init=False, repr=False)
    _memory: Memory = field(default_factory=Memory, init=False, repr=False)

    def __post_init__(self) -> None:
        check_module(self.module)
        object.__setattr__(self, "module", uncompiled(self.module))
        for name, example in _SEQUENCES.items():  # lists are welcome, and kept as tuples
            object.__setattr__(self, name, sequence(name, getattr(self, name), example))
        object.__setattr__(self, "labels", label_names(self.labels))
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"size={self.size}; expected (height, width) in pixels")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError(f"mean has {len(self.mean)} and std {len(self.std)} values; expected one per channel, 1 or 3")
        if not all(math.isfinite(m) for m in self.mean) or not all(s > 0 and math.isfinite(s) for s in self.std):
            raise ValueError(f"mean={self.mean}, std={self.std}; expected finite values, and std above 0")
        if max(self.mean) > 1:
            raise ValueError(f"mean={self.mean}, but pixels go from 0 to 1, not to 255; divide mean and std by 255")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop={self.crop}; it is the share of the short side that is kept, above 0 and at most 1")
        self._check_engine(self.engine)
        self.check_mode()
        shown = Shown(lambda empty: self.module(self.placed(empty)), self.module)
        classes = count_classes(shown, self._checked, len(self.mean), self.size)
        object.__setattr__(self, "batches", shown.batches)
        if not self.labels:
            object.__setattr__(self, "labels", tuple(str(n) for n in range(classes)))
        if len(self.labels) != classes:
            raise ValueError(f"{len(self.labels)} labels for a network with {classes} logits")
        for label in self.unanswered:
            if label not in self.labels:
                raise ValueError(f"unanswered names {label!r}, which is no label of the network")
        if not self.name:
            object.__setattr__(self, "name", f"sha256:{self.fingerprint}")

    def __repr__(self) -> str:
        reads = " x ".join(map(str, (len(self.mean), *self.size)))
        return f"<ImageClassifier {self.called}: {type(self.module).__name__}, {reads} to {len(self.labels)} classes>"

    @property
    def called(self) -> str:
        """Its name as a person reads it: of a fingerprint the first eight digits."""
        return shortened(self.name)

    # ------------------------------------------------------------------------------------------------ reading pictures

    def read(self, source: Any) -> Images:
        """The pictures as the network reads them: a path, `observation:3`, a file's bytes, PIL, NumPy, a tensor, or a list
        of any of these.

        A tensor of just the network's size is taken as it is; everything else is cut and resized. ValueError for Images that
        were read for a network which reads in another way.
        """
        if isinstance(source, Images):
            self._check_read(source)
            return source
        several = isinstance(source, list | tuple) or (isinstance(source, np.ndarray | Tensor) and source.ndim == 4)
        read = [self._read_one(one) for one in (source if several else [source])]
        if not read:
            raise ValueError("no image to read: the list is empty")
        features, pixels, names, sources = zip(*read, strict=True)
        return Images(torch.cat(features), torch.cat(pixels), names, sources, tuple(self.mean), tuple(self.std))

    def _check_read(self, images: Images) -> None:
        given = *images.features.shape[1:], *images.mean, *images.std
        if given != (len(self.mean), *self.size, *self.mean, *self.std):
            size, mean, std = tuple(images.features.shape[2:]), images.mean, images.std
            raise ValueError(
                f"these images were read for another network: size={size}, mean={mean}, std={std}, and this one has "
                f"size={self.size}, mean={self.mean}, std={self.std}; give the pictures, or read them with this one"
            )

    def _read_one(self, source: Any) -> tuple[Tensor, Tensor, str, str]:
        if isinstance(source, str) and source.startswith("sha256:"):
            source = recall(source)  # so that a tensor is taken as it is under its name too
        picture, name = open_photograph(source)
        height, width = self.size
        if not (isinstance(source, Tensor) and picture.size == (width, height)):
            how = Image.Resampling[self.interpolation.upper()]
            left, top, right, bottom = box = self._box(*picture.size)
            kept = (right - left) * (bottom - top) / (picture.width * picture.height)
            if kept < LEAST_SEEN * self.crop**2:
                warnings.warn(
                    f"of {name!r} ({picture.width} x {picture.height} px) the network sees the central {right - left:.0f} x "
                    f"{bottom - top:.0f}, {kept:.0%} of it; cut it yourself to what matters, or read it whole with "
                    "pl.ImageClassifier(..., fit='squash')",
                    ImageWarning,
                    stacklevel=3,
                )
            picture = picture.resize((width, height), how, box=box)
        if len(self.mean) == 1:
            picture = picture.convert("L")
        pixels = torch.from_numpy(np.array(picture.convert("RGB")))[None]
        return from_pixels(pixels, self.mean, self.std), pixels, name, remember(source)

    def _box(self, width: int, height: int) -> Rectangle:
        return central(width, height, self.size, self.crop, self.fit)

    def from_features(self, features: Float[Tensor, "batch channel height width"], names: Sequence[str] = ()) -> Images:
        """Images from features that are already normalised. ValueError for another size, NaN or infinite values."""
        expected = (len(self.mean), *self.size)
        if tuple(features.shape[1:]) != expected:
            raise ValueError(f"features have shape {tuple(features.shape)}; expected batch x {' x '.join(map(str, expected))}")
        if not all_finite(features):
            raise ValueError("features hold NaN or infinite values")
        features = features.detach().float().cpu().clone()
        sources = tuple(remember(one) for one in features)
        names = tuple(names) or tuple(f"features {n}" for n in range(len(features)))
        return Images(
            features, to_pixels(displayed(features, self.mean, self.std)), names, sources, tuple(self.mean), tuple(self.std)
        )

    # ------------------------------------------------------------------------------------------------ asking the network

    def logits(self, features: Float[Tensor, "batch channel height width"]) -> Float32[Tensor, "batch class"]:
        """Of every image, without gradients, `batches.images` at a time. ValueError for NaN or infinite logits, or for a
        network that the engine cannot run."""
        if (compiled := self.compiled) is not None:
            return self._quick_logits(compiled, features, "float32")
        network = self.prepared
        with torch.no_grad():
            return torch.cat([self._run(network, part) for part in features.split(self.batches.images)])

    def values(
        self, features: Float[Tensor, "batch channel height width"], target: Int64[Tensor, " batch"], of: Output = "logit"
    ) -> Float32[Tensor, " batch"]:
        """The target's logit, log-probability, probability or cross-entropy loss, of every image."""
        return read_output(self.logits(features), target, of)

    def quick_values(
        self,
        compiled: Callable[[Tensor, Precision], Tensor],
        features: Float[Tensor, "batch channel height width"],
        target: Int64[Tensor, " batch"],
        of: Output,
        precision: Precision,
    ) -> Float32[Tensor, " batch"]:
        """The values by what was compiled, in either precision, without asking whether the network is still the same."""
        return read_output(self._quick_logits(compiled, features, precision), target, of)

    def quick_gradients(
        self,
        compiled: CompiledGradient,
        features: Float[Tensor, "batch channel height width"],
        target: Int64[Tensor, " batch"],
        of: Output,
    ) -> tuple[Float32[Tensor, " batch"], Float32[Tensor, "batch channel height width"]]:
        """`gradients` by what was compiled, without asking whether the network is still the same."""
        chosen = nn.functional.one_hot(target, compiled.classes).float()
        logits, gradients = compiled(features.detach().float().cpu(), *cotangents(of, chosen, self.against))
        self._check_gradient(gradients, of)
        return read_output(self._set_against(self._checked(logits)), target, of), gradients

    def quick_sum(
        self,
        compiled: CompiledGradient,
        line: tuple[Float[Tensor, "channel height width"], Float[Tensor, "channel height width"]],
        where: Float[Tensor, " place"],
        weights: Float[Tensor, " place"],
        target: Int64[Tensor, ""],
        of: Output,
    ) -> Float32[Tensor, "channel height width"]:
        """The weighted sum of the same gradients at start + where * step, for the line that these two are."""
        chosen = nn.functional.one_hot(target[None], compiled.classes).float()
        logits, total = compiled.summed(*line, where, weights, *cotangents(of, chosen, self.against))
        self._check_gradient(total, of)
        self._checked(logits)
        return total

    def _quick_logits(self, compiled: Callable[[Tensor, Precision], Tensor], features: Tensor, precision: Precision) -> Tensor:
        return self._set_against(self._checked(compiled(features.detach().float().cpu(), precision)))

    @property
    def compiled(self) -> Compiled | None:
        """What `engine` makes of the network, or None for torch. Compiled anew when a weight has changed."""
        if self.engine == "torch":
            return None
        return self._compilation.of(self.prepared, (len(self.mean), *self.size))

    def compiled_gradient(self, lowered: bool = False) -> CompiledGradient | str | None:
        """The same for gradients, or why the engine has none; None for torch. See `CompiledGradient` for `lowered`, which is
        what comes if it may."""
        if self.engine == "torch":
            return None
        return self._compilation.gradient(self.prepared, (len(self.mean), *self.size), lowered)

    def local(self, window: int) -> Local | str | None:
        """The same for copies of an image that differ from it in a square of that side, or why the engine cannot compute just
        what the square changes; None for torch."""
        if self.engine == "torch":
            return None
        return self._compilation.local(self.prepared, (len(self.mean), *self.size), window)

    def gradients(
        self, features: Float[Tensor, "batch channel height width"], target: Int64[Tensor, " batch"], of: Output = "logit"
    ) -> tuple[Float32[Tensor, " batch"], Float32[Tensor, "batch channel height width"]]:
        """The values, and their gradient by the features."""
        check_gradients(self.module)
        network, together = self.prepared, self.batches.gradients
        values, gradients = [], []
        for part, wanted in zip(features.split(together), target.split(together), strict=True):
            with torch.inference_mode(False), torch.enable_grad():
                leaf = part.detach().clone().requires_grad_()
                # subtle: the copy lets a network begin with an in-place module, which may not touch a leaf
                logits = self._run(network, leaf.clone())
                value = read_output(logits, wanted.clone(), of)  # a clone made here is no inference tensor
                slope = gradient(value, leaf, WITHOUT_GRADIENT)
            self._check_gradient(slope, of)
            values.append(value.detach())
            gradients.append(slope.contiguous())
        return torch.cat(values), torch.cat(gradients)

    def _check_gradient(self, gradient: Tensor, of: Output) -> None:
        if not all_finite(gradient):
            raise ValueError(f"the gradient of the {of} is NaN or infinite; is the network defined at this input?")

    def layer_gradients(
        self,
        features: Float[Tensor, "batch channel height width"],
        target: Int64[Tensor, " batch"],
        layer: str,
        of: Output = "logit",
    ) -> tuple[Float32[Tensor, " batch"], Float32[Tensor, "batch *inner"], Float32[Tensor, "batch *inner"]]:
        """The values, the output of the named layer, and the gradient of the values by that output.

        KeyError for an unknown layer. ValueError when it does not run just once in a pass, or the values do not depend on it.
        """
        values, activations, gradients = [], [], []
        check_gradients(self.module)
        network, together = self.prepared_for(layer), max(BATCH, self.batches.gradients)
        with captured(network.module, [layer]) as outputs:
            for part, wanted in zip(features.split(together), target.split(together), strict=True):
                with torch.inference_mode(False), torch.enable_grad():
                    value = read_output(self._run(network, part.detach()), wanted.clone(), of)
                    if layer not in outputs:
                        raise ValueError(f"the forward pass does not run through layer {layer!r}")
                    inner = outputs[layer]
                    if len(inner) != len(part):
                        raise ValueError(f"layer {layer!r} gave shape {tuple(inner.shape)} for {len(part)} images")
                    slope = None
                    if inner.requires_grad and value.requires_grad:
                        check_differentiable(value, WITHOUT_GRADIENT)
                        (slope,) = torch.autograd.grad(value.sum(), inner, allow_unused=True)
                if slope is None:
                    raise ValueError(
                        f"the {of} does not depend on the output of layer {layer!r}, or the network detaches its values behind "
                        "it; choose a layer on its way"
                    )
                if not all_finite(slope):
                    raise ValueError(f"the gradient of the {of} by layer {layer!r} is NaN or infinite")
                values.append(value.detach())
                activations.append(inner.detach().float().cpu().contiguous())
                gradients.append(slope.float().cpu().contiguous())
        return torch.cat(values), torch.cat(activations), torch.cat(gradients)

    def layer_output(self, features: Float[Tensor, "batch channel height width"], layer: str) -> Float[Tensor, "..."]:
        """What the named layer puts out, attached to the graph; the forward pass ends there.

        KeyError for an unknown layer, ValueError when the pass does not reach it or it does not give one tensor.
        """
        network = self.prepared_for(layer)
        return run_to(network.module, layer, self._to_run_on(features, network))

    @property
    def prepared(self) -> Prepared:
        """What passes run on: a copy with batch norm folded, or the module itself, in the format that is faster for it."""
        if not self.prepare:
            return self._as_it_is
        return self._preparation.of(self._as_it_is, (len(self.mean), *self.size), self._answer)

    def prepared_for(self, layer: str) -> Prepared:
        """The same, with the named layer putting out what it does in the module."""
        if not self.prepare:
            return self._as_it_is
        return self._preparation.of(self._as_it_is, (len(self.mean), *self.size), self._answer, layer)

    @property
    def memory(self) -> Memory:
        """What is known of the network as it is now, whichever engine or contrast it was asked with."""
        return self._memory.of(self.module)

    @property
    def _as_it_is(self) -> Prepared:
        return Prepared(self.module, self.channels_last)

    def _run(self, network: Prepared, features: Tensor) -> Tensor:
        return self._set_against(self._answer(network, features))

    def _set_against(self, logits: Tensor) -> Tensor:
        return logits if self.against is None else logits - logits[:, self.against, None]

    def placed(self, features: Tensor, network: Prepared | None = None) -> Tensor:
        """The features on the network's device, in its number format and memory format."""
        like = next(self.module.parameters(), features)
        features = features.to(like.device, like.dtype if like.is_floating_point() else features.dtype)
        channels_last = self.channels_last if network is None else network.channels_last
        return features.contiguous(memory_format=torch.channels_last) if channels_last else features

    def _to_run_on(self, features: Tensor, network: Prepared) -> Tensor:
        """The same, as a tensor that the network may write over."""
        placed = self.placed(features, network)
        return placed.clone() if placed.data_ptr() == features.data_ptr() and not features.requires_grad else placed

    def _answer(self, network: Prepared, features: Tensor) -> Tensor:
        return self._checked(network.module(self._to_run_on(features, network)))

    def _checked(self, output: Any) -> Tensor:
        logits = logits_of(output)
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            wanted = "expected logits with the axes batch and class, of two classes or more"
            if isinstance(logits, Tensor):
                raise ValueError(f"the network gave shape {tuple(logits.shape)}; {wanted}")
            wrap = "if they are in it, wrap the network in a module that returns them alone"
            raise ValueError(f"the network gave a {type(output).__name__}; {wanted}; {wrap}")
        if not all_finite(logits):
            rows = (~torch.isfinite(logits).all(1)).nonzero().flatten().tolist()
            raise ValueError(
                f"the network gave NaN or infinite logits for image {rows[0]} of its batch; nothing can be explained"
            )
        return logits.float().cpu()

    def check_mode(self) -> None:
        """ValueError when any part is in training mode, where dropout and batch norm answer differently every time."""
        training = [name or type(self.module).__name__ for name, sub in self.module.named_modules() if sub.training]
        if training:
            raise ValueError(
                f"the network is in training mode ({', '.join(training[:3])}{', ...' if len(training) > 3 else ''}): "
                "call module.eval() first"
            )

    # ------------------------------------------------------------------------------------------------ classes and layers

    def predict(self, source: Any, top: int = 5) -> list[list[Prediction]]:
        """The `top` likeliest classes of each image of what `read` takes, likeliest first."""
        images = self.read(source)
        logits = self._against(None).logits(images.features)
        probabilities = logits.softmax(1)
        best = probabilities.topk(min(top, len(self.labels)), dim=1).indices
        return [
            [Prediction(i, self.labels[int(i)], float(probabilities[row, i]), float(logits[row, i])) for i in indices]
            for row, indices in enumerate(best.tolist())
        ]

    def class_index(self, wanted: str | int) -> int:
        """The number of a class given by number or label. KeyError for a label that no class or more than one class has,
        ValueError for one of the `unanswered`."""
        if isinstance(wanted, bool) or not isinstance(wanted, str | Integral):
            raise TypeError(f"a class is given by its label or its number, not by {wanted!r}, a {type(wanted).__name__}")
        if not isinstance(wanted, str):
            wanted = int(wanted)
            if not 0 <= wanted < len(self.labels):
                raise IndexError(f"no class {wanted}; the network has {len(self.labels)}, from 0")
            if self.labels[wanted] in self.unanswered:
                able = ", ".join(label for label in self.labels if label not in self.unanswered)
                raise ValueError(
                    f"{self.called} never answers {self.labels[wanted]!r}: that logit is a constant, so there is nothing to "
                    f"explain; it can answer: {able}"
                )
            return wanted
        found = [i for i, label in enumerate(self.labels) if label.lower() == wanted.strip().lower()]
        if not found and wanted.strip().isdecimal():
            return self.class_index(int(wanted))
        if not found:
            raise UnknownName(unknown("class", wanted, self.labels))
        if len(found) > 1:
            raise UnknownName(f"{len(found)} classes are called {wanted!r}: give the number, {' or '.join(map(str, found))}")
        return self.class_index(found[0])

    def targets(self, images: Images, target: Target = None) -> Int64[Tensor, " batch"]:
        """One class number an image: what was asked for, or the predicted class."""
        if target is None:
            # by torch: another engine would need a second or two to compile the network, for one pass
            return self._against(None).on("torch").logits(images.features).argmax(1)
        given: Any = target.tolist() if isinstance(target, Tensor | np.ndarray | np.generic) else target
        each = [*given] if isinstance(given, Sequence) and not isinstance(given, str) else [given] * len(images)
        indices = [self.class_index(one) for one in each]
        if len(indices) != len(images):
            raise ValueError(f"{len(indices)} targets for {len(images)} images; give one, or one an image")
        return torch.tensor(indices)

    def rather_than(self, against: str | int | None) -> "ImageClassifier":
        """This model with every logit measured against that class."""
        return self if against is None else self._against(self.class_index(against))

    def on(self, engine: str | None) -> "ImageClassifier":
        """This model with its forward passes run by that engine, by its own for None. ValueError for one that is unknown or not
        installed."""
        if engine is None:
            return self
        self._check_engine(engine)
        model = copy.copy(self)
        object.__setattr__(model, "engine", engine)
        return model

    def _check_engine(self, engine: str) -> None:
        check_engine(engine)
        if engine != "torch" and not self.prepare:
            raise ValueError(f"engine={engine!r} runs a copy of the network, so it does not go with prepare=False")

    def _against(self, index: int | None) -> "ImageClassifier":
        model = copy.copy(self)  # subtle: unlike `replace`, without a pass to see whether it fits, and with what is prepared
        object.__setattr__(model, "against", index)
        return model

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The submodules in the order in which they finish in a forward pass."""
        return list_layers(self.module, lambda images: self.placed(torch.zeros(images, len(self.mean), *self.size)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights, their names, and how a picture is read."""
        reads = (self.size, self.mean, self.std, self.crop, self.fit, self.interpolation)
        return digest(sorted(self.module.state_dict().items()), repr(reads))


def read_output(logits: Float[Tensor, "batch class"], target: Int64[Tensor, " batch"], of: Output) -> Float[Tensor, " batch"]:
    """What is explained: one number an image."""
    if of == "logit":
        return logits.gather(1, target[:, None])[:, 0]
    log_probability = logits.log_softmax(1).gather(1, target[:, None])[:, 0]
    if of == "log_probability":
        return log_probability
    return -log_probability if of == "loss" else log_probability.exp()


def cotangents(
    of: Output, chosen: Float[Tensor, "batch class"], against: int | None
) -> tuple[Float[Tensor, "batch class"], float, float]:
    """What `gradient_graph` reads so that it differentiates what is explained, where `chosen` is 1 for the target, else 0."""
    if of == "logit":
        direct = chosen.clone()
        if against is not None:
            direct[:, against] -= 1
        return direct, 0.0, 0.0
    return (-chosen, -1.0, 0.0) if of == "loss" else (chosen, 1.0, float(of == "probability"))
