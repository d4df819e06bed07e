"""A network compiled by OpenVINO, which takes half of torch's time for a forward pass on a CPU; without gradients.

In float32 its logits are torch's, which is tried before anything else is asked. In bfloat16, which takes half the time on a CPU
that computes so, they are not: that is for sums over many perturbed copies, after `Watch` has compared some with float32.
"""

import threading
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.models.prepared import AGREE, Prepared, Values, scale, tensors_of

Engine = Literal["torch", "openvino"]
Precision = Literal["float32", "bfloat16"]


@runtime_checkable
class Quick(Protocol):
    """Logits of features, in either precision."""

    @property
    def has_bfloat16(self) -> bool: ...
    def __call__(self, features: Tensor, precision: Precision) -> Tensor: ...


_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
_compiling = threading.Lock()


def check_installed() -> None:
    """ValueError when OpenVINO is not there."""
    if find_spec("openvino") is None:
        raise ValueError("engine='openvino' needs OpenVINO: pip install 'pellucid[fast]', or leave engine='torch'")


@final
class Compiled:
    """A network as it is now: it does not follow when a weight is changed."""

    def __init__(self, network: Prepared, shape: tuple[int, ...]) -> None:
        """ValueError when OpenVINO cannot read the network, or gets other logits than torch does."""
        tensors = _everything(network)
        if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
            raise ValueError("engine='openvino' is for networks in float32 on a CPU; use engine='torch'")
        self._graph = _read(network, shape)
        self._requests: dict[Precision, Any] = {}
        self._lock = threading.Lock()  # subtle: a request runs one batch at a time, and says so with an error
        noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = logits_of(network.module(noise))
        far, most = float((self(noise, "float32") - expected).abs().max()), scale(expected)
        if not far <= AGREE * most:
            raise ValueError(
                f"engine='openvino': its logits are up to {far:.2g} from torch's, of {most:.2g}; use engine='torch'"
            )

    def __call__(
        self, features: Float[Tensor, "batch channel height width"], precision: Precision
    ) -> Float[Tensor, "batch class"]:
        """The logits."""
        with self._lock:
            if precision not in self._requests:
                self._requests[precision] = self._request(precision)
            found = self._requests[precision].infer([features.contiguous().numpy()], share_inputs=True)
            return torch.from_numpy(found[0].copy())

    @property
    def has_bfloat16(self) -> bool:
        """Whether this CPU computes in bfloat16; where it does not, asking for it costs more than float32."""
        return "BF16" in _capabilities()

    def _request(self, precision: Precision) -> Any:
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        return openvino.compile_model(self._graph, "CPU", settings).create_infer_request()


@cache
def _capabilities() -> list[str]:
    import openvino

    return openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _everything(network: Prepared) -> list[Tensor]:
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
    """The network as OpenVINO's graph, for any number of images."""
    # subtle: not by `openvino.convert_model`, which reports its use over the network
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    try:
        with _compiling, torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(_Logits(network.module).eval(), torch.zeros(2, *shape), check_trace=False)
            front = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(traced)  # subtle: it must live for as long as the graph is being made
            graph = front.convert(front.load(decoder))
        graph.reshape([-1, *shape])
    except Exception as error:  # whatever: a network that cannot be traced or read fails in any way
        said = str(error).strip().splitlines()
        raise ValueError(
            f"engine='openvino' cannot read this network ({said[0] if said else type(error).__name__}); use engine='torch'"
        ) from error
    return graph


@final
class Compilation:
    """Keeps what was compiled for as long as no weight of the network has changed."""

    def __init__(self) -> None:
        self._kept: tuple[Prepared, Values, Compiled] | None = None

    def __reduce__(self) -> tuple[type["Compilation"], tuple[()]]:
        return Compilation, ()  # a copy or a pickle of a model compiles for itself

    def of(self, network: Prepared, shape: tuple[int, ...]) -> Compiled:
        if (kept := self._kept) and kept[0] is network and kept[1].hold():
            return kept[2]
        compiled = Compiled(network, shape)
        self._kept = (network, Values(_everything(network)), compiled)
        return compiled
