"""A network and the gradient of its output by its input as one graph of forward operations, for an engine without autograd.

Torch's own backward pass is traced, and what an engine cannot run is put otherwise: the gradient of a convolution by its input
is a convolution, that of a ReLU keeps what lies above 0.
"""

from collections.abc import Callable, Sequence
from itertools import product
from operator import getitem
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch._decomp import get_decompositions
from torch.nn.attention import SDPBackend, sdpa_kernel

from pellucid.models.bare import written_out
from pellucid.models.foldable import tracing
from pellucid.models.folding import twin
from pellucid.models.recorded import recorded

aten = torch.ops.aten
FEW = 8
"""Channels that a convolution with a step reads, up to which its gradient is put by phases: for the three of a picture, a
transposed convolution takes two to three times as long, from sixteen on less."""
_PLAIN = (
    "_log_softmax_backward_data", "_softmax_backward_data", "elu_backward", "gelu_backward", "hardsigmoid_backward",
    "hardswish_backward", "leaky_relu_backward", "mish_backward", "native_batch_norm_backward", "native_layer_norm",
    "native_layer_norm_backward", "select_backward", "sigmoid_backward", "silu_backward", "slice_backward", "softplus",
    "softplus_backward", "tanh_backward",
)  # fmt: skip
"""What torch itself can put as operations that every engine has."""


