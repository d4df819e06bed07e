"""What the course's questions are about: kinds of artefact, each made from its entry in the source and the setting of a run.

A run changes one thing at a time: the seed, the number of samples, the edge of a mask, the arithmetic. An artefact's kind says
which of these axes it has. Each file of this package registers its own kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from pellucid.registry import Registry

if TYPE_CHECKING:
    from pellucid.course.workshop import Workshop

Value = Any
"""An array of numbers, bools or strings, a number, a string, or a mapping from strings to values, Missing where it has none."""


@final
@dataclass(frozen=True)
class Missing:
    """Stands in a mapping for a value that cannot be had, such as the mask of an image without one: options that ask for it are
    INVALID."""

    reason: str


@final
@dataclass(frozen=True)
class Axis:
    """One setting that differs from the base run. Axes of one name are changed together in all artefacts that have them."""

    name: str
    """As an instructor reads it: `seed 3`, `samples -25 %`, `mask +2 px`, `clip +1`, `precision float64`."""
    setting: Mapping[str, int | float | str] = field(default_factory=dict[str, int | float | str])
    """What the kind's function reads: `{"seed": 3}`, `{"samples": 0.75}`, `{"mask": 2}`."""

    def get(self, name: str, default: Any = None) -> Any:
        """The setting of that name, or the default where this axis leaves it alone."""
        return self.setting.get(name, default)


BASE = Axis("base")
"""The students' own setting: seed 0, everything as the entry says."""


def seeds(count: int) -> list[Axis]:
    """Seeds 1 to count - 1; the base run has seed 0."""
    return [Axis(f"seed {n}", {"seed": n}) for n in range(1, count)]


def scaled(name: str, by: float = 0.25) -> list[Axis]:
    """A count 25 % down and up: the setting is the factor, 0.75 and 1.25."""
    return [Axis(f"{name} {sign}{by:.0%}".replace("%", " %"), {name: 1 + (by if sign == "+" else -by)}) for sign in "-+"]


def shifted(name: str, by: int | float, unit: str) -> list[Axis]:
    """Something moved down and up: `mask -2 px`, `mask +2 px`; the setting is the shift."""
    return [Axis(f"{name} {shift:+g} {unit}".strip(), {name: shift}) for shift in (-by, by)]


class Entry(BaseModel):
    """What every artefact says in the source. A kind's own entry adds fields; an unknown field is an error with its line."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str
    model: str = ""
    """A name among the course's `models`, such as `cnn` or `bert`; empty where no network is needed."""
    images: Literal["all"] | tuple[str, ...] = ()
    """The ids of the images that it is made of; `all` for all of the course's. None where it is not made of images."""
    of: tuple[str, ...] = ()
    """Names of the artefacts that it is made from: a change of theirs makes this one anew, and their axes are its axes too."""
    seeds: int = Field(default=20, ge=1)
    """Runs of a method that draws at random, the base run among them."""


@final
@dataclass(frozen=True)
class Kind:
    """A kind of artefact."""

    name: str
    make: Callable[[Any, Axis, "Workshop"], Value]
    """`(entry, axis, workshop) -> value`; for `images` a mapping from an image's id to its value."""
    entry: type[Entry]
    axes: Callable[[Any], Sequence[Axis]]
    """The axes of an entry, without those of the artefacts that it is made from."""
    version: int
    """Counts up whenever the same entry would give another value."""
    masked: bool
    """Whether its values depend on the course's masks (`Workshop.masks`): another mask then makes them anew."""
    kept: bool
    """Whether its values are worth keeping on the disk; not for a cheap view of what `Workshop.keep` has kept already."""


artefacts: Registry[Kind] = Registry("kind of artefact", __name__)
"""All kinds by name."""


def artefact(
    name: str,
    *,
    entry: type[Entry] = Entry,
    axes: Callable[[Any], Sequence[Axis]] = lambda entry: (),
    version: int = 1,
    masked: bool = False,
    kept: bool = True,
) -> Callable[[Callable[[Any, Axis, "Workshop"], Value]], Callable[[Any, Axis, "Workshop"], Value]]:
    """Registers the function that makes artefacts of this kind. ValueError for a name that is taken."""

    def register(make: Callable[[Any, Axis, "Workshop"], Value]) -> Callable[[Any, Axis, "Workshop"], Value]:
        artefacts.add(name, Kind(name, make, entry, axes, version, masked, kept))
        return make

    return register
