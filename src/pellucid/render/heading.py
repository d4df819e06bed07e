"""What stands above a figure: its title and the facts below it, whole, in as many lines as they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pellucid.render.figures import Canvas
from pellucid.render.lettering import wrapped
from pellucid.render.numbers import Real


@final
@dataclass(frozen=True)
class Heading:
    """Both in lines, ready to be drawn."""

    title: tuple[str, ...]
    facts: tuple[str, ...]
    size: int
    """Of the title, in pixels; facts are two thirds as large."""

    @classmethod
    def within(cls, room: Real, title: str, facts: Sequence[str] = (), size: int = 22) -> "Heading":
        """A heading at most `room` pixels wide."""
        lines = [line for fact in facts for line in wrapped(fact, room, size * 2 / 3)]
        return cls(tuple(wrapped(title, room, size, bold=True)), tuple(lines), size)

    @property
    def _above(self) -> int:
        return round((0.4 + 1.25 * len(self.title)) * self.size) if self.title else 0

    @property
    def height(self) -> int:
        """In pixels, from the upper edge of the title to where something else may stand."""
        return self._above + 21 * len(self.facts)

    def draw(self, canvas: Canvas, left: Real, top: Real) -> None:
        canvas.text(left, top - 5, "\n".join(self.title), self.size, bold=True)
        canvas.text(left, top - 3 + self._above, "\n".join(self.facts), self.size * 2 / 3, faint=True)
