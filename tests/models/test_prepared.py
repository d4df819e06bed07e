"""The prepared network: the same numbers as the caller's module, which is left as it was, and never a stale one."""

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import pellucid as pl
from pellucid.models import folding, prepared
from tests import networks
from tests.conftest import pictures, wrapped
from tests.laws.test_methods import assert_unchanged, state

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def plain(model: pl.ImageClassifier) -> pl.ImageClassifier:
    """The same without preparing: what every number is compared with."""
    return pl.ImageClassifier(model.module, model.size, model.mean, model.std, channels_last=model.channels_last, prepare=False)


def norms(module: nn.Module) -> int:
    return sum(isinstance(sub, NORMS) for sub in module.modules())


def assert_alike(model: pl.ImageClassifier, count: int = 13) -> None:
    images, target = pictures(model, count), torch.arange(count) % len(model.labels)
    own = plain(model)
    expected = own.logits(images.features)
    assert (model.logits(images.features) - expected).abs().max() <= 1e-5 * expected.abs().max()
    values, gradients = model.gradients(images.features, target)
    own_values, own_gradients = own.gradients(images.features, target)
    assert (values - own_values).abs().max() <= 1e-5 * expected.abs().max()
    assert functional.cosine_similarity(gradients.flatten(1), own_gradients.flatten(1)).min() > 0.9999
    torch.testing.assert_close(gradients.flatten(1).norm(dim=1), own_gradients.flatten(1).norm(dim=1), rtol=1e-3, atol=0)


class Padded(nn.Conv2d):
    """Pads by a module of its own, as TensorFlow does, and leaves the rest to the convolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 3, bias=False)
        self.pad = nn.ZeroPad2d((0, 2, 0, 2))

    def forward(self, input: Tensor) -> Tensor:
        return functional.conv2d(self.pad(input), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Standardised(nn.Conv2d):
    """A convolution with weights of its own making, into which nothing can be folded."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return functional.conv2d(input, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


class Pair(nn.Module):
    """A convolution and a batch norm, used as `how` says, and a head."""

    def __init__(self, how: Callable[["Pair", Tensor], Tensor], conv: nn.Module | None = None) -> None:
        super().__init__()
        self.how = how
        self.conv = conv if conv is not None else nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.end = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(27, 4))

    def forward(self, x: Tensor, again: bool | None = None) -> Tensor:
        if again is not None:
            raise ValueError("only with the default is this network what it is")
        return self.end(self.how(self, x))


class Asks(nn.Module):
    """Goes one way or the other with the values it sees: no tracing gets through."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else 2 * x


class Flat(nn.Module):
    """Reads the memory in one order only."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)


def straight(net: Pair, x: Tensor) -> Tensor:
    return net.norm(net.conv(x)).relu()


def used_besides(net: Pair, x: Tensor) -> Tensor:
    y = net.conv(x)
    return net.norm(y) + y


def norm_twice(net: Pair, x: Tensor) -> Tensor:
    return net.norm(net.norm(net.conv(x)))


def conv_twice(net: Pair, x: Tensor) -> Tensor:
    return net.norm(net.conv(net.conv(x)))


def weight_besides(net: Pair, x: Tensor) -> Tensor:
    assert isinstance(net.conv, nn.Conv2d)
    return net.norm(net.conv(x)) * net.conv.weight.sum()


def statistics_besides(net: Pair, x: Tensor) -> Tensor:
    assert net.norm.running_var is not None
    return net.norm(net.conv(x)) * net.norm.running_var.sum()


def after_a_relu(net: Pair, x: Tensor) -> Tensor:
    return net.norm(net.conv(x).relu())


