"""A network compiled by OpenVINO, which takes half of torch's time for a forward pass on a CPU, and less of a pass back.

In float32 its logits are torch's, which is tried before anything else is asked, and so are its gradients, for which some layers
of the way back may be in bfloat16. In bfloat16, which takes half the time on a CPU that computes so, logits are not, and even
less so in eight-bit integers, which take a quarter to a half of the time on many more: those are for sums over many perturbed
copies, after `Watch` has compared some with float32.
"""

import copy
import threading
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, Protocol, final, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from pellucid.models.bare import written_out
from pellucid.models.errors import first_line
from pellucid.models.finite import check_features
from pellucid.models.followed import followed
from pellucid.models.local import Local, Precision
from pellucid.models.prepared import AGREE, Prepared, scale
from pellucid.models.quantized import quantized
from pellucid.models.unchanged import tensors_of

Engine = Literal["torch", "openvino", "openvino-int8"]
"""The last where it was asked for only: bfloat16 is as exact as sums need, integers are for those who are in a hurry."""


@runtime_checkable
class Quick(Protocol):
    """Logits of features, in either precision."""

    @property
    def has_bfloat16(self) -> bool: ...
    def __call__(self, features: Tensor, precision: Precision) -> Tensor: ...


TOGETHER = 5
"""Images that a pass takes at once, of which some may be empty: for a number that it knows beforehand, OpenVINO makes code that
is a tenth faster, and no faster for more."""
_HINTS = {"float32": "f32", "bfloat16": "bf16", "as it says": "dynamic"}
compiling = threading.Lock()
"""Held while torch traces a network and OpenVINO reads it."""


def check_engine(name: str) -> None:
    """ValueError for an engine that is unknown or not installed."""
    if name not in get_args(Engine):
        raise ValueError(f"no engine named {name!r}; known: {', '.join(get_args(Engine))}")
    if name != "torch" and find_spec("openvino") is None:
        raise ValueError("engine='openvino' needs OpenVINO: pip install 'pellucid[fast]', or leave engine='torch'")


