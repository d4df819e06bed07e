"""What the runs of a candidate measured, found again as long as all that decided it is the same."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, final

from pellucid.course.assignment import digest
from pellucid.course.expression import Call, Measured, names, parts
from pellucid.course.measures import NotComputable
from pellucid.course.spec import Candidate, QuestionSpec
from pellucid.course.verdicts import RunMargin
from pellucid.course.workshop import Run, Workshop
from pellucid.store import environment, write_whole

DIGITS = 6
"""Significant digits that are kept of a margin."""


@final
@dataclass(frozen=True)
class Measurement:
    """The margins of all runs of one condition, the base run first."""

    hash: str
    """What decided them: the condition, its measures' versions and its artefacts."""
    runs: tuple[RunMargin, ...]
    """A margin is NaN where a measure had no value."""
    value: float = math.nan
    """The left side of the comparison that decided the base run."""
    threshold: float = math.nan
    problem: str = ""
    """Why a run has no margin."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the libraries that computed it."""

    def to_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash, "value": finite(self.value), "threshold": finite(self.threshold), "problem": self.problem,
            "runs": [{"axis": run.axis, "margin": finite(run.margin)} for run in self.runs],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any], versions: Mapping[str, str]) -> "Measurement":
        runs = tuple(RunMargin(run["axis"], _number(run["margin"])) for run in data["runs"])
        return cls(
            data["hash"], runs, _number(data["value"]), _number(data["threshold"]), data.get("problem", ""), dict(versions)
        )


Known = Mapping[str, Measurement]
"""Measurements by their hash."""


def hash_of(candidate: Candidate, workshop: Workshop) -> str:
    """SHA-256 of all that decides a candidate's margins; a network is loaded for its fingerprint, and nothing is computed."""
    calls = {part.measure.name: part.measure.version for part in parts(candidate.when) if isinstance(part, Call)}
    artefacts = {name: workshop.hash_of(name) for name in names(candidate.when)}
    return digest({"when": str(candidate.when), "measures": calls, "artefacts": artefacts})


def measured(
    question: QuestionSpec,
    workshop: Workshop,
    known: Known,
    *,
    compute: bool = True,
    base_only: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> dict[str, Measurement]:
    """The measurement of every candidate by its id: known ones as they are, the others computed in all their runs.

    Without `compute`, the others have no run; with `base_only`, none but the base run.
    ValueError, naming the question and the option, for a condition that does not fit its artefacts.
    """
    hashes = {candidate.id: hash_of(candidate, workshop) for candidate in question.candidates}
    found = {id: known[hash] for id, hash in hashes.items() if hash in known}
    together: dict[frozenset[str], list[Candidate]] = {}
    for candidate in question.candidates:
        if candidate.id not in found and not compute:
            found[candidate.id] = Measurement(hashes[candidate.id], ())
        elif candidate.id not in found:
            together.setdefault(names(candidate.when), []).append(candidate)
    for used, candidates in together.items():
        runs = islice(workshop.runs(used), 1 if base_only else None)
        found |= _in_runs(question, runs, candidates, hashes, told)
    return {candidate.id: found[candidate.id] for candidate in question.candidates}


def _in_runs(
    question: QuestionSpec,
    made: Iterable[Run],
    candidates: list[Candidate],
    hashes: Mapping[str, str],
    told: Callable[[str], None],
) -> dict[str, Measurement]:
    runs: dict[str, list[RunMargin]] = {candidate.id: [] for candidate in candidates}
    base: dict[str, tuple[float, float]] = {}
    problems: dict[str, str] = {}
    for run in made:
        told(run.axis)
        measures = Measured(run.environment)
        for candidate in candidates:
            try:
                margin = measures.margin(candidate.when)
            except NotComputable as error:
                problems.setdefault(candidate.id, str(error))
                runs[candidate.id].append(RunMargin(run.axis, math.nan))
                continue
            except (ValueError, KeyError, IndexError, TypeError) as error:
                raise ValueError(f"question {question.id!r}, option {candidate.id!r}, {run.axis}: {error}") from error
            base.setdefault(candidate.id, (margin.value, margin.threshold)) if run.axis == "base" else None
            runs[candidate.id].append(RunMargin(run.axis, rounded(margin.margin)))
    versions = environment()
    nothing = (math.nan, math.nan)
    return {
        c.id: Measurement(
            hashes[c.id], tuple(runs[c.id]), rounded(base.get(c.id, nothing)[0]), rounded(base.get(c.id, nothing)[1]),
            problems.get(c.id, ""), versions,
        )
        for c in candidates
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ in files


def write_evidence(folder: Path, question: str, measurements: Mapping[str, Measurement]) -> Path:
    """A question's measurements in one JSON, named by the hash of theirs."""
    name = digest(sorted(one.hash for one in measurements.values()))[:16]
    versions = next((one.versions for one in measurements.values()), {})
    document = {
        "format": 1, "question": question, "versions": dict(versions),
        "candidates": [{"id": id, **one.to_json()} for id, one in measurements.items()],
    }  # fmt: skip
    return write_whole(folder / f"{name}.json", json.dumps(document, ensure_ascii=False, allow_nan=False).encode())


def read_evidence(folder: Path) -> dict[str, Measurement]:
    """All measurements in the folder's files, by hash. A file that cannot be read holds none."""
    found: dict[str, Measurement] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found |= {one["hash"]: Measurement.from_json(one, document["versions"]) for one in document["candidates"]}
        except (ValueError, KeyError, TypeError):
            continue
    return found


def in_key(document: Mapping[str, Any]) -> dict[str, Measurement]:
    """The measurements that a key document holds, by hash."""
    return {
        option["hash"]: Measurement.from_json(option, question["versions"])
        for question in document["evidence"]["questions"]
        for option in question["options"]
    }


def rounded(value: float) -> float:
    """To DIGITS significant digits, so that a file stays small and equal on machines that differ in the last bit."""
    return float(f"{value:.{DIGITS}g}")


def finite(value: float) -> float | None:
    """For JSON: None where it is no finite number."""
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
