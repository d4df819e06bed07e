"""A network made ready for many passes: folded batch norm and padding, ReLUs in place, channels last, the same numbers.

What may be folded is proved by tracing the network, and the whole is tried on a random batch beside the network as it is; what
is not proved or does not agree stays as it is. The caller's module is never touched: the copy shares all of its tensors but
those that were folded, and is made anew when anything of the module has changed.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.models.foldable import CLIPS, NORMS, PADS, tracing
from pellucid.models.folding import folded, twin
from pellucid.models.unchanged import State, Values, tensors_of

AGREE = 1e-5
"""How far the logits of a prepared network may be from its own, as a share of the largest that depends on the image."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_VARIANTS = 4
"""Copies of a network that are kept at once, each for layers that another one alters."""


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What runs in place of a module, and how it is fed."""

    module: nn.Module
    channels_last: bool = False
    altered: frozenset[str] = frozenset()
    """Layers that put out something else than in the caller's module: those with a batch norm folded into them, padding that a
    convolution does instead, and what a ReLU writes over."""


Ask = Callable[[Prepared, Float[Tensor, "batch channel height width"]], Float[Tensor, "batch class"]]
"""Runs a batch through; ValueError where the answer is no finite logits."""


@final
class Preparation:
    """Keeps what was prepared for as long as nothing of the caller's module has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Prepared, State, Values]] = OrderedDict()

    def __reduce__(self) -> tuple[type["Preparation"], tuple[()]]:
        return Preparation, ()  # a copy or a pickle of a model prepares for itself

    def of(self, given: Prepared, shape: tuple[int, ...], ask: Ask, layer: str = "") -> Prepared:
        """What to run in place of `given`; `given` itself where nothing is gained, or anything speaks against it. The named
        layer puts out in it what it does in `given`.

        The copy is stale when a tensor, an attribute or a submodule was replaced, a hook added, or a folded tensor has other
        values. The values themselves are compared, since writing to `parameter.data` leaves no trace.
        """
        if layer and layer not in (general := self.of(given, shape, ask)).altered:
            return general
        if (kept := self._kept.get(layer)) and kept[1].holds() and kept[2].hold():
            return kept[0]
        with tracing, torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            state = State(given.module)
            prepared, sources = _prepare(given, shape, ask, layer) if fit(given.module) else (given, [])
            if layer in prepared.altered:
                prepared, sources = given, []
            self._kept[layer] = (prepared, state, Values(sources))
            while len(self._kept) > _VARIANTS:
                self._kept.pop(next(name for name in self._kept if name not in ("", layer)))
        return prepared


def fit(module: nn.Module) -> bool:
    """Whether a copy could not be told from the module: no hooks, no `forward` of an instance's own, not in training mode, not
    in half precision, in which a copy would not agree."""
    for sub in module.modules():
        if sub.training or isinstance(sub, torch.jit.ScriptModule) or "forward" in vars(sub):
            return False
        if any(getattr(sub, hooks) for hooks in _HOOKS):
            return False
        for tensor in tensors_of(sub):
            if tensor.is_inference() or (tensor.is_floating_point() and tensor.element_size() < 4):
                return False
    return True


def _prepare(given: Prepared, shape: tuple[int, ...], ask: Ask, layer: str) -> tuple[Prepared, list[Tensor]]:
    """What to run, and the tensors whose values went into it. Trial passes run on copies: the caller's module never does."""
    convolves = any(isinstance(sub, nn.Conv2d) for sub in given.module.modules())
    folds = any(type(sub) in (*NORMS, *PADS, *CLIPS) for sub in given.module.modules())
    formats = [True, False] if convolves and not given.channels_last else [given.channels_last]
    like = twin(given.module) if folds or len(formats) > 1 else None
    if like is None:
        return given, []
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    before = State(like)
    try:
        with torch.no_grad():
            expected = ask(Prepared(like, given.channels_last), noise)
    except Exception:  # whatever it is, it comes again where it can be told, when the caller's own input is asked about
        return given, []
    # a forward pass that leaves something on its module (a count, a map it keeps) must leave it on the caller's
    attempts = (folded(given.module, layer, norms_only=only) for only in (False, True) if folds and before.holds())
    for folding in (one for one in attempts if one is not None):
        for channels_last in formats:
            folding.order(channels_last)
            prepared = Prepared(folding.module, channels_last, folding.altered)
            if _agrees(prepared, noise, expected, ask):
                return prepared, folding.sources
    if len(formats) > 1 and _agrees(Prepared(like, True), noise, expected, ask):
        return Prepared(given.module, True), []
    return given, []


def _agrees(prepared: Prepared, noise: Tensor, expected: Tensor, ask: Ask) -> bool:
    """Whether a pass there and back runs at all, with the logits that are expected."""
    try:
        with torch.enable_grad():
            leaf = noise.clone().requires_grad_()
            logits = ask(prepared, leaf.clone())
            if logits.requires_grad:
                torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    except Exception:  # whatever: a module that cannot read channels-last maps fails in any way, and is left as it is
        return False
    return logits.shape == expected.shape and float((logits.detach() - expected).abs().max()) <= AGREE * scale(expected)


def scale(logits: Float[Tensor, "image class"]) -> float:
    """The largest logit among those that depend on the image: one that never changes would hide an error in all others."""
    moved = (logits != logits[0]).any(0)
    return float((logits[:, moved] if moved.any() else logits).abs().max())
