"""What an engine has made of a network, kept for the next question."""

from collections.abc import Callable
from typing import Any, TypeVar, final

from pellucid.models.compiled_gradient import CompiledGradient
from pellucid.models.engine import Compiled, everything_of, has_bfloat16
from pellucid.models.errors import first_line
from pellucid.models.local import Local
from pellucid.models.prepared import Prepared
from pellucid.models.unchanged import Values

Made = TypeVar("Made")


@final
class Compilation:
    """Keeps what was compiled for as long as no weight of the network has changed."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Prepared, Values, Any]] = {}
        self._local: tuple[Compiled, int, Local | str] | None = None

    def __reduce__(self) -> tuple[type["Compilation"], tuple[()]]:
        return Compilation, ()  # a copy or a pickle of a model compiles for itself

    def of(self, network: Prepared, shape: tuple[int, ...]) -> Compiled:
        """ValueError when OpenVINO cannot run the network."""
        return self._made("logits", network, lambda: Compiled(network, shape))

    def gradient(self, network: Prepared, shape: tuple[int, ...], lowered: bool = False) -> CompiledGradient | str:
        """Or why there is none. `lowered`, if that is as good as float32, on a CPU that gains by it."""
        if not (lowered and has_bfloat16()):
            return self._made("gradient", network, lambda: _or_why(lambda: CompiledGradient(network, shape)))
        made = self._made("lowered", network, lambda: _or_why(lambda: CompiledGradient(network, shape, lowered=True)))
        if isinstance(made, CompiledGradient) and made.lowered:
            return made
        return self._made("gradient", network, lambda: made)

    def local(self, network: Prepared, shape: tuple[int, ...], window: int) -> Local | str:
        """Or why there is none. ValueError when OpenVINO cannot run the network."""
        compiled = self.of(network, shape)
        if self._local is None or self._local[:2] != (compiled, window):
            self._local = compiled, window, _or_why(lambda: compiled.local(window, shape))
        return self._local[2]

    def _made(self, kind: str, network: Prepared, make: Callable[[], Any]) -> Any:
        if (kept := self._kept.get(kind)) and kept[0] is network and kept[1].hold():
            return kept[2]
        made = make()
        self._kept[kind] = (network, Values(everything_of(network)), made)
        return made


def _or_why(make: Callable[[], Made]) -> Made | str:
    try:
        return make()
    except Exception as error:  # whatever: a graph that OpenVINO cannot read fails in any way
        return first_line(error)