FOLDED: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "convolutions in a row": (networks.relu_cnn, 0),
    "skip connection, depthwise": (networks.Residual, 0),
    "a layer of the caller's own": (lambda: Pair(straight, Padded(3, 3)), 0),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3)), 0),
    "norm without scale": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Flatten(), nn.Linear(784, 3)),
        0,
    ),
    "beside what cannot be traced": (lambda: Pair(lambda n, x: Asks.forward(Asks(), n.norm(n.conv(x)))), 1),
    "in front of a module that cannot be traced": (
        lambda: nn.Sequential(*list(networks.relu_cnn().children())[:9], Asks(), nn.Linear(160, 5)),
        0,
    ),
    "float64": (lambda: networks.relu_cnn().double(), 0),
    "in a wrapper": (lambda: nn.DataParallel(networks.relu_cnn()), 0),
    "reads memory in one order": (lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), Flat(), nn.Linear(392, 3)), 0),
    "output used besides": (lambda: Pair(used_besides), 1),
    "norm used twice": (lambda: Pair(norm_twice), 1),
    "convolution used twice": (lambda: Pair(conv_twice, nn.Conv2d(3, 3, 3)), 1),
    "weight used besides": (lambda: Pair(weight_besides), 1),
    "statistics used besides": (lambda: Pair(statistics_besides), 1),
    "not right behind": (lambda: Pair(after_a_relu), 1),
    "weights made in the pass": (lambda: Pair(straight, Standardised(3, 3, 3)), 1),
    "parametrized": (lambda: Pair(straight, parametrizations.weight_norm(nn.Conv2d(3, 3, 3))), 1),
    "statistics of the batch": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(784, 3)
        ),
        1,
    ),
}
"""A network, and how many batch norms are left in it."""


@pytest.mark.filterwarnings("ignore:.*lazily:UserWarning")
@pytest.mark.parametrize("case", FOLDED)
def test_folds_what_is_provable_at_the_same_numbers(case: str) -> None:
    make, left = FOLDED[case]
    module = make()
    for sub in module.modules():
        if isinstance(sub, NORMS) and sub.running_var is None:
            sub.eval()
    if not any(isinstance(sub, NORMS) and sub.running_var is None for sub in module.modules()):
        networks.seeded(module)
    model = pl.ImageClassifier(module.eval(), size=(16, 16))
    assert norms(model.prepared.module) == left
    assert_alike(model, 2 if case == "statistics of the batch" else 13)


def padding_first(pad: nn.Module, conv: nn.Conv2d, *between: nn.Module) -> nn.Module:
    return nn.Sequential(pad, *between, conv, nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 5))


def padded_twice(pad: nn.Module) -> nn.Module:
    return nn.Sequential(
        pad, nn.Conv2d(3, 3, 3), pad, nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 5)
    )


PADDED: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "alike on all sides": (lambda: padding_first(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3)), 0),
    "more after, as TensorFlow does": (lambda: padding_first(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, stride=2)), 0),
    "more before, along one axis": (lambda: padding_first(nn.ZeroPad2d((3, 1, 2, 2)), nn.Conv2d(3, 4, (5, 2), stride=3)), 0),
    "a constant that is 0": (lambda: padding_first(nn.ConstantPad2d((0, 2, 1, 0), 0.0), nn.Conv2d(3, 4, 3)), 0),
    "on top of the convolution's own": (
        lambda: padding_first(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 4, 3, padding=(2, 1))),
        0,
    ),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(3, 6, 1), padding_first(nn.ZeroPad2d((1, 2, 1, 2)), grouped())), 0),
    "alike, dilated": (lambda: padding_first(nn.ZeroPad2d(2), nn.Conv2d(3, 4, 3, dilation=2)), 0),
    "unlike, dilated": (lambda: padding_first(nn.ZeroPad2d((0, 2, 0, 2)), nn.Conv2d(3, 4, 3, dilation=2)), 1),
    "another constant": (lambda: padding_first(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)), 1),
    "by mirroring": (lambda: padding_first(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3)), 1),
    "in front of a convolution that mirrors": (
        lambda: padding_first(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        1,
    ),
    "cut off": (lambda: padding_first(nn.ZeroPad2d((-1, 1, -1, 1)), nn.Conv2d(3, 4, 3)), 1),
    "not right in front": (lambda: padding_first(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3), nn.Sigmoid()), 1),
    "used twice": (lambda: padded_twice(nn.ZeroPad2d(1)), 2),
    "'same'": (lambda: padding_first(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding="same")), 1),
}
"""A network, and how many paddings are left in it."""


