"""Where a course's artefacts are made, one run at a time, and kept by what they are made of."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pellucid.course.artefacts import BASE, Axis, Value

if TYPE_CHECKING:
    from pellucid.course.spec import Spec


@final
@dataclass(frozen=True)
class Run:
    """The base run (`axis` is `base`), or one in which one axis differs; and the value of every artefact asked for."""

    axis: str
    environment: Mapping[str, Value]


@final
class Workshop:
    """Makes artefacts, and finds again what it has made: in memory, and in the folder by the hash of what it was made from."""

    def __init__(self, spec: "Spec", folder: Path, *, told: Callable[[str], None] = lambda text: None) -> None: ...

    def model(self, name: str) -> Any:
        """The network that the course calls so, loaded once: an ImageClassifier or a TextEncoder."""

    def ids(self, entry: Any) -> tuple[str, ...]:
        """The ids of an entry's images."""

    def images(self, entry: Any) -> Any:
        """An entry's images as its network reads them (`Images`), in the order of `ids(entry)`."""

    def masks(self, entry: Any) -> Any:
        """The course's masks of these images (`pellucid.inputs.masks.Masks`)."""

    def value(self, name: str, axis: Axis = BASE) -> Value:
        """The artefact of that name in a run; one that has no such axis is that of the base run."""

    def keep(self, what: Mapping[str, Any], make: Callable[[], Value]) -> Value:
        """What `make` gives, made only when nothing is kept of this JSON. `what` must say everything that decides the value."""

    def axes(self, names: Iterable[str]) -> list[Axis]:
        """The axes that any of these artefacts, or what they are made from, has."""

    def runs(self, names: Iterable[str]) -> Iterator[Run]:
        """The base run, then one run for every axis."""
