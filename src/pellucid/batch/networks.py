"""The networks that a batch asks, by the names that requests have for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.load import check_no_code, load
from pellucid.request import Request

if TYPE_CHECKING:  # transformers is imported when an encoder is loaded, not before
    from pellucid.models.text import TextEncoder

Network = Union[ImageClassifier, "TextEncoder"]


def networks(
    sources: Sequence[str | Path | tuple[str, ...] | Request], model: Network | str | Path, engine: Engine | None
) -> dict[str, Network]:
    """The one that is asked about pictures or texts, or those that the requests name: of code only the one that was given.

    `engine` runs the passes of those that classify pictures, by default each one's own; ValueError for an encoder on another
    than torch.
    """
    named = list(dict.fromkeys(one.model for one in sources if isinstance(one, Request)))
    if not named:
        network = load(model) if isinstance(model, str | Path) else model
        return {network.name: _on(network, engine)}
    return {name: _on(_network(name, model), engine) for name in named}


def _network(name: str, given: Network | str | Path) -> Network:
    if not isinstance(given, str | Path) and given.name == name:
        return given
    if name.startswith("sha256:"):
        raise ValueError(f"a request is of a network made in Python, {name[:23]}...; hand it in: batch(..., model=network)")
    return load(name if name == str(given) else check_no_code(name, f"if it is yours: batch(..., model={name!r})"))


def _on(network: Network, engine: Engine | None) -> Network:
    if isinstance(network, ImageClassifier):
        return network.on(engine)
    if engine not in (None, "torch"):
        raise ValueError(f"network_engine={engine!r} is for networks that read pictures; {network.name} reads text")
    return network