def grouped() -> nn.Conv2d:
    return nn.Conv2d(6, 4, 5, stride=2, groups=2)


@pytest.mark.parametrize("case", PADDED)
def test_a_convolution_pads_for_itself_where_it_provably_may(case: str) -> None:
    make, left = PADDED[case]
    model = wrapped(networks.seeded(make()))
    kinds = (nn.ConstantPad2d, nn.ReflectionPad2d)
    assert sum(isinstance(sub, kinds) for _, sub in model.prepared.module.named_modules(remove_duplicate=False)) == left
    assert_alike(model)


@pytest.mark.parametrize("what", ["_pad", "_Over"])
def test_where_the_rest_goes_wrong_batch_norms_are_still_folded(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, what, {"_pad": lambda *_: None, "_Over": lambda _: nn.Sigmoid().eval()}[what])
    rest = padding_first(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3))
    model = wrapped(networks.seeded(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), rest)))
    kinds = [type(sub) for sub in model.prepared.module.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.ZeroPad2d in kinds
    assert nn.ReLU in kinds
    assert_alike(model)


def test_another_weight_of_a_convolution_that_pads_for_itself_is_seen() -> None:
    model = wrapped(networks.seeded(padding_first(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3))))
    assert_alike(model)
    model.module.get_parameter("1.weight").data.mul_(2)
    assert_alike(model)


def test_maps_are_channels_last_only_where_the_network_can_read_them() -> None:
    assert wrapped(networks.relu_cnn()).prepared.channels_last
    assert not pl.ImageClassifier(FOLDED["reads memory in one order"][0]().eval(), size=(16, 16)).prepared.channels_last
    assert not wrapped(networks.Linear(16)).prepared.channels_last, "nothing to gain"
    model = wrapped(networks.smooth_cnn())
    assert model.prepared.channels_last
    assert model.prepared.module is model.module, "without a batch norm there is nothing to copy"


@pytest.mark.parametrize("make", [networks.relu_cnn, networks.Residual, lambda: Pair(straight, Padded(3, 3))])
def test_every_layer_puts_out_what_it_does_in_the_callers_module(make: Callable[[], nn.Module]) -> None:
    inner = make()
    model = wrapped(nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3), inner))
    assert norms(model.prepared.module) == 0
    own, images, target = plain(model), pictures(model), torch.tensor([0, 1, 2])
    layers = [layer.name for layer in model.layers if layer.calls == 1]
    assert {"0", "0.0", "1"} <= set(layers)
    for name in layers:
        for got, expected in zip(
            model.layer_gradients(images.features, target, name),
            own.layer_gradients(images.features, target, name),
            strict=True,
        ):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()), msg=name)
        with torch.no_grad():
            got, expected = (one.layer_output(images.features, name) for one in (model, own))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()), msg=name)
    assert {"0", "0.0"} <= model.prepared.altered, "the first Sequential puts out what its convolution does"
    for name in layers:
        variant = model.prepared_for(name)
        assert (variant is model.prepared) is (name not in model.prepared.altered)
        assert name not in variant.altered
        assert norms(variant.module) <= 1, "all but the batch norm behind the layer are folded"


def test_copies_for_layers_are_few_and_follow_the_weights() -> None:
    blocks = [part for n in range(3) for part in (nn.Conv2d(3 + n, 4 + n, 3), nn.BatchNorm2d(4 + n), nn.ReLU())]
    model = wrapped(networks.seeded(nn.Sequential(*blocks, nn.Flatten(), nn.Linear(600, 5))))
    names = sorted(model.prepared.altered)
    assert names == ["0", "1", "3", "4", "6", "7"]
    made = [model.prepared_for(name) for name in names]
    assert len(model._preparation._kept) == 4
    assert model.prepared_for("7") is made[-1], "the newest are kept"
    own, images = plain(model), pictures(model)
    model.module.get_parameter("0.weight").data.mul_(2)
    assert model.prepared_for("7") is not made[-1]
    for name in names:
        with torch.no_grad():
            got, expected = (one.layer_output(images.features, name) for one in (model, own))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def clipped(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), *between, nn.ReLU6(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 5))


