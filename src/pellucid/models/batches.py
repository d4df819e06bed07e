"""How many images a network pass takes at once: ten of 224 x 224, more where they are small."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from pellucid.models.dispatch import Operations
from pellucid.models.foldable import tracing

BATCH = 10
"""Images at once without a gradient, at least. Larger batches of large images allocate over 32 MiB at a time, which glibc gives
back to the kernel and must fault in again: they are slower, not faster."""
GRADIENT_BATCH = 5
"""Images at once with the gradient by the image, at least. Its memory is what every layer put out, 30 MB an image in
EfficientNet-Lite0 at 224; ten at once would be 5 % quicker and take twice as much."""
MOST = 50
"""Images at once, at most: what a pass costs beside its arithmetic is then less than a tenth, and a stream still has steps."""

SMALL = 112 * 112
"""Pixels from which on arithmetic is what a pass takes, so that no network is asked."""
WIDEST = 2**25 - 1
"""Bytes that one operation may put out for a whole batch: what glibc keeps."""
KEPT = 500_000_000
"""Bytes that all operations together may put out for a batch whose gradient is asked for: five images of EfficientNet-Lite0 at
224. A third of it is held, for views and what is done in place count too."""
WORK = 8e9
"""Floating-point operations of a batch: ten images of EfficientNet-Lite0 at 224, so that no step is longer than its."""


@final
@dataclass(frozen=True)
class Batches:
    """How many images the passes of a network take at once; decided by shapes alone, so that the same request gives the same
    bits on every machine. What cannot be watched, or multiplies nothing that torch knows of, is taken as large images are."""

    images: int = BATCH
    gradients: int = GRADIENT_BATCH


@final
class Shown:
    """Runs a network, and tells from its first pass, over one image, how many others are best taken at once.

    Small images leave a pass of ten with less arithmetic than what it costs to start its operations: fifty of 32 x 32 take two
    to three times less time an image.
    """

    def __init__(self, run: Callable[[Tensor], Any], module: nn.Module) -> None:
        self._run, self._module = run, module
        self.batches: Batches | None = None

    def __call__(self, image: Float[Tensor, "1 channel height width"]) -> Any:
        if self.batches is not None:
            return self._run(image)
        self.batches = Batches()
        if image[0, 0].numel() >= SMALL or _compiled(self._module):
            return self._run(image)
        cost = _Cost()
        try:
            # subtle: always as for a gradient; without, attention takes ways that are one operation and tell nothing
            with tracing, torch.inference_mode(False), torch.enable_grad(), cost:
                out = self._run(image.clone().requires_grad_().clone())
        except Exception:  # whatever: a network may not be made for being watched
            return self._run(image)
        if cost.operations:
            images = _within(BATCH, WIDEST / cost.widest, WORK / cost.operations)
            passes = -(-images // _within(GRADIENT_BATCH, images, KEPT / cost.kept))
            self.batches = Batches(images, _within(GRADIENT_BATCH, images / passes))
        return out


def _compiled(module: nn.Module) -> bool:
    """Whether part of it is compiled by torch, which would not be compiled any more after a pass that was watched."""
    if (dynamo := sys.modules.get("torch._dynamo")) is None:  # subtle: importing it takes seconds
        return False
    return any(isinstance(sub, dynamo.OptimizedModule) for sub in module.modules())


def _within(step: int, *limits: int | float) -> int:
    """The largest multiple of the step within all limits and `MOST`, but at least one step."""
    return max(step, int(min(MOST, *limits)) // step * step)


@final
class _Cost(Operations):
    """Adds up what every operation inside puts out, in bytes, and its multiplications and additions, where it is a product of
    matrices, a convolution or attention."""

    def __init__(self) -> None:
        super().__init__()
        self.widest = self.kept = 1
        self.operations = 0
        # subtle: imported here, for where torch is built for CUDA it looks for triton
        from torch.utils.flop_counter import flop_registry

        flash = torch.ops.aten._scaled_dot_product_flash_attention
        on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        self._formulas = flop_registry | {on_cpu: flop_registry[flash]}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.nbytes for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.widest = max(self.widest, *sizes, 1)
        self.kept += sum(sizes)
        if (count := self._formulas.get(func._overloadpacket)) is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=out)
        return out