@final
class Compiled:
    """A network as it is now: it does not follow when a weight is changed."""

    def __init__(self, network: Prepared, shape: tuple[int, ...]) -> None:
        """ValueError when OpenVINO cannot read the network, or gets other logits than torch does."""
        check_float32(network)
        self._graph = _read(network, shape)
        self._requests: dict[Precision, Any] = {}
        self._lock = threading.Lock()  # subtle: a request runs one batch at a time, and says so with an error
        noise = noise_like(shape)
        # subtle: after reading, which refuses what torch compiles; once followed, that would never be compiled again
        expected, by_values = followed(network.module, noise.clone())
        if by_values:
            raise ValueError(
                "engine='openvino' knows one way through a network, and this one goes its way by the values that it sees (as "
                "with `if x.mean() > 0:` or `.item()` in its forward pass); use engine='torch'"
            )
        check_logits(self(noise, "float32"), logits_of(expected), network, noise)

    def __call__(
        self, features: Float[Tensor, "batch channel height width"], precision: Precision
    ) -> Float[Tensor, "batch class"]:
        """The logits."""
        with self._lock:
            if precision not in self._requests:
                self._requests[precision] = request_of(self._graph, precision)
            return _answers(self._requests[precision], features)

    def quantized(self, seen: Float[Tensor, "picture channel height width"]) -> Callable[[Tensor, Precision], Tensor]:
        """The same in eight-bit integers, fitted to pictures like those seen. ValueError where OpenVINO cannot."""
        try:
            request = request_of(quantized(self._graph, request_of, seen), "float32")
        except Exception as error:  # whatever: a graph of other operations fails in any way
            raise ValueError(first_line(error)) from error
        return lambda features, _precision: _answers(request, features)

    def local(self, window: int, shape: tuple[int, ...]) -> Local:
        """For copies of an image that differ from it in a square of that side. ValueError when there is nothing to save."""
        made = Local(self._graph, window, request_of)
        noise, owners, sides = noise_like(shape), torch.arange(2), torch.tensor(shape[1:])
        begun = made.begun(noise, "float32")
        for corners in (torch.stack([0 * sides, sides // 2]), torch.stack([sides // 3, sides - 1])):
            copies = noise.clone()
            for one, (top, left) in zip(copies, corners.tolist(), strict=True):
                one[:, top : top + window, left : left + window] = 0
            check_logits(made(copies, corners, begun, owners, "float32"), self(copies, "float32"))
        return made

    @property
    def has_bfloat16(self) -> bool:
        """Whether this CPU computes in bfloat16; where it does not, asking for it costs more than float32."""
        return has_bfloat16()


def _answers(request: Any, features: Tensor) -> Tensor:
    check_features(features)
    found = [
        torch.from_numpy(request.infer([filled(some, TOGETHER)], share_inputs=True)[0][: len(some)])
        for some in features.split(TOGETHER)
    ]
    return torch.cat(found)


def filled(some: Tensor, together: int) -> NDArray[np.float32]:
    """With zeros for the images that are missing."""
    if missing := together - len(some):
        some = torch.cat([some, some.new_zeros(missing, *some.shape[1:])])
    return some.contiguous().numpy()


def check_float32(network: Prepared) -> None:
    """ValueError for any other network, or one elsewhere than on the CPU."""
    tensors = everything_of(network)
    if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
        raise ValueError("engine='openvino' is for networks in float32 on a CPU; use engine='torch'")


def noise_like(shape: tuple[int, ...]) -> Tensor:
    """Two pictures, the same ones each time, to try a network with."""
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


def check_logits(found: Tensor, expected: Tensor, network: Prepared | None = None, pictures: Tensor | None = None) -> None:
    """ValueError for others than are expected, but for rounding: for what a network makes of pictures, its own in float32.

    One with random weights lets that grow beyond `AGREE`, in torch as well.
    """
    far, most = float((found - expected).abs().max()), scale(expected)
    if far <= AGREE * most:
        return
    if network is not None and pictures is not None and far <= 10 * AGREE * most:
        exact = _in_float64(network.module, pictures)
        if exact is not None and _farthest(found, exact) <= 2 * _farthest(expected, exact):
            return
    raise ValueError(f"engine='openvino': its logits are up to {far:.2g} from torch's, of {most:.2g}; use engine='torch'")


def _in_float64(module: torch.nn.Module, pictures: Tensor) -> Tensor | None:
    """The logits but for rounding, or None for a network that takes float32 alone."""
    try:
        with torch.no_grad():
            return logits_of(copy.deepcopy(module).double()(pictures.double()))
    except Exception:  # whatever: somebody else's code
        return None


def _farthest(logits: Tensor, exact: Tensor) -> float:
    return float((logits - exact).abs().max())


def request_of(graph: Any, precision: Precision | Literal["as it says"]) -> Any:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return openvino.compile_model(graph, "CPU", settings).create_infer_request()


@cache
def has_bfloat16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def adds_bytes() -> bool:
    """Whether this CPU adds up products of bytes exactly, by instructions of its own (VNNI). Unknown ones are taken not to.

    Others add two products in sixteen bits, where large sums are cut off, so that answers in integers stray and save little.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return "x86" not in known.get("architecture", "x86") or any(known.get(name) for name in ("avx512_vnni", "avx_vnni"))


def everything_of(network: Prepared) -> list[Tensor]:
    """All its weights and buffers."""
    return [tensor for sub in network.module.modules() for tensor in tensors_of(sub)]


def logits_of(output: Any) -> Any:
    return getattr(output, "logits", output)


class _Logits(torch.nn.Module):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return logits_of(self.network(x))


def _read(network: Prepared, shape: tuple[int, ...]) -> Any:
    """The network as OpenVINO's graph, for `TOGETHER` images."""
    # subtle: not by `openvino.convert_model`, which reports its use over the network
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    try:
        with compiling, torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # subtle: as many images as it will be asked; their number may be a constant of what is traced
            traced = torch.jit.trace(
                _Logits(written_out(network.module)).eval(), torch.zeros(TOGETHER, *shape), check_trace=False
            )
            front = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(traced)  # subtle: it must live for as long as the graph is being made
            graph = front.convert(front.load(decoder))
        graph.reshape([TOGETHER, *shape])
    except Exception as error:  # whatever: a network that cannot be traced or read fails in any way
        raise ValueError(f"engine='openvino' cannot read this network ({first_line(error)}); use engine='torch'") from error
    return graph