class ReadTwice(nn.Module):
    """The ReLU reads what something else reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.end = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 14 * 14, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.end((self.relu(y) + y).flatten(1))


class SharedClip(nn.Module):
    """One ReLU for two places, in one of which it may not write over what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.end = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 14 * 14, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv(x)).sigmoid()
        return self.end((self.relu(y) + y).flatten(1))


def test_what_a_pass_keeps_for_its_gradient_is_kept_once() -> None:
    model = wrapped(networks.seeded(clipped()))
    kept: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        leaf = torch.rand(10, 3, 16, 16).requires_grad_()
        model.prepared.module(leaf.clone())
    image, maps = 4 * 10 * 3 * 16 * 16, 4 * 10 * 4 * 14 * 14
    assert image + maps <= sum(kept.values()) < image + 1.6 * maps


CLIPPED: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "behind a convolution": (clipped, True),
    "behind a batch norm": (lambda: clipped(nn.BatchNorm2d(4)), True),
    "behind a batch norm of the batch": (lambda: clipped(nn.BatchNorm2d(4), nn.BatchNorm2d(4)), True),
    "between other limits": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(-0.3, 0.5), nn.Flatten(), nn.Linear(784, 5)),
        True,
    ),
    "behind a linear layer": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 9), nn.ReLU(), nn.Linear(9, 5)), True),
    "behind what needs its own answer for its gradient": (lambda: clipped(nn.Sigmoid()), False),
    "behind the image": (lambda: nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(768, 5)), False),
    "read twice": (ReadTwice, False),
    "shared": (SharedClip, False),
}
"""A network, and whether its ReLU may write over what it reads."""


@pytest.mark.parametrize("case", CLIPPED)
def test_a_relu_writes_over_what_nobody_else_reads(case: str) -> None:
    make, may = CLIPPED[case]
    model = wrapped(networks.seeded(make()))
    assert any(isinstance(sub, folding._Over) for sub in model.prepared.module.modules()) is may
    assert not any(isinstance(sub, folding._Over) for sub in model.module.modules())
    assert_alike(model)


def test_the_pass_ends_at_the_layer_with_the_gradient_by_the_input() -> None:
    model = wrapped(networks.relu_cnn())
    images = pictures(model)
    results = []
    for one in (model, plain(model)):
        leaf = images.features.clone().requires_grad_()
        output = one.layer_output(leaf.clone(), "5")
        results.append(torch.autograd.grad(output.square().sum(), leaf)[0])
    assert functional.cosine_similarity(*(r.flatten(1) for r in results)).min() > 0.9999
    with pytest.raises(KeyError, match="no layer named 'fifth'"):
        model.layer_output(images.features, "fifth")


def test_the_callers_module_is_left_as_it_was() -> None:
    module = networks.seeded(networks.relu_cnn())
    for i, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(i % 2 == 0)
        parameter.grad = torch.ones_like(parameter) if i % 2 == 0 else None
    model = pl.ImageClassifier(module, size=(16, 16))
    before = state(module)
    layout = [(id(t), t.data_ptr(), t.stride()) for t in module.state_dict(keep_vars=True).values()]
    rng = torch.get_rng_state()
    for method in ("saliency", "grad_cam"):
        pl.explain(model, pictures(model), method=method)
    assert model.prepared.module is not module
    assert_unchanged(before, state(module))
    assert layout == [(id(t), t.data_ptr(), t.stride()) for t in module.state_dict(keep_vars=True).values()]
    assert torch.equal(rng, torch.get_rng_state())


def test_what_is_not_folded_is_shared_not_copied() -> None:
    model = wrapped(networks.relu_cnn())
    ours, theirs = (dict(m.named_parameters()) for m in (model.prepared.module, model.module))
    assert ours["9.weight"].data_ptr() == theirs["9.weight"].data_ptr()
    assert ours["0.weight"].data_ptr() != theirs["0.weight"].data_ptr()
    assert not any(p.requires_grad for p in ours.values())
    assert all(p.requires_grad for p in theirs.values())


