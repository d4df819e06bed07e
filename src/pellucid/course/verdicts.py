"""Whether an option's truth can be relied on: by the margins of all its runs.

A student who runs the same thing again, with another seed, on another machine, must find what the key says. So an option is
SAFE only where no run changes sides, the margin is many times its spread, and it is wide enough to be seen.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

Verdict = Literal["SAFE", "AMBIGUOUS", "INVALID"]
SPREADS = 4.0
"""Standard deviations that the mean margin must be away from zero. On simulated options, four of them and a floor leave one in
500 contradicted by a student's own run, where agreement of twenty seeds alone leaves 30 in 100."""


@final
@dataclass(frozen=True)
class RunMargin:
    """The margin in one run: `base`, a seed, or another axis."""

    axis: str
    margin: float


@final
@dataclass(frozen=True)
class Judgement:
    """What the runs say of an option."""

    verdict: Verdict
    correct: bool
    """Whether the condition holds, by the mean margin."""
    mean: float
    sd: float
    reasons: tuple[str, ...]
    """Why it is not SAFE, in words."""


def judge(runs: Sequence[RunMargin], floor: int | float) -> Judgement:
    """The verdict on an option with these runs, the base run first.

    Mean and standard deviation are those of the seeds (the base run is seed 0), or of all runs where nothing is drawn at
    random; a change of sides counts in any run. A margin that is no finite number makes the option INVALID, and so does having
    no run. ValueError for a floor that is not above zero.
    """
    if not floor > 0:
        raise ValueError(f"floor={floor}; a floor is above zero")
    if not runs:
        return Judgement("INVALID", False, math.nan, math.nan, ("it was never computed",))
    broken = [run.axis for run in runs if not math.isfinite(run.margin)]
    if broken:
        return Judgement("INVALID", False, math.nan, math.nan, (f"it has no value in: {_some(broken)}",))
    seeded = [run.margin for run in runs if run.axis.startswith("seed ")]
    spread = [runs[0].margin, *seeded] if seeded else [run.margin for run in runs]
    mean = statistics.fmean(spread)
    sd = statistics.stdev(spread) if len(spread) > 1 else 0.0
    correct = mean > 0
    reasons: list[str] = []
    turned = [run.axis for run in runs if run.margin == 0 or (run.margin > 0) != correct]
    if turned:
        reasons.append(f"other runs say the opposite: {_some(turned)}")
    if abs(mean) < SPREADS * sd:
        reasons.append(f"its margin of {abs(mean):.3g} is {abs(mean) / sd:.1f} standard deviations; at least {SPREADS:g}")
    if abs(mean) < floor:
        reasons.append(f"its margin of {abs(mean):.3g} is below the floor of {floor:.3g}, what an eye can tell")
    return Judgement("AMBIGUOUS" if reasons else "SAFE", correct, mean, sd, tuple(reasons))


def _some(axes: Sequence[str]) -> str:
    return ", ".join(axes[:4]) + (f" and {len(axes) - 4} more" if len(axes) > 4 else "")
