"""Grades for the systems that a university has: Gradescope's columns, Canvas's gradebook."""

from dataclasses import asdict, dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class CanvasReport:
    """Who of the gradebook was matched; nobody is ever matched by name."""

    matched: int
    ambiguous: tuple[str, ...]
    """One sentence for each line or member that more than one fits."""
    unmatched: tuple[str, ...]
    """One sentence for each line without a member, and for each student who is not in the gradebook."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
