"""A network and the gradient of its output by its input as one graph of forward operations, for an engine without autograd.

Torch's own backward pass is traced, and what an engine cannot run is put otherwise: the gradient of a convolution by its input
is a convolution, that of a ReLU keeps what lies above 0.
"""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, fx, nn
from torch._decomp import get_decompositions
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from pellucid.models.prepared import tracing, twin

aten = torch.ops.aten
_PLAIN = (
    "_log_softmax_backward_data", "_softmax_backward_data", "elu_backward", "gelu_backward", "hardsigmoid_backward",
    "hardswish_backward", "leaky_relu_backward", "mish_backward", "native_batch_norm_backward", "select_backward",
    "sigmoid_backward", "silu_backward", "slice_backward", "softplus", "softplus_backward", "tanh_backward",
)  # fmt: skip
"""What torch itself can put as operations that every engine has."""
_ANY = 13
"""Images while the graph is traced: where it says so many, it means any number."""


def gradient_graph(
    network: nn.Module, shape: tuple[int, ...], logits_of: Callable[[Any], Tensor]
) -> tuple[fx.GraphModule, int]:
    """The graph, for any number of images, and how many logits there are.

    It reads the features, `direct` (image x class), `soft` and `odds` (1 x 1), and gives the logits and a gradient by the
    features: of that whose gradient by the logits is (direct - soft * p) * (1 + odds * (chosen - 1)), where p is their softmax
    and `chosen` its sum over `direct`. ValueError for a network with an operation that has no such form.
    """
    copied = twin(network)
    if copied is None:
        raise ValueError("the network cannot be copied")
    for parameter in copied.parameters():  # subtle: for channels last, torch's mean over a map is no operation of its own
        parameter.data = parameter.data.contiguous()

    def there_and_back(features: Tensor, direct: Tensor, soft: Tensor, odds: Tensor) -> tuple[Tensor, Tensor]:
        leaf = features.detach().requires_grad_()
        logits = logits_of(copied(leaf))
        p = logits.detach().softmax(1)
        chosen = (p * direct).sum(1, keepdim=True)
        (gradient,) = torch.autograd.grad(logits, leaf, (direct - soft * p) * (1 + odds * (chosen - 1)))
        return logits.detach(), gradient

    with tracing, torch.inference_mode(False), torch.enable_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        features = torch.empty(_ANY, *shape)
        classes = int(logits_of(copied(features)).shape[1])
        given = (features, torch.empty(_ANY, classes), torch.empty(1, 1), torch.empty(1, 1))
        plain = get_decompositions([getattr(aten, name) for name in _PLAIN])
        traced = make_fx(there_and_back, decomposition_table=plain)(*given)
    _Rewriting(traced).run()
    return traced, classes


