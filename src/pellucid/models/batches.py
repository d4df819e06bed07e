"""How many images a network pass takes at once: ten of 224 x 224, more where they are small."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

BATCH = 10
"""Images at once without a gradient, at least. Larger batches of large images allocate over 32 MiB at a time, which glibc gives
back to the kernel and must fault in again: they are slower, not faster."""
GRADIENT_BATCH = 5
"""Images at once with the gradient by the image, at least. Its memory is what every layer put out, 30 MB an image in
EfficientNet-Lite0 at 224; ten at once would be 5 % quicker and take twice as much."""
MOST = 50
"""Images at once, at most: what a pass costs beside its arithmetic is then less than a tenth, and a stream still has steps."""

SMALL = 112 * 112
"""Pixels from which on no network that we know of could take more at once, so that none is asked."""
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
    bits on every machine."""

    images: int = BATCH
    gradients: int = GRADIENT_BATCH


@final
class Shown:
    """Runs a network, and tells from its first pass, over one image, how many others are best taken at once.

    Small images leave a pass of ten with less arithmetic than what it costs to start its operations: fifty of 32 x 32 take two
    to three times less time an image.
    """

    def __init__(self, run: Callable[[Tensor], Any]) -> None:
        self._run = run
        self.batches: Batches | None = None

    def __call__(self, image: Float[Tensor, "1 channel height width"]) -> Any:
        if self.batches is not None:
            return self._run(image)
        self.batches = Batches()
        if image[0, 0].numel() >= SMALL:
            return self._run(image)
        try:
            with sdpa_kernel(SDPBackend.MATH), _Cost() as cost:  # written out, attention is products of matrices
                out = self._run(image)
        except Exception:  # whatever: a network may not be made for being watched
            return self._run(image)
        images = _within(BATCH, WIDEST / cost.widest, WORK / max(1, cost.operations))
        self.batches = Batches(images, _within(GRADIENT_BATCH, images, KEPT / cost.kept))
        return out


def _within(step: int, *limits: int | float) -> int:
    """The largest multiple of the step within all limits and `MOST`, but at least one step."""
    return max(step, int(min(MOST, *limits)) // step * step)


@final
class _Cost(TorchDispatchMode):
    """Adds up what every operation inside puts out, in bytes, and its multiplications and additions, where it is a product of
    matrices or a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.widest = self.kept = 1
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.nbytes for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.widest = max(self.widest, *sizes, 1)
        self.kept += sum(sizes)
        if (count := flop_registry.get(func._overloadpacket)) is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=out)
        return out