class Scaled(nn.Module):
    """A network with something of every kind that a caller may change in it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = networks.relu_cnn()
        self.act: Callable[[Tensor], Tensor] = torch.tanh
        self.factor = 2.0
        self.shift = torch.tensor(0.5)
        self.config = SimpleNamespace(power=1.0)
        self.table = {"plus": [0.0]}

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.net(x)) * self.factor**self.config.power + self.shift + self.table["plus"][0]


def _unseen(module: Scaled) -> None:
    module.net[0].weight.data[3, 2, 1, 1] += 3  # pyright: ignore[reportIndexIssue]


CHANGES: dict[str, Callable[[Any], object]] = {
    "a weight in place": lambda m: m.net[0].weight.detach().mul_(2),
    "one weight through .data, which counts no version": _unseen,
    "new values in .data": lambda m: setattr(m.net[0].weight, "data", m.net[0].weight.data * 2),
    "new values in a buffer's .data": lambda m: setattr(m.net[1].running_mean, "data", m.net[1].running_mean + 1),
    "another parameter": lambda m: setattr(m.net[0], "weight", nn.Parameter(m.net[0].weight.detach() * 2)),
    "a weight that is shared": lambda m: m.net[9].weight.data.zero_(),
    "running statistics": lambda m: m.net[5].running_var.mul_(3),
    "loaded weights": lambda m: m.load_state_dict({k: v * 2 for k, v in m.state_dict().items()}),
    "a submodule": lambda m: m.net.__setitem__(2, nn.Sigmoid().eval()),
    "a norm's eps": lambda m: setattr(m.net[1], "eps", 0.5),
    "a function": lambda m: setattr(m, "act", torch.sigmoid),
    "a number": lambda m: setattr(m, "factor", 3.0),
    "a tensor that is no buffer": lambda m: setattr(m, "shift", torch.tensor(1.0)),
    "a tensor that is no buffer, in place": lambda m: m.shift.add_(1),
    "inside an object": lambda m: setattr(m.config, "power", 2.0),
    "inside a list in a dictionary": lambda m: m.table["plus"].__setitem__(0, 1.0),
    "a hook": lambda m: m.net[1].register_forward_hook(lambda *a: a[-1] + 1),
    "a forward of its own": lambda m: setattr(m.net[1], "forward", lambda x: x + 1),
    "double precision": lambda m: m.double(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stale_copy_is_never_used(change: str) -> None:
    model = wrapped(Scaled())
    features = pictures(model).features
    before = model.logits(features)
    assert norms(model.prepared.module) == 0
    CHANGES[change](model.module)
    own = plain(model).logits(features)
    torch.testing.assert_close(model.logits(features), own, rtol=1e-5, atol=1e-5)
    assert change == "double precision" or not torch.allclose(own, before, atol=1e-3), "the change matters"


def test_is_prepared_once_for_all_explanations_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        prepared, "folded", lambda *given, real=prepared.folded, **how: made.append(given) or real(*given, **how)
    )
    model = wrapped(networks.relu_cnn())
    assert not made, "a model that is asked nothing has nothing to prepare"
    for against in (None, 1):
        pl.explain(model, pictures(model), method="saliency", against=against)
    attribution = pl.explain(model, pictures(model), method="integrated_gradients", steps=2)
    pl.measure(model, pictures(model), attribution, metric="completeness")
    assert len(made) == 1
    wrapped(networks.relu_cnn()).logits(pictures(model).features)
    assert len(made) == 2


def test_a_hook_of_the_callers_sees_every_pass() -> None:
    model = wrapped(networks.relu_cnn())
    seen = []
    handle = model.module.get_submodule("1").register_forward_hook(lambda *_: seen.append(1))
    model.logits(pictures(model).features)
    assert len(seen) == 1
    handle.remove()
    model.logits(pictures(model).features)
    assert len(seen) == 1


class Counting(nn.Module):
    """Counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.passes, self.seen = networks.relu_cnn(), 0, [0]

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.seen[0] += 1
        return self.net(x)