@final
class _Rewriting:
    def __init__(self, traced: fx.GraphModule) -> None:
        self._traced, self._graph, self._made = traced, traced.graph, 0

    def run(self) -> None:
        how: dict[Any, Callable[[fx.Node], None]] = {
            aten.detach.default: self._same,
            aten.alias.default: self._same,
            aten.lift_fresh_copy.default: self._same,
            aten.clamp_.default: self._out_of_place(aten.clamp.default),
            aten.relu_.default: self._out_of_place(aten.relu.default),
            aten.add_.Tensor: self._out_of_place(aten.add.Tensor),
            aten.mul_.Tensor: self._out_of_place(aten.mul.Tensor),
            aten.hardtanh_.default: self._out_of_place(aten.hardtanh.default),
            aten.hardtanh_backward.default: self._clip,
            aten.threshold_backward.default: self._threshold,
            aten.convolution_backward.default: self._convolution,
            aten._adaptive_avg_pool2d_backward.default: self._mean_of_blocks,
            aten.avg_pool2d_backward.default: self._mean_of_blocks,
            aten.index_put.default: self._columns,
            aten.new_full.default: self._filled,
            aten.new_zeros.default: self._filled,
            aten.view.default: self._any_number,
            aten.expand.default: self._any_number,
        }
        for node in list(self._graph.nodes):
            if node.op == "call_function" and node.target in how:
                with self._graph.inserting_before(node):
                    how[node.target](node)
        self._graph.eliminate_dead_code()
        for node in self._graph.nodes:
            name = str(node.target)
            if node.op == "call_function" and ("backward" in name or name.partition(".default")[0].endswith("_")):
                raise ValueError(f"{name.removeprefix('aten.')} cannot be put as forward operations")
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
        if clipped is not None and low == 0:
            # subtle: the rest of a division by the upper limit is 0 at both limits and nowhere between; one pass over the map
            inside = self._call(aten.gt.Scalar, self._call(aten.remainder.Scalar, clipped, high), 0.0)
        else:
            above, below = self._call(aten.gt.Scalar, x, low), self._call(aten.lt.Scalar, x, high)
            inside = self._call(aten.logical_and.default, above, below)
        self._keep(inside, gradient, node)

    def _convolution(self, node: fx.Node) -> None:
        gradient, x, weight, _, stride, padding, dilation, transposed, _, groups, _ = node.args
        if transposed:
            raise ValueError("the gradient of a transposed convolution is not put as a forward operation")
        assert isinstance(x, fx.Node)
        assert isinstance(gradient, fx.Node)
        kernel = self._tensor(weight)
        sizes = kernel.shape[2:]
        if set(stride) == {1}:  # pyright: ignore[reportArgumentType]
            out, into = kernel.shape[:2]
            flipped = kernel.unflatten(0, (groups, out // groups)).transpose(1, 2).flatten(0, 1).flip(*range(2, kernel.ndim))
            assert flipped.shape[0] == groups * into
            pads = [d * (k - 1) - p for d, k, p in zip(dilation, sizes, padding, strict=True)]
            if min(pads) < 0:
                raise ValueError("a convolution pads by more than its kernel reaches")
            args = (gradient, self._constant(flipped), None, stride, pads, dilation, False, [0] * len(pads), groups)
        else:
            outer, inner = (one.meta["val"].shape[2:] for one in (x, gradient))
            left = [
                o - ((i - 1) * s - 2 * p + d * (k - 1) + 1)
                for o, i, s, p, d, k in zip(outer, inner, stride, padding, dilation, sizes, strict=True)
            ]
            args = (gradient, weight, None, stride, padding, dilation, True, left, groups)
        new = self._call(aten.convolution.default, *args)
        new.meta["val"] = x.meta["val"]
        for user in list(node.users):
            if user.args[1] == 0:
                user.replace_all_uses_with(new)
            self._graph.erase_node(user)
        self._graph.erase_node(node)

    def _mean_of_blocks(self, node: fx.Node) -> None:
        gradient = node.args[0]
        assert isinstance(gradient, fx.Node)
        (height, width), (rows, columns) = (one.meta["val"].shape[2:] for one in (node, gradient))
        block = [height // rows, width // columns]
        plain = node.args[2:] in ((), (block, block, [0, 0], False, True, None))
        if height % rows or width % columns or not plain:
            raise ValueError(f"the blocks of a mean over {height} x {width} overlap or leave gaps")
        spread = self._call(aten.upsample_nearest2d.vec, gradient, [height, width], None)
        self._instead(node, self._call(aten.mul.Scalar, spread, 1 / (block[0] * block[1])))

    def _columns(self, node: fx.Node) -> None:
        onto, indices, values = node.args[:3]
        assert isinstance(onto, fx.Node)
        rows, columns = (*indices, None)[:2]  # pyright: ignore[reportGeneralTypeIssues, reportOptionalIterable]
        if onto.target is not aten.new_zeros.default or len(onto.meta["val"].shape) != 2 or rows is not None:
            raise ValueError("index_put cannot be put as forward operations")
        places = nn.functional.one_hot(self._tensor(columns), onto.meta["val"].shape[1]).float()
        self._instead(node, self._call(aten.mm.default, values, self._constant(places)))

    def _filled(self, node: fx.Node) -> None:
        if all(user.target is aten.index_put.default for user in node.users):
            return  # which does without it, see `_columns`
        sizes = node.args[1]
        value = float(node.args[2]) if len(node.args) > 2 else 0.0  # pyright: ignore[reportArgumentType]
        if not sizes or sizes[0] != _ANY:  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
            self._instead(node, self._constant(torch.full(sizes, value)))  # pyright: ignore[reportArgumentType]
            return
        one = next(n for n in self._graph.nodes if n.op == "placeholder" and n.meta["val"].ndim == 2)
        first = self._call(aten.mul.Scalar, self._call(aten.slice.Tensor, one, 1, 0, 1), 0.0)
        row = self._constant(torch.full((1, *sizes[1:]), value))  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
        shaped = self._call(aten.view.default, first, [-1] + [1] * (len(sizes) - 1))  # pyright: ignore[reportArgumentType]
        self._instead(node, self._call(aten.add.Tensor, shaped, row))

    def _any_number(self, node: fx.Node) -> None:
        sizes = [int(size) for size in node.meta["val"].shape]
        if sizes and sizes[0] == _ANY:
            sizes[0] = -1
        node.args = (node.args[0], sizes)
