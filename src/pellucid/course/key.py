"""The answer key, computed: which options are shown, which of them are right, and all the evidence, as one document."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pellucid.course.artefacts import Entry
from pellucid.course.assignment import Key, Selection, digest
from pellucid.course.binding import fill
from pellucid.course.evidence import Known, Measurement, finite, measured, rounded
from pellucid.course.expression import names
from pellucid.course.sampling import Shown, sample
from pellucid.course.spec import QuestionSpec, Spec
from pellucid.course.verdicts import SPREADS, Judgement, judge
from pellucid.course.workshop import Workshop

FORMAT = 1


def compute_key(
    spec: Spec,
    workshop: Workshop,
    *,
    known: Known | None = None,
    only: tuple[str, ...] = (),
    version: int = 1,
    parent: int | None = None,
    reason: str = "",
    compute: bool = True,
    base_only: bool = False,
    told: Callable[[str], None] = lambda text: None,
    kept: Callable[[QuestionSpec, Mapping[str, Measurement]], object] = lambda question, measurements: None,
) -> dict[str, Any]:
    """The key document of a course. What is `known` is not measured again; `kept` is given what each question measured.

    With `only` these questions, it is a draft. Without `compute`, a candidate that is not known is INVALID. With `base_only`,
    of what is not known the base run alone is made: a draft to compare with `drift.of_base_runs`, of which nothing is kept.
    ValueError where an artefact cannot be made or a condition does not fit.
    """
    wanted = [spec.question(id) for id in only] or list(spec.questions)
    evidence: list[dict[str, Any]] = []
    shown: dict[str, Shown] = {}
    right: dict[str, tuple[Selection, ...]] = {}
    for number, question in enumerate(wanted, 1):
        where = f"{number}/{len(wanted)} {question.id}"
        told(f"{where}: base")
        measurements = measured(
            question, workshop, known or {}, compute=compute, base_only=base_only,
            told=lambda text, w=where: told(f"{w}: {text}"),
        )  # fmt: skip
        if not base_only:
            kept(question, measurements)
        judged = {c.id: judge(measurements[c.id].runs, c.floor) for c in question.candidates}
        drawn = sample(
            question.id, judged, options=question.options, true=question.true, if_ambiguous=question.if_ambiguous,
            draw=question.draw,
        )  # fmt: skip
        shown[question.id] = drawn
        right[question.id] = (frozenset(id for id in drawn.options if judged[id].correct),)
        evidence.append(_evidence(question, measurements, judged, drawn))
    partial = replace(spec, questions=tuple(wanted))
    assignment = partial.assignment({id: drawn.options for id, drawn in shown.items()})
    complete = len(wanted) == len(spec.questions) and not base_only
    key = Key(
        assignment.hash, version, right, {id: s.disregarded for id, s in shown.items() if s.disregarded},
        frozenset(id for id, s in shown.items() if s.full), parent, reason, "computed" if complete else "draft",
    )  # fmt: skip
    entries = _entries(spec, wanted)
    return {
        "format": FORMAT, "state": key.state, "hash": key.hash, "assignment": assignment.to_json(), "key": key.to_json(),
        "evidence": {
            "questions": evidence, "spec": spec_hash(spec), "images": workshop.image_hashes,
            "model": workshop.model_hashes(entry.model for entry in entries.values() if entry.model),
            "versions": workshop.versions, "settings": {"spreads": SPREADS, "runs": _runs(evidence)},
        },
        "review": [],
    }  # fmt: skip


def spec_hash(spec: Spec) -> str:
    """SHA-256 of all that a source says: any edit but that of a comment changes it."""
    return digest({
        "id": spec.id, "title": dict(spec.title), "languages": list(spec.languages), "feedback": spec.feedback,
        "groups": {id: dict(text) for id, text in spec.groups.items()}, "models": dict(spec.models), "masks": spec.masks,
        "images": sorted(spec.images), "entries": {name: entry.model_dump(mode="json") for name, entry in spec.entries.items()},
        "questions": [
            {
                "id": q.id, "group": q.group, "tenths": q.tenths, "prompt": dict(q.prompt), "hint": dict(q.hint), "lab": q.lab,
                "show": [q.options, *q.true], "if_ambiguous": q.if_ambiguous, "draw": q.draw,
                "candidates": [[c.id, dict(c.text), str(c.when), c.floor, dict(c.why)] for c in q.candidates],
            }
            for q in spec.questions
        ],
    })  # fmt: skip


def _evidence(
    question: QuestionSpec, measurements: Mapping[str, Measurement], judged: Mapping[str, Judgement], drawn: Shown
) -> dict[str, Any]:
    options: list[dict[str, Any]] = []
    for candidate in question.candidates:
        one, said = measurements[candidate.id], judged[candidate.id]
        cited = {"value": one.value, "threshold": one.threshold, "margin": said.mean}
        options.append({
            "id": candidate.id, "text": dict(candidate.text), "correct": said.correct, "verdict": said.verdict,
            "margin": finite(rounded(said.mean)), "sd": finite(rounded(said.sd)), "floor": candidate.floor,
            "unit": candidate.unit, "when": str(candidate.when), "shown": candidate.id in drawn.options,
            "override": None, "why": {language: fill(text, cited) for language, text in candidate.why.items()},
            "reasons": [*said.reasons, *([one.problem] if one.problem else [])], **one.to_json(),
        })  # fmt: skip
    versions = next((one.versions for one in measurements.values()), {})
    computed = any(one.runs for one in measurements.values())
    problems = list(drawn.problems) if computed else ["it was never computed"]
    return {"id": question.id, "options": options, "problems": problems, "versions": dict(versions)}


def _entries(spec: Spec, questions: list[QuestionSpec]) -> dict[str, Entry]:
    """The artefacts of these questions, and what those are made from."""
    left = [name for q in questions for c in q.candidates for name in names(c.when)]
    found: dict[str, Entry] = {}
    while left:
        name = left.pop()
        if name not in found:
            found[name] = spec.entries[name]
            left += spec.entries[name].of
    return found


def _runs(evidence: list[dict[str, Any]]) -> int:
    return sum(len(option["runs"]) for question in evidence for option in question["options"])