def test_a_module_that_keeps_something_of_a_pass_runs_itself() -> None:
    model = wrapped(Counting())
    assert norms(model.prepared.module) == 2
    module = model.module
    assert isinstance(module, Counting)
    assert (module.passes, module.seen[0]) == (1, 1), "the one in which a model is tried; preparing takes none of the module"
    model.logits(pictures(model).features)
    assert (module.passes, module.seen[0]) == (2, 2)


def test_runs_on_the_module_itself_on_demand() -> None:
    model = plain(wrapped(networks.relu_cnn()))
    assert model.prepared.module is model.module
    assert not model.prepared.channels_last


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_left_as_it_is(dtype: torch.dtype) -> None:
    model = wrapped(networks.relu_cnn())
    own = plain(model)
    model.module.to(dtype)
    assert model.prepared.module is model.module
    features = pictures(model).features
    assert torch.equal(model.logits(features), own.logits(features))


def test_a_module_that_was_set_to_training_later_is_not_copied() -> None:
    model = wrapped(networks.relu_cnn())
    assert model.prepared.module is not model.module
    model.module.get_submodule("1").train()
    assert model.prepared.module is model.module


def test_a_wrong_fold_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(layer: nn.Module, norm: nn.Module, real: Any = folding._fold) -> None:
        real(layer, norm)
        layer.bias = nn.Parameter(layer.bias + 1e-3)  # pyright: ignore[reportOperatorIssue, reportArgumentType, reportCallIssue]

    monkeypatch.setattr(folding, "_fold", wrong)
    model = wrapped(networks.relu_cnn())
    assert model.prepared.module is model.module
    assert_alike(model)

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = networks.relu_cnn()

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.net(x), torch.full((len(x), 1), -1e6)], 1)

    constant = wrapped(Constant())
    assert constant.prepared.module is constant.module, "a huge logit that never changes hides nothing"


def test_tensors_that_no_copy_would_share_forbid_one() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.table = networks.relu_cnn(), [torch.ones(1)]

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) * self.table[0]

    model = wrapped(Hidden())
    assert model.prepared.module is model.module
    assert_alike(model)


def test_a_copy_of_a_model_and_the_copys_end() -> None:
    model = wrapped(networks.relu_cnn())
    features = pictures(model).features
    expected = model.logits(features)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other.logits(features), expected)
    twin = weakref.ref(model.prepared.module)
    module = model.module
    del model, other
    gc.collect()
    assert twin() is None
    assert module is not None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_prepared_without_gradients_still_has_them(mode: Callable[[], Any]) -> None:
    model = wrapped(networks.relu_cnn())
    with mode():
        model.logits(pictures(model).features)
    assert_alike(model)


def test_a_network_that_runs_in_another_thread_meanwhile_is_not_traced() -> None:
    other, x = networks.seeded(networks.relu_cnn()), torch.rand(1, 3, 16, 16)
    expected, got = other(x), []

    def meanwhile(net: Pair, y: Tensor) -> Tensor:
        thread = threading.Thread(target=lambda: got.append(other(x)))
        thread.start()
        thread.join()
        return straight(net, y)

    model = wrapped(Pair(meanwhile))
    assert norms(model.prepared.module) == 0
    assert all(torch.equal(one, expected) for one in got)


def test_imagenet_is_folded_throughout_at_the_same_numbers(imagenet: pl.ImageClassifier) -> None:
    assert norms(imagenet.module) == 49
    assert norms(imagenet.prepared.module) == 0
    images = imagenet.read(["observation:0", "observation:1"])
    own = plain(imagenet)
    expected = own.logits(images.features)
    assert (imagenet.logits(images.features) - expected).abs().max() <= 1e-5 * expected.abs().max()
    target = expected.argmax(1)
    (_, ours), (_, theirs) = (one.gradients(images.features, target) for one in (imagenet, own))
    assert functional.cosine_similarity(ours.flatten(1), theirs.flatten(1)).min() > 0.9999