class _Pulled(torch.autograd.Function):
    """A number whose gradient by the logits is the one given. Asked with a gradient of its own, autograd loads sympy."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return logits.sum()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.saved_tensors[0], None


def gradient_graph(
    network: nn.Module,
    batch: int,
    shape: tuple[int, ...],
    classes: int,
    logits_of: Callable[[Any], Tensor],
) -> fx.GraphModule:
    """The graph, for so many images of that shape, and a network of so many logits.

    It reads the features, `direct` (image x class), `soft` and `odds` (1 x 1), and gives the logits and a gradient by the
    features: of that whose gradient by the logits is (direct - soft * p) * (1 + odds * (chosen - 1)), where p is their softmax
    and `chosen` its sum over `direct`. ValueError for a network with an operation that has no such form.
    """
    copied = twin(written_out(network))
    if copied is None:
        raise ValueError("the network cannot be copied")
    for parameter in copied.parameters():  # subtle: for channels last, torch's mean over a map is no operation of its own
        parameter.data = parameter.data.contiguous()
    for pool in copied.modules():
        if isinstance(pool, nn.AdaptiveAvgPool1d) and pool.output_size in (1, (1,)):
            vars(pool)["forward"] = _mean  # subtle: torch's own lays its answer out anew, for which there is no operation

    def there_and_back(features: Tensor, direct: Tensor, soft: Tensor, odds: Tensor) -> tuple[Tensor, Tensor]:
        leaf = features.detach().requires_grad_()
        logits = logits_of(copied(leaf))
        p = logits.detach().softmax(1)
        chosen = (p * direct).sum(1, keepdim=True)
        (gradient,) = torch.autograd.grad(_Pulled.apply(logits, (direct - soft * p) * (1 + odds * (chosen - 1))), leaf)
        return logits.detach(), gradient

    given = [torch.zeros(*size) for size in ((batch, *shape), (batch, classes), (1, 1), (1, 1))]
    # subtle: attention by torch's plain operations, for its quick one has a way back of its own
    with tracing, torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        plain: Any = get_decompositions([getattr(aten, name) for name in _PLAIN])
        traced = recorded(there_and_back, given, plain)
    _Rewriting(traced).run()
    return traced


def _mean(x: Tensor) -> Tensor:
    return x.mean(-1, keepdim=True)


def _of_axes(axes: int, *given: Sequence[int]) -> list[list[int]]:
    """Numbers for every axis, where one may stand for all."""
    return [[*one] * (axes // len(one)) for one in given]


def _taps(kernel: Float[Tensor, "tap ..."], step: int, padding: int) -> list[tuple[int, int, int]]:
    """Along one axis: row `step * q + phase` of the input is met by `tap` when it lies on row `q + at` of the output.

    Taps that are 0 everywhere are left out: padding on one side only was folded into such.
    """
    alive = kernel.flatten(1).any(1).nonzero().flatten().tolist()
    pairs = ((phase, tap, phase + padding - tap) for phase in range(step) for tap in alive)
    return [(phase, tap, ahead // step) for phase, tap, ahead in pairs if ahead % step == 0]


@final
class _Rewriting:
    def __init__(self, traced: fx.GraphModule) -> None:
        self._traced, self._graph, self._made = traced, traced.graph, 0

    def run(self) -> None:
        how: dict[Any, Callable[[fx.Node], None]] = {
            aten.detach.default: self._same,
            aten.alias.default: self._same,
            aten.lift_fresh_copy.default: self._same,
            aten.expand.default: self._spread,
            aten.clamp_.default: self._out_of_place(aten.clamp.default),
            aten.relu_.default: self._out_of_place(aten.relu.default),
            aten.add_.Tensor: self._out_of_place(aten.add.Tensor),
            aten.mul_.Tensor: self._out_of_place(aten.mul.Tensor),
            aten.hardtanh_.default: self._out_of_place(aten.hardtanh.default),
            aten.hardtanh_backward.default: self._clip,
            aten.threshold_backward.default: self._threshold,
            aten.convolution_backward.default: self._convolution,
            aten._adaptive_avg_pool2d_backward.default: self._mean_of_blocks,
            aten.avg_pool2d.default: self._mean_over_all,
            aten.avg_pool2d_backward.default: self._mean_of_windows,
            aten.index_put.default: self._columns,
            aten.max_pool2d_with_indices_backward.default: self._max_pool,
            aten.sgn.default: self._out_of_place(aten.sign.default),  # another for complex numbers only
        }
        for node in list(self._graph.nodes):
            if node.op == "call_function" and node.target in how:
                with self._graph.inserting_before(node):
                    how[node.target](node)
        self._graph.eliminate_dead_code()
        for node in self._graph.nodes:
            name = str(node.target)
            if node.op == "call_function" and ("backward" in name or name.partition(".default")[0].endswith("_")):
                raise ValueError(f"{name.removeprefix('aten.').removesuffix('.default')} cannot be put as forward operations")
        self._graph.lint()
        self._traced.recompile()

    def _call(self, target: Any, *args: Any) -> fx.Node:
        return self._graph.call_function(target, args)

    def _instead(self, old: fx.Node, new: fx.Node) -> None:
        new.meta = dict(old.meta)
        old.replace_all_uses_with(new)
        self._graph.erase_node(old)

    def _same(self, node: fx.Node) -> None:
        node.replace_all_uses_with(node.all_input_nodes[0])
        self._graph.erase_node(node)

    def _spread(self, node: fx.Node) -> None:
        """The same gradient for every place of a mean: what clips it next spreads it out by itself."""
        scaled = [user for user in node.users if user.target in (aten.div.Scalar, aten.mul.Scalar)]
        clips = (aten.hardtanh_backward.default, aten.threshold_backward.default)
        if len(scaled) == len(node.users) and all(user.target in clips for one in scaled for user in one.users):
            self._same(node)

    def _out_of_place(self, target: Any) -> Callable[[fx.Node], None]:
        def put(node: fx.Node) -> None:  # the tracer reads what was written over from this node, never from the one before
            node.target = target

        return put

    def _constant(self, value: Tensor) -> fx.Node:
        name, self._made = f"_made{self._made}", self._made + 1
        self._traced.register_buffer(name, value.detach().contiguous())
        return self._graph.get_attr(name)

    def _tensor(self, node: Any) -> Tensor:
        found = getattr(self._traced, str(node.target), None) if isinstance(node, fx.Node) and node.op == "get_attr" else None
        if not isinstance(found, Tensor):
            raise ValueError("a convolution's weight is computed anew in every pass")
        return found

    def _keep(self, where: fx.Node, gradient: Any, node: fx.Node) -> None:
        self._instead(node, self._call(aten.where.self, where, gradient, self._constant(torch.zeros(()))))

    def _threshold(self, node: fx.Node) -> None:
        gradient, x, threshold = node.args
        self._keep(self._call(aten.gt.Scalar, x, threshold), gradient, node)

    def _clip(self, node: fx.Node) -> None:
        gradient, x, low, high = node.args
        assert isinstance(x, fx.Node)
        clips = (aten.clamp.default, aten.hardtanh.default)
        clipped = next((y for y in (x, *x.users) if y.target in clips and y.args[1:] == (low, high)), None)
        x = clipped or x  # which is kept anyway
        inside = self._call(aten.gt.Scalar, x, low)
        if high != torch.inf:
            inside = self._call(aten.logical_and.default, inside, self._call(aten.lt.Scalar, x, high))
        self._keep(inside, gradient, node)

    def _convolution(self, node: fx.Node) -> None:
        given: Any = node.args
        gradient, x, weight, _, stride, padding, dilation, transposed, _, groups, _ = given
        if transposed:
            raise ValueError("the gradient of a transposed convolution is not put as a forward operation")
        kernel = self._tensor(weight)
        stride, padding, dilation = _of_axes(kernel.ndim - 2, stride, padding, dilation)
        outer, inner = (one.meta["tensor_meta"].shape[2:] for one in (x, gradient))
        axes = [*zip(outer, inner, kernel.shape[2:], stride, padding, dilation, strict=True)]
        step = stride[0]
        even = set(stride) == {step} and set(dilation) == {1} and not any(o % step for o in outer)
        if step > 1 and even and groups == 1 and kernel.shape[1] <= FEW and kernel.any():
            self._gradient(node, self._by_phases(gradient, kernel, step, padding, outer, inner))
            return
        if set(stride) == {1}:
            out = kernel.shape[0]
            flipped = kernel.unflatten(0, (groups, out // groups)).transpose(1, 2).flatten(0, 1).flip(*range(2, kernel.ndim))
            pads = [d * (k - 1) - p for _, _, k, _, p, d in axes]
            if min(pads) < 0:
                raise ValueError("a convolution pads by more than its kernel reaches")
            weight, padding, transpose, more = self._constant(flipped), pads, False, [0] * len(axes)
        else:
            # subtle: of its own, since OpenVINO 2026 takes one that is there already as it was laid out for the way there
            weight, transpose = self._constant(kernel.clone()), True
            more = [o - ((i - 1) * s - 2 * p + d * (k - 1) + 1) for o, i, k, s, p, d in axes]
        new = self._call(aten.convolution.default, gradient, weight, None, stride, padding, dilation, transpose, more, groups)
        self._gradient(node, new)

    def _gradient(self, node: fx.Node, new: fx.Node) -> None:
        """Puts the gradient by the input in place of a convolution's way back, of which the others are not asked for."""
        x: Any = node.args[1]
        new.meta["tensor_meta"] = x.meta["tensor_meta"]
        for user in list(node.users):
            if user.args[1] == 0:
                user.replace_all_uses_with(new)
            self._graph.erase_node(user)
        self._graph.erase_node(node)

    def _by_phases(
        self, gradient: fx.Node, kernel: Tensor, step: int, padding: Sequence[int], outer: Sequence[int], inner: Sequence[int]
    ) -> fx.Node:
        """For a step of 2, the pixels in even and in odd rows and columns as channels of a map of half the size, which one
        convolution gives; then each put in its place (Shi et al., CVPR 2016, https://arxiv.org/abs/1609.05158)."""
        out, few = kernel.shape[:2]
        taps = [_taps(kernel.movedim(axis, 0), step, pad) for axis, pad in zip((2, 3), padding, strict=True)]
        (top, bottom), (left, right) = [(min(reach), max(reach)) for reach in ([at for *_, at in one] for one in taps)]
        phases = kernel.new_zeros(few, step, step, out, bottom - top + 1, right - left + 1)
        for (row, i, down), (column, j, along) in product(*taps):
            phases[:, row, column, :, down - top, along - left] = kernel[:, :, i, j].T
        missing = [o // step - n for o, n in zip(outer, inner, strict=True)]
        pads = [-left, missing[1] + right, -top, missing[0] + bottom]
        padded = self._call(aten.constant_pad_nd.default, gradient, pads, 0.0)
        weight = self._constant(phases.flatten(0, 2))
        maps = self._call(aten.convolution.default, padded, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        return self._call(aten.pixel_shuffle.default, maps, step)

    def _mean_of_blocks(self, node: fx.Node) -> None:
        gradient: Any = node.args[0]
        (height, width), (rows, columns) = (one.meta["tensor_meta"].shape[2:] for one in (node, gradient))
        if height % rows or width % columns:
            raise ValueError(f"{rows} x {columns} means over {height} x {width} overlap")
        spread = self._call(aten.upsample_nearest2d.vec, gradient, [height, width], None)
        self._instead(node, self._call(aten.mul.Scalar, spread, rows * columns / (height * width)))

    def _mean_over_all(self, node: fx.Node) -> None:
        """A window that is larger than the map, which an engine may not take."""
        given: Any = node.args
        x, kernel, *how = given
        sizes = x.meta["tensor_meta"].shape[2:]
        (reach,) = _of_axes(2, kernel)
        if node.meta["tensor_meta"].shape[2:] == (1, 1) and any(k > o for k, o in zip(reach, sizes, strict=True)):
            share = float(aten.avg_pool2d(torch.ones(1, 1, *sizes), kernel, *how))
            self._instead(node, self._call(aten.mul.Scalar, self._call(aten.mean.dim, x, [2, 3], True), share))

    def _mean_of_windows(self, node: fx.Node) -> None:
        given: Any = node.args
        gradient, x, kernel, stride, padding, *how = given
        kernel, stride, padding = _of_axes(2, kernel, stride or kernel, padding)
        (channels, *outer), inner = x.meta["tensor_meta"].shape[1:], gradient.meta["tensor_meta"].shape[2:]
        axes = [*zip(outer, inner, kernel, stride, padding, strict=True)]
        ones = torch.ones(1, 1, *outer)
        sums, means = (aten.avg_pool2d(ones, kernel, stride, padding, *one) for one in ((*how[:2], 1), how))
        gradient = self._call(aten.mul.Tensor, gradient, self._constant(means / sums))
        beside = all(o == i * k and (k, p) == (s, 0) for o, i, k, s, p in axes)
        over_all = all(i == 1 and k - p >= o for o, i, k, _, p in axes)
        if beside or over_all:
            self._instead(node, self._call(aten.upsample_nearest2d.vec, gradient, outer, None))
            return
        more = [max(0, o - ((i - 1) * s - 2 * p + k)) for o, i, k, s, p in axes]
        ones = self._constant(torch.ones(channels, 1, *kernel))
        new = self._call(aten.convolution.default, gradient, ones, None, stride, padding, [1, 1], True, more, channels)
        self._instead(node, self._cut(new, outer))

    def _max_pool(self, node: fx.Node) -> None:
        """The gradient of a window goes to the first place that holds its largest value, as in torch. What goes to the windows'
        first, second, ... places are maps, of half the size for a step of 2; those of one phase are summed."""
        given: Any = node.args
        gradient, x, kernel, stride, padding, dilation, _, indices = given
        kernel, stride, padding, dilation = _of_axes(2, kernel, stride or kernel, padding, dilation)
        step = stride[0]
        if set(stride) != {step} or set(dilation) != {1}:
            raise ValueError("max pooling with a dilation, or with two different steps, cannot be put as forward operations")
        outer, inner = (one.meta["tensor_meta"].shape[2:] for one in (x, gradient))
        ahead = [max(0, (i - 1) * step + k - p - o) for o, i, k, p in zip(outer, inner, kernel, padding, strict=True)]
        around = [padding[1], ahead[1], padding[0], ahead[0]]
        padded = self._call(aten.constant_pad_nd.default, x, around, -torch.inf)
        largest, nothing = self._call(getitem, indices.args[0], 0), self._constant(torch.zeros(()))
        whole = [-(-o // step) for o in outer]
        phases: dict[tuple[int, ...], fx.Node] = {}
        taps = [_taps(torch.ones(k, 1), step, p) for k, p in zip(kernel, padding, strict=True)]
        for (row, i, down), (column, j, along) in sorted(product(*taps), key=lambda place: (place[0][1], place[1][1])):
            value = padded
            for axis, tap, count in ((2, i, inner[0]), (3, j, inner[1])):
                value = self._call(aten.slice.Tensor, value, axis, tap, tap + (count - 1) * step + 1, step)
            here = self._call(aten.eq.Tensor, value, largest)
            goes = self._call(aten.where.self, here, gradient, nothing)
            gradient = self._call(aten.where.self, here, nothing, gradient)  # what is left for the places after
            pads = [-along, whole[1] - inner[1] + along, -down, whole[0] - inner[0] + down]
            goes = self._call(aten.constant_pad_nd.default, goes, pads, 0.0)
            before = phases.get((row, column))
            phases[row, column] = goes if before is None else self._call(aten.add.Tensor, before, goes)
        none = self._call(aten.mul.Scalar, next(iter(phases.values())), 0.0)
        maps = self._call(aten.stack.default, [phases.get(place, none) for place in product(range(step), repeat=2)], 2)
        maps = self._call(aten.view.default, maps, [-1, x.meta["tensor_meta"].shape[1] * step**2, *whole])
        new = self._call(aten.pixel_shuffle.default, maps, step)
        self._instead(node, self._cut(new, outer))

    def _cut(self, node: fx.Node, sizes: Sequence[int]) -> fx.Node:
        """Without what lies beyond those sizes: of windows that reach over the edge."""
        for axis, size in zip((2, 3), sizes, strict=True):
            node = self._call(aten.slice.Tensor, node, axis, 0, size)
        return node

    def _columns(self, node: fx.Node) -> None:
        onto, indices, values = node.args[:3]
        assert isinstance(onto, fx.Node)
        rows, columns = (*indices, None)[:2]  # pyright: ignore[reportGeneralTypeIssues, reportOptionalIterable]
        if onto.target is not aten.new_zeros.default or len(onto.meta["tensor_meta"].shape) != 2 or rows is not None:
            raise ValueError("index_put cannot be put as forward operations")
        places = nn.functional.one_hot(self._tensor(columns), onto.meta["tensor_meta"].shape[1]).float()
        self._instead(node, self._call(aten.mm.default, values, self._constant(places)))
