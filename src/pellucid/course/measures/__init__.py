"""What the course measures of an explanation: registered functions of an artefact's values that return one number.

A measure says in which unit it counts, the least difference that an eye can tell (its floor), and the range of its values. Each
file of this package registers its own; a course may use any of them by name in a `when`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from pellucid.registry import Registry


class NotComputable(ValueError):
    """A measure has no value here, such as a share of nothing: the option is INVALID. The text says why."""


@final
@dataclass(frozen=True)
class Measure:
    """A function of values and numbers, and what its number means."""

    name: str
    function: Callable[..., float]
    unit: str
    """Two measures of the same unit may be compared and combined: `share`, `ratio`, `rank`, `correlation`, `nat`, ..."""
    floor: int | float
    """The least distance from a threshold that a person can be expected to see, in the unit."""
    range: tuple[int | float, int | float]
    version: int = 1
    """Counts up whenever the same artefacts would give another number."""

    def __call__(self, *values: Any, **named: Any) -> float:
        """The number. NotComputable where it is not finite or falls out of the range."""
        found = float(self.function(*values, **named))
        low, high = self.range
        slack = 1e-6 * max(1.0, abs(low) if math.isfinite(low) else 1.0, abs(high) if math.isfinite(high) else 1.0)
        if not math.isfinite(found) or not low - slack <= found <= high + slack:
            raise NotComputable(f"{self.name} gave {found}; its values lie between {low} and {high}")
        return found


measures: Registry[Measure] = Registry("measure", __name__)
"""All measures by name."""


def measure(
    *, unit: str, floor: int | float, range: tuple[int | float, int | float] = (-math.inf, math.inf), version: int = 1
) -> Callable[[Callable[..., float]], Measure]:
    """Registers a function under its own name. Its arguments are artefacts' values (arrays, mappings), numbers and strings.

    ValueError for a floor that is not above zero, or a name that is taken.
    """
    if not floor > 0:
        raise ValueError(f"floor={floor}; a floor is above zero: what an eye can tell, in {unit}")

    def register(function: Callable[..., float]) -> Measure:
        return measures.add(function.__name__, Measure(function.__name__, function, unit, floor, range, version))

    return register
