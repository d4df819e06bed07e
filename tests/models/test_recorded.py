"""The graph of a function, recorded while it runs: run again it gives the same, and nothing of torch's compiler is loaded."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from pellucid.models.recorded import recorded
from tests import networks

aten = torch.ops.aten


def given(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def there_and_back(x: Tensor) -> tuple[Tensor, Tensor]:
    network = networks.seeded(networks.relu_cnn()).requires_grad_(False)
    leaf = x.detach().requires_grad_()
    logits = network(leaf)
    return logits.detach(), torch.autograd.grad(logits.square().sum(), leaf)[0]


def over_itself(x: Tensor) -> tuple[Tensor]:
    y = x + 1
    y.mul_(2)
    view = y[0]
    view.sub_(1)
    return (y.clamp_(max=2) + view,)


def pieces(x: Tensor) -> tuple[Tensor, Tensor]:
    first, second = x.split(1)
    values, places = second.max(1)
    return first * torch.arange(4.0), torch.stack([values, places.float()])


@pytest.mark.parametrize(
    ("function", "shape"), [(there_and_back, (2, 3, 16, 16)), (pieces, (2, 4))], ids=["there and back", "pieces"]
)
def test_the_graph_does_what_the_function_did(function, shape):
    graph = recorded(function, [given(*shape)], {})
    other = given(*shape, seed=1)
    for got, expected in zip(graph(other), function(other), strict=True):
        torch.testing.assert_close(got, expected)


def test_what_is_written_over_is_read_from_where_that_was_done():
    graph = recorded(over_itself, [given(2, 4)], {})
    names = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert names.count("aten.mul_.Tensor") == names.count("aten.clamp_.default") == 1
    torch.testing.assert_close(graph(given(2, 4, seed=1))[0], over_itself(given(2, 4, seed=1))[0])


def test_weights_are_attributes_and_nothing_of_the_size_of_the_pictures_is_kept():
    linear = nn.Linear(4, 2).requires_grad_(False)
    graph = recorded(lambda x: (linear(x) + 2 * linear.bias + linear.bias,), [given(3, 4)], {})
    held = [one for _, one in graph.named_buffers()]
    assert sorted(one.numel() for one in held) == [2, 2, 8], "the bias once, and twice its size"
    pointers = [one.data_ptr() for one in held]
    assert {linear.weight.data_ptr(), linear.bias.data_ptr()} < {*pointers}, "themselves, not a copy"


def test_an_operation_is_put_by_others():
    graph = recorded(lambda x: (x.tanh(),), [given(3)], {aten.tanh.default: lambda x: 2 * (2 * x).sigmoid() - 1})
    assert "aten.tanh.default" not in {str(node.target) for node in graph.graph.nodes}
    torch.testing.assert_close(graph(given(3))[0], given(3).tanh())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x if x.sum() > 0 else -x,),
        lambda x: (x * x.max().item(),),
        lambda x: (x[x > 0],),
        lambda x: (x.nonzero(),),
    ],
    ids=["if", "item", "mask", "nonzero"],
)
def test_going_by_values_is_refused(function):
    with pytest.raises(ValueError, match="what is in a tensor"):
        recorded(function, [given(5)], {})


def test_values_that_do_not_hang_on_what_is_given_may_be_asked():
    scale = torch.tensor([3.0])
    graph = recorded(lambda x: (x * scale.item() if scale > 0 else x,), [given(5)], {})
    torch.testing.assert_close(graph(given(5))[0], 3 * given(5))


def test_torchs_compiler_is_not_loaded():
    code = """
import sys, torch
from pellucid.models.engine import logits_of
from pellucid.models.gradient_graph import gradient_graph
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
gradient_graph(net.eval().requires_grad_(False), 1, (3, 8, 8), 4, logits_of)
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
